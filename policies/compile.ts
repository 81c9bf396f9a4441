import { type RawBuilder, sql } from 'kysely'
import type { Connection } from '../db/connection.ts'
import type { Evidence } from '../domain/score.ts'
import { addDays } from '../domain/window.ts'
import { type IndicatorDefinition, POLICY_ZONE, type Predicate, type Relation } from './indicator.ts'

/** What the rollups need of an indicator. They are kept for every version that an enabled policy scores with. */
export type ActiveIndicator = Pick<IndicatorDefinition, 'id' | 'version' | 'where' | 'measure'> & {
  /** The policy's zone, where the predicate asks for it. */
  timeZone?: string
}

/** `indicator_day.indicator_id`: versions and zones with different predicates have rollups of their own. */
export const rollupKey = ({ id, version, timeZone }: Pick<ActiveIndicator, 'id' | 'version' | 'timeZone'>): string =>
  timeZone === undefined ? `${id}@${version}` : `${id}@${version} ${timeZone}`

/** SQL of an indicator's predicate over `activity a`. A comparison with an absent value is false, never unknown. */
export const compilePredicate = ({
  where,
  timeZone,
}: Pick<ActiveIndicator, 'where' | 'timeZone'>): RawBuilder<boolean> => compile(where, timeZone ?? 'UTC')

