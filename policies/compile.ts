import { type RawBuilder, sql } from 'kysely'
import type { Connection } from '../db/connection.ts'
import type { Evidence } from '../domain/score.ts'
import type { IndicatorDefinition, Predicate } from './indicator.ts'

/** What the rollups need of an indicator. They are kept for every version that an enabled policy scores with. */
export type ActiveIndicator = Pick<IndicatorDefinition, 'id' | 'version' | 'where' | 'measure'>

/** `indicator_day.indicator_id`: versions with different predicates have rollups of their own. */
export const rollupKey = ({ id, version }: Pick<IndicatorDefinition, 'id' | 'version'>): string => `${id}@${version}`

/** SQL of a predicate over `activity a`. A comparison with an absent value is false, never unknown. */
export function compilePredicate(predicate: Predicate): RawBuilder<boolean> {
  if ('all' in predicate) return join(predicate.all, ' and ')
  if ('any' in predicate) return join(predicate.any, ' or ')
  if ('not' in predicate) return sql`not (${compilePredicate(predicate.not)})`
  switch (predicate.field) {
    case 'destination_is_external':
      return sql`coalesce(a.destination_is_external, false) = ${predicate.is}`
    case 'flags':
      return sql`coalesce(${predicate.contains} = any (a.flags), false)`
    case 'size_bytes':
      return sql`coalesce(a.size_bytes >= ${predicate.atLeast}::bigint, false)`
    case 'hour': {
      const hour = sql`extract(hour from a.at at time zone ${predicate.zone}::text)`
      return predicate.from <= predicate.to
        ? sql`(${hour} >= ${predicate.from}::int and ${hour} < ${predicate.to}::int)`
        : sql`(${hour} >= ${predicate.from}::int or ${hour} < ${predicate.to}::int)`
    }
    case 'weekday':
      return sql`extract(isodow from a.at at time zone ${predicate.zone}::text)::int = any (${predicate.in}::int[])`
    default:
      return sql`coalesce(${sql.ref(`a.${predicate.field}`)} = any (${predicate.in}::text[]), false)`
  }
}

const join = (parts: readonly Predicate[], by: ' and ' | ' or '): RawBuilder<boolean> =>
  sql`(${sql.join(
    parts.map((part) => sql`(${compilePredicate(part)})`),
    sql.raw(by),
  )})`

/** Machine accounts never count, and a record that was corrected counts no longer. */
const COUNTS = sql`a.superseded_by is null and a.actor_kind <> 'service'`

const dayOf = sql`(a.at at time zone 'UTC')::date`

/** Activities of the touched person-days; `touched` names a table with identity_id and day. */
const touchedActivities = (touched: string) => sql`
  (select distinct identity_id, day from ${sql.raw(touched)}) t
  join activity a on a.identity_id = t.identity_id
    and a.at >= t.day::timestamp at time zone 'UTC' and a.at < (t.day + 1)::timestamp at time zone 'UTC'`

/**
 * Recomputes the rollups of the touched person-days for all indicators in one pass over their activities. Never adds
 * to what is there, so that any order and repetition of imports ends in the same rollups.
 */
export async function recomputeRollups(
  tx: Connection,
  indicators: readonly ActiveIndicator[],
  touched: string,
): Promise<void> {
  await sql`
    delete from indicator_day using (select distinct identity_id, day from ${sql.raw(touched)}) t
    where indicator_day.identity_id = t.identity_id and indicator_day.day = t.day
      and indicator_day.indicator_id = any (${indicators.map(rollupKey)}::text[])`.execute(tx)
  if (indicators.length === 0) return
  const hits = indicators.map(
    (indicator) => sql`(${rollupKey(indicator)}::text, (${compilePredicate(indicator.where)}))`,
  )
  await sql`
    insert into indicator_day (identity_id, day, indicator_id, count, objects, items, bytes, first_at, last_at)
    select a.identity_id, t.day, hit.indicator_id, count(*), count(distinct a.object_key),
           sum(coalesce(a.item_count, 1)), coalesce(sum(a.size_bytes), 0), min(a.at), max(a.at)
    from ${touchedActivities(touched)}
    cross join lateral (values ${sql.join(hits)}) as hit (indicator_id, hit)
    where hit.hit and ${COUNTS}
    group by 1, 2, 3
    order by 1, 2, 3`.execute(tx)
}

/** Notes when an identity was first met with a value; an earlier day that arrives late moves it back. */
export async function recomputeSeen(tx: Connection, touched: string): Promise<void> {
  await sql`
    insert into identity_seen (identity_id, dimension, value, first_at)
    select a.identity_id, seen.dimension, seen.value, min(a.at)
    from ${touchedActivities(touched)}
    cross join lateral (values ('any', ''), ('container', a.container_id::text), ('network', a.origin_network::text),
                               ('country', a.origin_country)) as seen (dimension, value)
    where seen.value is not null and ${COUNTS}
    group by 1, 2, 3
    order by 1, 2, 3
    on conflict (identity_id, dimension, value) do update set first_at = least(identity_seen.first_at, excluded.first_at)
    where excluded.first_at < identity_seen.first_at`.execute(tx)
}

/** Recomputes one indicator over all history, month by month: after it was added or changed. */
export async function rebuildRollup(db: Connection, indicator: ActiveIndicator): Promise<void> {
  const months = await sql<{ month: string }>`
    select distinct to_char(date_trunc('month', at at time zone 'UTC'), 'YYYY-MM-DD') as month from activity order by 1`.execute(
    db,
  )
  for (const { month } of months.rows) {
    await db.transaction().execute(async (tx) => {
      await sql`
        create temp table rebuilt_day on commit drop as
        select distinct a.identity_id, ${dayOf} as day from activity a
        where a.at >= ${month}::date::timestamp at time zone 'UTC'
          and a.at < (${month}::date + interval '1 month')::timestamp at time zone 'UTC'`.execute(tx)
      await recomputeRollups(tx, [indicator], 'pg_temp.rebuilt_day')
    })
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
      and ${COUNTS} and (${compilePredicate(indicator.where)}) ${firstSeen}
    group by 1, 2
    order by 1, 2`.execute(tx)
  return found.rows.map((row) => ({
    importId: row.import_id,
    sha256: row.sha256,
    activities: row.activities,
    sourceKeys: row.source_keys,
  }))
}

const SEEN_VALUE = {
  container: sql`a.container_id::text`,
  network: sql`a.origin_network::text`,
  country: sql`a.origin_country`,
} as const
