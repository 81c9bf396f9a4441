import { type RawBuilder, sql } from 'kysely'
import type { ActivityRows } from '../db/activity-rows.ts'
import { int8s } from '../db/binary.ts'
import type { Connection } from '../db/connection.ts'
import { Book, seenRevision } from './book.ts'
import { type ActiveIndicator, hasRollups, rollupKey, touchedActivities } from './compile.ts'
import { usesTreatment } from './indicator.ts'

const DEPARTMENTS_AT_MOST = 2 ** 20
/** A table of meetings has room for 53 bits and 32: the key's 64, and the number of a department. */
const LOW_BITS = 11n
const LOW_MASK = (1n << LOW_BITS) - 1n

/** Pairs of a chunk, side by side: keyed hashes of 64 bits. */
export interface Pairs {
  subjects: BigInt64Array
  /** Null where the source names none. */
  departments: (bigint | null)[]
}

/** The pairs of patient and department that one import has noted: in a hospital's log few are new. */
export class TreatmentBook extends Book {
  readonly #departments = new Map<string | null, number>()

  /** Takes the pairs of a chunk; returns those that were not noted before. */
  take(subjects: ActivityRows['subjects']): Pairs {
    const fresh = new BigInt64Array([...subjects.values()].reduce((count, met) => count + met.size, 0))
    const departments: (bigint | null)[] = []
    for (const [department, met] of subjects) {
      const number = this.#numberOf(department) << Number(LOW_BITS)
      const departmentKey = department === null ? null : BigInt(department)
      for (const subject of met) {
        const key = BigInt(subject)
        const bits = BigInt.asUintN(64, key)
        if (!this.noted.lower(Number(bits >> LOW_BITS), Number(bits & LOW_MASK) | number, 0)) continue
        fresh[departments.length] = key
        departments.push(departmentKey)
      }
    }
    return { subjects: fresh.slice(0, departments.length), departments }
  }

  #numberOf(department: string | null): number {
    const known = this.#departments.get(department)
    if (known !== undefined) return known
    if (this.#departments.size === DEPARTMENTS_AT_MOST) {
      this.#departments.clear()
      this.noted.clear()
    }
    const made = this.#departments.size
    this.#departments.set(department, made)
    return made
  }
}

export interface Treated {
  /** Of each chunk, what its import had not noted. */
  pairs: readonly Pairs[]
  /** Whether anybody's record was touched. */
  any: boolean
  /** False when a record may count no longer. */
  onlyAdded: boolean
}

/**
 * Notes in which departments patients were met by what a transaction has stored, and touches the days of everybody whose
 * look at such a patient's record it shows in another light, whichever import brought it. Returns whether a rollup of such
 * a day may be lost: see `dropLost`.
 */
export async function noteTreatments(
  tx: Connection,
  book: TreatmentBook,
  touched: string,
  { pairs, any, onlyAdded }: Treated,
): Promise<boolean> {
  if (!any) return false
  await lockTreatments(tx)
  if (!onlyAdded) {
    const told = await notePairs(tx, touched, toldOn(touched))
    await takeAway(tx, touched)
    book.clear()
    return told
  }
  // Behind the lock: whoever took a pair away has committed. What nobody else sees yet was not asked when it was taken.
  if (book.forgetsAsOf(await seenRevision(tx))) return notePairs(tx, touched, toldOn(touched))
  const departments = pairs.flatMap((each) => each.departments)
  if (departments.length === 0) return false
  const subjects = new BigInt64Array(departments.length)
  let filled = 0
  for (const each of pairs) {
    subjects.set(each.subjects, filled)
    filled += each.subjects.length
  }
  return notePairs(
    tx,
    touched,
    sql`select * from unnest(${int8s(subjects.length, (n) => subjects[n] as bigint)}::bigint[],
                             ${int8s(subjects.length, (n) => departments[n] as bigint | null)}::bigint[])
          as told (subject_key, department_key)`,
  )
}

const TREATMENTS = 7_104_022

