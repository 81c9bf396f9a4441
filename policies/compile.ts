import { type RawBuilder, sql } from 'kysely'
import { uuidText, viewOf } from '../db/binary.ts'
import type { Connection } from '../db/connection.ts'
import { sha256 } from '../db/hash.ts'
import { canonicalJson } from '../domain/canonical.ts'
import { addDays } from '../domain/window.ts'
import {
  type Actor,
  afterLastDay,
  isRelated,
  KNOWN,
  knownOf,
  LOOKED_UP,
  NOTHING_KNOWN,
  neverInDepartment,
  otherDepartment,
} from './actor.ts'
import { type IndicatorDefinition, POLICY_ZONE, type Predicate } from './indicator.ts'

/** What the rollups need of an indicator. They are kept for every version that an enabled policy scores with. */
export type ActiveIndicator = Pick<IndicatorDefinition, 'id' | 'version' | 'where' | 'measure'> & {
  /** The policy's zone, where the predicate asks for it. */
  timeZone?: string
}

const KEYS = new WeakMap<Predicate, Map<string, string>>()

/**
 * `indicator_day.rollup_key`: the first 16 bytes of the SHA-256 of the predicate and the zone that it asks for. Indicators
 * and versions that count the same activities share their rollups; what is first seen has a key of its own and no rollups.
 */
export function rollupKey({ where, measure, timeZone }: Omit<ActiveIndicator, 'id' | 'version'>): string {
  const firstSeen = measure.of === 'first_seen' ? measure.dimension : null
  const keys = KEYS.get(where) ?? new Map<string, string>()
  const asked = `${timeZone ?? ''} ${firstSeen ?? ''}`
  let key = keys.get(asked)
  if (key === undefined) {
    const digest = Buffer.from(sha256(canonicalJson({ where, timeZone: timeZone ?? null, firstSeen })), 'hex')
    key = uuidText(viewOf(digest))
    KEYS.set(where, keys.set(asked, key))
  }
  return key
}

/** One indicator for each of their rollups, by its key. */
export function byRollup(indicators: readonly ActiveIndicator[]): Map<string, ActiveIndicator> {
  return new Map(indicators.filter(hasRollups).map((indicator) => [rollupKey(indicator), indicator]))
}

/**
 * SQL of an indicator's predicate over `activity a`. A comparison with an absent value is false, never unknown. `actor` says
 * how what is known of whoever acted is found: by the activity alone unless told.
 */
export const compilePredicate = (
  { where, timeZone }: Pick<ActiveIndicator, 'where' | 'timeZone'>,
  actor: Actor = LOOKED_UP,
): RawBuilder<boolean> => compile(where, timeZone ?? 'UTC', actor)

function compile(predicate: Predicate, policyZone: string, actor: Actor): RawBuilder<boolean> {
  const joined = (parts: readonly Predicate[], by: ' and ' | ' or '): RawBuilder<boolean> =>
    sql`(${sql.join(
      parts.map((part) => sql`(${compile(part, policyZone, actor)})`),
      sql.raw(by),
    )})`
  const local = (zone: string) => sql`(a.at at time zone ${zone === POLICY_ZONE ? policyZone : zone}::text)`
  if ('all' in predicate) return joined(predicate.all, ' and ')
  if ('any' in predicate) return joined(predicate.any, ' or ')
  if ('not' in predicate) return sql`not (${compile(predicate.not, policyZone, actor)})`
  switch (predicate.field) {
    case 'destination_is_external':
      return sql`coalesce(a.destination_is_external = ${predicate.is}::boolean, false)`
    case 'flags':
      return sql`coalesce(${predicate.contains}::text = any (a.flags), false)`
    case 'amount':
      return sql`coalesce(a.amount >= ${predicate.atLeast}::float8, false)`
    case 'connector_kind':
      return sql`a.connector_id in (select id from connector where kind = any (${predicate.in}::text[]))`
    case 'after_last_day':
      return afterLastDay(actor)
    case 'other_department':
      return otherDepartment(actor)
    case 'never_in_department':
      return neverInDepartment(actor)
    case 'relation':
      return sql`(a.subject_last_name_key is not null and (${sql.join(
        predicate.in.map((relation) => isRelated(relation, actor)),
        sql.raw(' or '),
      )}))`
    case 'size_bytes':
      return sql`coalesce(a.size_bytes >= ${predicate.atLeast}::bigint, false)`
    case 'hour': {
      const hour = sql`extract(hour from ${local(predicate.zone)})`
      return predicate.from <= predicate.to
        ? sql`(${hour} >= ${predicate.from}::int and ${hour} < ${predicate.to}::int)`
        : sql`(${hour} >= ${predicate.from}::int or ${hour} < ${predicate.to}::int)`
    }
    case 'weekday':
      return sql`extract(isodow from ${local(predicate.zone)})::int = any (${predicate.in}::int[])`
    default:
      return sql`coalesce(${sql.ref(`a.${predicate.field}`)} = any (${predicate.in}::text[]), false)`
  }
}

