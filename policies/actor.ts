import { type RawBuilder, sql } from 'kysely'
import { type Predicate, type Relation, usesLastDay, usesProfile } from './indicator.ts'

/** What is known of whoever acted. All of it depends on the person alone. */
export interface Actor {
  /** The departments of their current profiles; null where there is none. */
  departments: RawBuilder<number[] | null>
  /** The earliest UTC day that a notice of theirs calls the last one of work; null where there is none. */
  lastDay: RawBuilder<string | null>
  /** Whether a profile of theirs says the same as the record, where that is quicker to say than more of the profile. */
  shares?: (key: SharedKey) => RawBuilder<boolean>
}

type SharedKey = 'name_key' | 'last_name_key' | 'address_key' | 'street_key'

/** Current profiles of the person who has an account. */
const profilesOf = (identity: RawBuilder<unknown>) => sql`
  identity own join identity other on other.person_id = own.person_id
  join profile_key p on p.identity_id = other.id where own.id = ${identity}`

const lastDayOf = (identity: RawBuilder<unknown>) => sql<string | null>`(
  select min((fact.last_working_at at time zone 'UTC')::date)
  from identity own join identity other on other.person_id = own.person_id
  join fact on fact.identity_id = other.id and fact.kind = 'resignation' and fact.superseded_at is null
    and not fact.withdrawn
  where own.id = ${identity})`

const ACTING = sql`a.identity_id`

/** For a few activities: each asks anew. */
export const LOOKED_UP: Actor = {
  // Without the cast `any` would take it for rows.
  departments: sql`(
    select array_agg(p.department_key) from ${profilesOf(ACTING)} and p.department_key is not null)::bigint[]`,
  lastDay: lastDayOf(ACTING),
}

/** Of `t`, where `knownOf` has put it. */
export const KNOWN: Actor = {
  departments: sql`t.departments`,
  lastDay: sql`t.last_day`,
  shares: (key) => sql`coalesce(${sql.ref(`a.subject_${key}`)} = any (${sql.ref(`t.${key}s`)}), false)`,
}

interface Known {
  columns: RawBuilder<unknown>
  joins: RawBuilder<unknown>
}

export const NOTHING_KNOWN: Known = { columns: sql``, joins: sql`` }

/** Looked up once for all that somebody did on a day: further columns and joins of `t`, as far as the predicates ask. */
export function knownOf(predicates: readonly Predicate[]): Known {
  const identity = sql`t.identity_id`
  const lastDay = predicates.some(usesLastDay) ? sql`, ${lastDayOf(identity)} as last_day` : sql``
  if (!predicates.some(usesProfile)) return { columns: lastDay, joins: sql`` }
  const keys = (key: SharedKey) => sql`array_agg(${sql.ref(`p.${key}`)}) as ${sql.ref(`${key}s`)}`
  return {
    columns: sql`, profile.*${lastDay}`,
    joins: sql`cross join lateral (
      select ${sql.join((['name_key', 'last_name_key', 'address_key', 'street_key'] as const).map(keys))},
             array_agg(p.department_key) filter (where p.department_key is not null) as departments
      from ${profilesOf(identity)}) profile`,
  }
}

/** Who the touched record belongs to, seen from the person who touched it. Names and addresses are keyed hashes. */
const OWN_RELATIONS: Record<Exclude<Relation, 'colleague'>, { shares: SharedKey; and: RawBuilder<unknown> }> = {
  // Where the source gives no address the name alone has to do.
  self: {
    shares: 'name_key',
    and: sql`p.address_key = a.subject_address_key or p.address_key is null or a.subject_address_key is null`,
  },
  household: { shares: 'address_key', and: sql`p.name_key is distinct from a.subject_name_key` },
  family_name: {
    shares: 'last_name_key',
    and: sql`p.name_key is distinct from a.subject_name_key
      and p.address_key is distinct from a.subject_address_key`,
  },
  neighbour: { shares: 'street_key', and: sql`p.address_key is distinct from a.subject_address_key` },
}

const COLLEAGUE = sql<boolean>`exists (
  select from profile_key p join identity theirs on theirs.id = p.identity_id
  join identity own on own.id = a.identity_id
  where p.name_key = a.subject_name_key and theirs.person_id <> own.person_id
    and (p.address_key = a.subject_address_key or p.address_key is null or a.subject_address_key is null))`

export function isRelated(relation: Relation, actor: Actor): RawBuilder<boolean> {
  if (relation === 'colleague') return COLLEAGUE
  const { shares, and } = OWN_RELATIONS[relation]
  const same = sql`${sql.ref(`p.${shares}`)} = ${sql.ref(`a.subject_${shares}`)}`
  const exactly = sql<boolean>`exists (select from ${profilesOf(ACTING)} and ${same} and (${and}))`
  return actor.shares ? sql`(${actor.shares(shares)} and ${exactly})` : exactly
}

export const otherDepartment = ({ departments }: Actor): RawBuilder<boolean> =>
  sql`coalesce(a.subject_department_key <> all (${departments}), false)`

/**
 * The commonest answer first: the record names the person's own department. The offsets keep each look-up one by the
 * key: otherwise all patients might be read into memory for every chunk.
 */
export const neverInDepartment = (actor: Actor): RawBuilder<boolean> => sql`(a.subject_last_name_key is not null
  and coalesce(a.subject_department_key <> all (${actor.departments}), ${actor.departments} is not null)
  and case when a.subject_key is null then ${otherDepartment(actor)} else (
    (a.subject_department_key is not null or exists (
      select from subject_department met
      where met.subject_key = a.subject_key and met.department_key is not null offset 0))
    and not exists (
      select from subject_department met
      where met.subject_key = a.subject_key and met.department_key = any (${actor.departments}) offset 0)) end)`

/** The UTC day of the last working day is still a day of work. */
export const afterLastDay = ({ lastDay }: Actor): RawBuilder<boolean> =>
  sql`coalesce((a.at at time zone 'UTC')::date > ${lastDay}, false)`