/**
 * A look at a record and what tells where its patient was treated may be stored by two imports at once: the second waits
 * here, after its rows are in, and sees those of the first. Taken before any person-day is locked.
 */
const lockTreatments = (tx: Connection) => sql`select pg_advisory_xact_lock(${sql.lit(TREATMENTS)})`.execute(tx)

const toldOn = (touched: string) => sql`
  select distinct a.subject_key, a.subject_department_key as department_key from ${touchedActivities(touched)}
  where a.subject_key is not null and a.superseded_by is null`

/** Of a patient of whom nothing was known nobody else can have seen anything: most pairs ask for no more than their row. */
async function notePairs(tx: Connection, touched: string, told: RawBuilder<unknown>): Promise<boolean> {
  const lost = await sql<{ any: boolean }>`
    with told as materialized (${told}), fresh as (
      insert into subject_department (subject_key, department_key)
      select subject_key, department_key from told order by 1, 2
      on conflict do nothing returning subject_key, department_key
    ), known as materialized (
      -- as it was before the insertion
      select fresh.subject_key, fresh.department_key, not before.somewhere as is_first
      from fresh cross join lateral (
        select bool_or(met.department_key is not null) as somewhere from subject_department met
        where met.subject_key = fresh.subject_key
      ) before
      where fresh.department_key is not null and before.somewhere is not null
    ), looks as (
      insert into ${sql.raw(touched)} (identity_id, day, may_lose)
      select looked.identity_id, looked.day, bool_or(not known.is_first)
      from known cross join lateral (${looksAt(sql`known.subject_key`)}) looked
      -- The first department puts everybody else's look in question, a further one only those of its own people.
      where known.is_first or exists (
        select from identity own join identity other on other.person_id = own.person_id
        join profile_key p on p.identity_id = other.id
        where own.id = looked.identity_id and p.department_key = known.department_key offset 0)
      group by 1, 2
      returning may_lose
    )
    select coalesce(bool_or(may_lose), false) as any from looks`.execute(tx)
  return lost.rows[0]?.any === true
}

/** Takes away the pairs that only corrected records told. */
async function takeAway(tx: Connection, touched: string): Promise<void> {
  // Before anything is taken away: imports that know of a pair forget it.
  await sql`select nextval('seen_revision')`.execute(tx)
  await sql`
    with taken as materialized (
      select distinct a.subject_key, a.subject_department_key as department_key from ${touchedActivities(touched)}
      where a.subject_key is not null and a.superseded_by is not null
    ), gone as (
      delete from subject_department met using taken
      where met.subject_key = taken.subject_key and met.department_key is not distinct from taken.department_key
        and not exists (
          select from activity a where a.subject_key = taken.subject_key and a.superseded_by is null
            and a.subject_department_key is not distinct from taken.department_key offset 0)
      returning met.subject_key
    )
    insert into ${sql.raw(touched)} (identity_id, day)
    select looked.identity_id, looked.day
    from (select distinct subject_key from gone) gone cross join lateral (${looksAt(sql`gone.subject_key`)}) looked
    group by 1, 2`.execute(tx)
}

const looksAt = (subject: RawBuilder<unknown>) => sql`
  select a.identity_id, (a.at at time zone 'UTC')::date as day from activity a where a.subject_key = ${subject} offset 0`

/**
 * Drops what may be lost of days that an earlier chunk counted: nothing else of them can disappear. Behind the locks of
 * the touched days, before they are counted anew.
 */
export async function dropLost(tx: Connection, indicators: readonly ActiveIndicator[], touched: string): Promise<void> {
  const asking = indicators.filter((indicator) => hasRollups(indicator) && usesTreatment(indicator.where))
  await sql`
    delete from indicator_day using ${sql.raw(touched)} t
    where t.may_lose and indicator_day.identity_id = t.identity_id and indicator_day.day = t.day
      and indicator_day.rollup_key = any (${[...new Set(asking.map(rollupKey))]}::uuid[])`.execute(tx)
}