/** Who is nobody inside: what they do counts for no indicator. */
export const OUTSIDERS = ['service', 'guest', 'external', 'anonymous'] as const

/** Only people inside count, and a record that was corrected counts no longer. */
export const COUNTS = sql`a.superseded_by is null and a.actor_kind not in (${sql.join(OUTSIDERS.map((kind) => sql.lit(kind)))})`

/**
 * Activities of the touched person-days; `touched` names a table with identity_id and day. Each day is looked up by its
 * key (that is what the offset is for): a plan over a whole month would take longer the more the month holds.
 */
export const touchedActivities = (touched: string, { columns, joins } = NOTHING_KNOWN, leavesCounted = false) => sql`
  (select t.identity_id, t.day, t.day::timestamp at time zone 'UTC' as from_at,
          (t.day + 1)::timestamp at time zone 'UTC' as to_at${columns}
   from (select identity_id, day from ${sql.raw(touched)} group by 1, 2
         ${leavesCounted ? sql`having not bool_or(is_counted)` : sql``} order by 1, 2) t ${joins} offset 0) t
  cross join lateral (
    select a.*, a.xmin as stored_by from activity a
    where a.identity_id = t.identity_id and a.at >= t.from_at and a.at < t.to_at offset 0
  ) a`

/** Imports that touch people of one bucket take turns. Few enough for the table of locks, enough to leave others alone. */
const LOCK_BUCKETS = 256

/**
 * Two imports that touch the same person-day each see their own rows only until the other has committed: the second
 * waits here, after its rows are in, and its next statement sees both. Locks on the identities' rows would say the same
 * and write every one of them.
 */
export const lockTouched = (tx: Connection, touched: string) =>
  sql`
    select pg_advisory_xact_lock(hashtext('recompute person-days'), bucket)
    from (select distinct (identity_id % ${LOCK_BUCKETS}::int)::int as bucket from ${sql.raw(touched)} order by 1 offset 0) b`.execute(
    tx,
  )

/** What is first seen is told by `identity_seen` and the activities themselves: counts of it say nothing. */
export const hasRollups = ({ measure }: Pick<ActiveIndicator, 'measure'>): boolean => measure.of !== 'first_seen'

/**
 * The places, from 1 on, of the indicators whose predicates hold of `activity a`. Told apart by what was done first: most
 * predicates ask for it, so that of most activities few have to be tested.
 */
function hitsOf(indicators: readonly ActiveIndicator[]): RawBuilder<number[]> {
  const verbs = indicators.map(({ where }) => verbsOf(where))
  // Not a list of VALUES: its expressions are made ready anew for every activity, which costs ten times the comparison.
  const tested = (places: readonly number[]) =>
    places.length === 0
      ? sql`'{}'::int[]`
      : sql`array_remove(array[${sql.join(
          places.map(
            (n) =>
              sql`case when ${compilePredicate(indicators[n] as ActiveIndicator, KNOWN)} then ${sql.lit(n + 1)} end`,
          ),
        )}], null)`
  const placesOf = (verb: string | null): number[] =>
    verbs.flatMap((asked, n) => (asked === null || (verb !== null && asked.has(verb)) ? [n] : []))
  const alike = new Map<string, { verbs: string[]; places: number[] }>()
  for (const verb of new Set(verbs.flatMap((asked) => [...(asked ?? [])]))) {
    const places = placesOf(verb)
    const found = alike.get(places.join())
    if (found) found.verbs.push(verb)
    else alike.set(places.join(), { verbs: [verb], places })
  }
  const any = tested(placesOf(null))
  if (alike.size === 0) return sql`${any}`
  const cases = [...alike.values()].map(
    (each) => sql`when a.verb = any (${each.verbs}::text[]) then ${tested(each.places)}`,
  )
  return sql`case ${sql.join(cases, sql` `)} else ${any} end`
}

/** The verbs that a predicate can hold of; null where it asks for none in particular. */
export function verbsOf(predicate: Predicate): ReadonlySet<string> | null {
  if ('all' in predicate) return predicate.all.map(verbsOf).find((verbs) => verbs !== null) ?? null
  if ('any' in predicate) {
    const each = predicate.any.map(verbsOf)
    return each.includes(null) ? null : new Set(each.flatMap((verbs) => [...(verbs ?? [])]))
  }
  return 'field' in predicate && predicate.field === 'verb' ? new Set(predicate.in) : null
}

/** What a rollup says, by the columns that say it. */
const measures = (of: (name: string) => string) =>
  sql.raw(['count', 'objects', 'items', 'bytes', 'amount', 'first_at', 'last_at'].map(of).join(', '))