function compile(predicate: Predicate, policyZone: string): RawBuilder<boolean> {
  const joined = (parts: readonly Predicate[], by: ' and ' | ' or '): RawBuilder<boolean> =>
    sql`(${sql.join(
      parts.map((part) => sql`(${compile(part, policyZone)})`),
      sql.raw(by),
    )})`
  const local = (zone: string) => sql`(a.at at time zone ${zone === POLICY_ZONE ? policyZone : zone}::text)`
  if ('all' in predicate) return joined(predicate.all, ' and ')
  if ('any' in predicate) return joined(predicate.any, ' or ')
  if ('not' in predicate) return sql`not (${compile(predicate.not, policyZone)})`
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
      return AFTER_LAST_DAY
    case 'other_department':
      return sql`(a.subject_department_key is not null and ${ownProfile(sql`p.department_key <> a.subject_department_key`)}
        and not ${ownProfile(sql`p.department_key = a.subject_department_key`)})`
    case 'relation':
      return sql`(a.subject_last_name_key is not null and (${sql.join(
        predicate.in.map((relation) => RELATIONS[relation]),
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

/** True of some current profile of the person who acted. */
const ownProfile = (condition: RawBuilder<unknown>): RawBuilder<boolean> => sql`exists (
  select from identity own join identity other on other.person_id = own.person_id
  join profile_key p on p.identity_id = other.id where own.id = a.identity_id and (${condition}))`

const SAME_NAME = sql`p.name_key = a.subject_name_key`
const SAME_ADDRESS = sql`p.address_key = a.subject_address_key`

/** Who the touched record belongs to, seen from the person who touched it. Names and addresses are keyed hashes. */
const RELATIONS: Record<Relation, RawBuilder<boolean>> = {
  // Where the source gives no address the name alone has to do.
  self: ownProfile(sql`${SAME_NAME} and (${SAME_ADDRESS} or p.address_key is null or a.subject_address_key is null)`),
  household: ownProfile(sql`${SAME_ADDRESS} and p.name_key is distinct from a.subject_name_key`),
  family_name:
    ownProfile(sql`p.last_name_key = a.subject_last_name_key and p.name_key is distinct from a.subject_name_key
    and p.address_key is distinct from a.subject_address_key`),
  neighbour: ownProfile(
    sql`p.street_key = a.subject_street_key and p.address_key is distinct from a.subject_address_key`,
  ),
  colleague: sql`exists (
    select from profile_key p join identity theirs on theirs.id = p.identity_id
    join identity own on own.id = a.identity_id
    where ${SAME_NAME} and theirs.person_id <> own.person_id
      and (${SAME_ADDRESS} or p.address_key is null or a.subject_address_key is null))`,
}

/** The UTC day of the last working day is still a day of work. */
const AFTER_LAST_DAY: RawBuilder<boolean> = sql`exists (
  select from identity own join identity other on other.person_id = own.person_id
  join fact on fact.identity_id = other.id and fact.kind = 'resignation' and fact.superseded_at is null
    and not fact.withdrawn
  where own.id = a.identity_id
    and (a.at at time zone 'UTC')::date > (fact.last_working_at at time zone 'UTC')::date)`

/** Only people inside count, and a record that was corrected counts no longer. */
export const COUNTS = sql`a.superseded_by is null and a.actor_kind not in ('service', 'guest', 'external', 'anonymous')`

/** Activities of the touched person-days; `touched` names a table with identity_id and day. */
const touchedActivities = (touched: string) => sql`
  (select distinct identity_id, day from ${sql.raw(touched)}) t
  join activity a on a.identity_id = t.identity_id
    and a.at >= t.day::timestamp at time zone 'UTC' and a.at < (t.day + 1)::timestamp at time zone 'UTC'`

/** Imports that touch people of one bucket take turns. Few enough for the table of locks, enough to leave others alone. */
const LOCK_BUCKETS = 256

/**
 * Two imports that touch the same person-day each see their own rows only until the other has committed: the second
 * waits here, after its rows are in, and its next statement sees both. Locks on the identities' rows would say the same
 * and write every one of them.
 */
const lockTouched = (tx: Connection, touched: string) =>
  sql`
    select pg_advisory_xact_lock(hashtext('recompute person-days'), bucket)
    from (select distinct (identity_id % ${LOCK_BUCKETS}::int)::int as bucket from ${sql.raw(touched)} order by 1 offset 0) b`.execute(
    tx,
  )

/**
 * Recomputes the rollups of the touched person-days for all indicators in one pass over their activities. Never adds
 * to what is there, so that any order and repetition of imports ends in the same rollups.
 */
export async function recomputeRollups(
  tx: Connection,
  indicators: readonly ActiveIndicator[],
  touched: string,
): Promise<void> {
  await lockTouched(tx, touched)
  await sql`
    delete from indicator_day using (select distinct identity_id, day from ${sql.raw(touched)}) t
    where indicator_day.identity_id = t.identity_id and indicator_day.day = t.day
      and indicator_day.indicator_id = any (${indicators.map(rollupKey)}::text[])`.execute(tx)
  if (indicators.length === 0) return
  // Not a list of VALUES: its expressions are made ready anew for every activity, which costs ten times the comparison.
  const hits = indicators.map(
    (indicator) => sql`case when ${compilePredicate(indicator)} then ${rollupKey(indicator)}::text end`,
  )
  await sql`
    insert into indicator_day (identity_id, day, indicator_id, count, objects, items, bytes, amount, first_at, last_at)
    select identity_id, day, indicator_id, count(*), count(distinct object_key), sum(items), sum(bytes), max(amount),
           min(at), max(at)
    from (
      select a.identity_id, t.day, unnest(array_remove(array[${sql.join(hits)}], null)) as indicator_id, a.object_key,
             coalesce(a.item_count, 1) as items, coalesce(a.size_bytes, 0) as bytes, a.amount, a.at
      from ${touchedActivities(touched)}
      where ${COUNTS}
    ) hit
    group by 1, 2, 3
    order by 1, 2, 3`.execute(tx)
}

const DIMENSIONS = sql`lateral (values ('any', ''), ('container', a.container_id::text), ('network', a.origin_network::text),
                                          ('country', a.origin_country)) as met (dimension, value)`

/**
 * Notes when an identity was first met with a value; an earlier day that arrives late moves it back. A first meeting
 * whose record was corrected meanwhile moves on to the next one, or goes.
 */
export async function recomputeSeen(tx: Connection, touched: string): Promise<void> {
  await lockTouched(tx, touched)
  await sql`
    with met as materialized (
      select a.identity_id, a.container_id, a.origin_network, a.origin_country, min(a.at) as at
      from ${touchedActivities(touched)} where ${COUNTS}
      group by 1, 2, 3, 4
    )
    insert into identity_seen (identity_id, dimension, value, first_at)
    select identity_id, dimension, value, min(at)
    from (
      select identity_id, 'any' as dimension, '' as value, at from met
      union all select identity_id, 'container', container_id::text, at from met where container_id is not null
      union all select identity_id, 'network', origin_network::text, at from met where origin_network is not null
      union all select identity_id, 'country', origin_country, at from met where origin_country is not null
    ) each_met
    group by 1, 2, 3
    order by 1, 2, 3
    on conflict (identity_id, dimension, value) do update set first_at = least(identity_seen.first_at, excluded.first_at)
    where excluded.first_at < identity_seen.first_at`.execute(tx)
  await sql`
    with corrected as materialized (
      select distinct seen.identity_id, seen.dimension, seen.value
      from ${touchedActivities(touched)} cross join ${DIMENSIONS}
      join identity_seen seen on seen.identity_id = a.identity_id and seen.dimension = met.dimension
        and seen.value = met.value and seen.first_at = a.at
      where a.superseded_by is not null
    ), next as materialized (
      select corrected.*, (
        select min(a.at) from activity a cross join ${DIMENSIONS}
        where a.identity_id = corrected.identity_id and met.dimension = corrected.dimension
          and met.value = corrected.value and ${COUNTS}
      ) as first_at
      from corrected
    ), gone as (
      delete from identity_seen seen using next
      where next.first_at is null and seen.identity_id = next.identity_id and seen.dimension = next.dimension
        and seen.value = next.value
    )
    update identity_seen seen set first_at = next.first_at from next
    where next.first_at is not null and seen.identity_id = next.identity_id and seen.dimension = next.dimension
      and seen.value = next.value and seen.first_at <> next.first_at`.execute(tx)
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

/** Event keys listed per import in a receipt; the count says how many there were. */
const KEYS_AT_MOST = 20

/** Down to event, import and file: which activities of a person's day an indicator counted. */
export async function evidenceOf(
  tx: Connection,
  indicator: ActiveIndicator,
  identityIds: readonly number[],
  day: string,
): Promise<Evidence[]> {
  const { measure } = indicator
  const firstSeen =
    measure.of === 'first_seen'
      ? sql`and exists (
          select from identity_seen seen
          where seen.identity_id = a.identity_id and seen.dimension = ${measure.dimension}
            and seen.value = ${SEEN_VALUE[measure.dimension]}
            and (seen.first_at at time zone 'UTC')::date = ${day}::date)`
      : sql``
  const found = await sql<{ import_id: string; sha256: string | null; activities: number; source_keys: string[] }>`
    select a.import_id, coalesce(import.body_sha256, chunk.sources -> a.source_index ->> 'sha256') as sha256,
           count(*)::int as activities,
           (array_agg(a.source_key::text order by a.at, a.source_key))[1:${sql.lit(KEYS_AT_MOST)}] as source_keys
    from activity a
    join import on import.id = a.import_id
    left join import_chunk chunk on chunk.import_id = a.import_id and chunk.texts_id = a.texts_id
    where a.identity_id = any (${identityIds}::bigint[])
      and a.at >= ${day}::date::timestamp at time zone 'UTC' and a.at < (${day}::date + 1)::timestamp at time zone 'UTC'
      and ${COUNTS} and (${compilePredicate(indicator)}) ${firstSeen}
    group by 1, 2
    order by 1, 2`.execute(tx)
  return found.rows.map((row) => ({
    importId: row.import_id,
    sha256: row.sha256,
    activities: row.activities,
    sourceKeys: row.source_keys,
  }))
}

/** The value of a dimension in `activity a`, as `identity_seen` keeps it. */
export const SEEN_VALUE = {
  container: sql`a.container_id::text`,
  network: sql`a.origin_network::text`,
  country: sql`a.origin_country`,
} as const