const ROLLUP_COLUMNS = sql`identity_id, day, rollup_key, ${measures((name) => name)}`

export interface RecomputeOptions {
  /**
   * Nothing that counted before counts no longer: no rollup can disappear, and most do not change. What the transaction
   * stored was not counted yet.
   */
  onlyAdded?: boolean
  /** Person-days that are counted already are left out: `touched` says in is_counted which ones. */
  leavesCounted?: boolean
}

/**
 * Recomputes the rollups of the touched person-days for all indicators in one pass over their activities. Never adds
 * to what is there, so that any order and repetition of imports ends in the same rollups.
 */
export async function recomputeRollups(
  tx: Connection,
  indicators: readonly ActiveIndicator[],
  touched: string,
  { onlyAdded = false, leavesCounted = false }: RecomputeOptions = {},
): Promise<void> {
  await lockTouched(tx, touched)
  const counted = byRollup(indicators)
  const keys = [...counted.keys()]
  if (!onlyAdded) {
    await sql`
      delete from indicator_day using (select distinct identity_id, day from ${sql.raw(touched)}) t
      where indicator_day.identity_id = t.identity_id and indicator_day.day = t.day
        and indicator_day.rollup_key = any (${keys}::uuid[])`.execute(tx)
  }
  if (keys.length === 0) return
  // A rollup is there already where it counts something that an earlier transaction stored.
  const isRecounted = onlyAdded ? sql`a.stored_by <> (select pg_current_xact_id()::xid)` : sql`false`
  // Most rollups are new, and an insertion that may meet another row takes twice as long as one that cannot: behind the
  // locks nobody else makes them.
  await sql`
    with counted as (
      select identity_id, day, (${keys}::uuid[])[hit] as rollup_key, count(*) as count, count(distinct object_key) as objects,
             sum(items) as items, sum(bytes) as bytes, max(amount) as amount, min(at) as first_at, max(at) as last_at,
             bool_or(is_recounted) as is_recounted
      from (
        select a.identity_id, t.day, unnest(${hitsOf([...counted.values()])}) as hit, a.object_key,
               coalesce(a.item_count, 1) as items, coalesce(a.size_bytes, 0) as bytes, a.amount, a.at,
               ${isRecounted} as is_recounted
        from ${touchedActivities(touched, knownOf([...counted.values()].map(({ where }) => where)), leavesCounted)}
        where ${COUNTS}
      ) hit
      group by identity_id, day, hit
      order by identity_id, day, hit
    ), compared as materialized (
      select counted.*, known.count is not null as is_known,
             (${measures((name) => `counted.${name}`)}) is distinct from (${measures((name) => `known.${name}`)}) as differs
      from counted left join lateral (
        select ${measures((name) => name)} from indicator_day r
        where counted.is_recounted and r.identity_id = counted.identity_id and r.day = counted.day
          and r.rollup_key = counted.rollup_key offset 0
      ) known on true
    ), changed as (
      insert into indicator_day (${ROLLUP_COLUMNS}) select ${ROLLUP_COLUMNS} from compared where is_known and differs
      on conflict (identity_id, day, rollup_key) do update
      set ${measures((name) => `${name} = excluded.${name}`)}
    )
    insert into indicator_day (${ROLLUP_COLUMNS}) select ${ROLLUP_COLUMNS} from compared where not is_known`.execute(tx)
}

/**
 * Recomputes indicators over all history, after they were added or changed: all in one pass, a transaction per UTC day, so
 * that no statement outgrows its time limit and imports go on in between. Run twice it changes nothing.
 */
export async function rebuildRollups(
  db: Connection,
  indicators: readonly ActiveIndicator[],
  onDay: () => void = () => {},
): Promise<void> {
  if (!indicators.some(hasRollups)) return
  const partitions = await sql<{ month: string }>`
    select to_char(to_date(right(child.relname, 6), 'YYYYMM'), 'YYYY-MM-DD') as month
    from pg_inherits join pg_class child on child.oid = inhrelid
    where inhparent = 'activity'::regclass order by 1`.execute(db)
  for (const { month } of partitions.rows) {
    for (let day = month; day.slice(0, 7) === month.slice(0, 7); day = addDays(day, 1)) {
      await db.transaction().execute(async (tx) => {
        await sql`
          create temp table rebuilt_day on commit drop as
          select distinct a.identity_id, ${day}::date as day from activity a
          where a.at >= ${day}::date::timestamp at time zone 'UTC'
            and a.at < (${day}::date + 1)::timestamp at time zone 'UTC'`.execute(tx)
        await recomputeRollups(tx, indicators, 'pg_temp.rebuilt_day')
      })
      onDay()
    }
  }
}
