import { sql } from 'kysely'
import type { ActivityRows, SpecialRow, StoredRows } from './activity-rows.ts'
import { bigints, days, instants, uuids } from './binary.ts'
import type { Connection } from './connection.ts'
import { type ImportSession, TOUCHED } from './import-session.ts'
import { orderByKey } from './order.ts'
import type { Vault } from './vault.ts'

const DAY_MS = 86_400_000

/** The dedupe key of a fact's whole content. */
export const contentKey = (vault: Vault, content: string): string => {
  const hex = vault.lookupHex('fact', content)
  // Compared with what the database returns, which has hyphens.
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`
}

/**
 * Makes the monthly partitions that these days need. Run outside of a transaction that has stored anything: it locks the
 * parents for a moment.
 */
export async function ensureMonths(db: Connection, days: Iterable<string>): Promise<void> {
  const months = [...new Set([...days].map((day) => `${day.slice(0, 7)}-01`))].sort()
  for (const month of months) await sql`select ensure_month(${month}::date)`.execute(db)
}

export interface StoredActivities {
  /** Records stored: one that names several accounts has a row for each. */
  records: number
  stored: StoredRows
  /** False when a record was corrected by this chunk, or may have been before: then what counted may count no longer. */
  onlyAdded: boolean
}

const MERGE_LOCK = 0x5b002

/**
 * Stores the rows that are not there yet by COPY, sorted by key. A row that corrects an earlier one marks it and touches
 * its day; the days of the rows themselves are left to `touchDays`. Chunks of one connector are merged one after the
 * other: only they can hold the same records.
 */
export async function mergeActivities(
  session: ImportSession,
  tx: Connection,
  rows: ActivityRows,
): Promise<StoredActivities> {
  const { connectorId } = rows.context
  await sql`select pg_advisory_xact_lock(${MERGE_LOCK}, hashtext(${connectorId}))`.execute(tx)
  const ordered = rows.inOrder()
  const newest = await newestStored(tx, rows, ordered)
  const known = await storedAlready(tx, rows, ordered, newest)
  const stored = known.size === 0 ? ordered : ordered.filter((row) => !known.has(row))
  if (stored.length > 0) {
    for (const { statement, pieces } of rows.copies(stored)) await session.copy(statement, pieces)
    await rememberNewest(tx, rows, stored, newest)
  }
  const onlyAdded = !(await markCorrected(tx, rows, stored))
  return { records: rows.recordsOf(stored), stored: rows.keep(stored), onlyAdded }
}

interface Newest {
  /** First day of the month of an instant, in days since 1970-01-01. */
  monthOf(ms: number): number
  /** Month → the newest instant that is stored of it. */
  stored: Map<number, number>
}

/**
 * Up to where the months of these rows are filled. What is newer is not stored yet, and most of what a log says is:
 * only the rest has to be looked up.
 */
async function newestStored(tx: Connection, rows: ActivityRows, order: Uint32Array): Promise<Newest> {
  const months = new Map<number, number>()
  const monthOf = (ms: number): number => {
    const day = Math.floor(ms / DAY_MS)
    let month = months.get(day)
    if (month === undefined) {
      const date = new Date(day * DAY_MS)
      month = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / DAY_MS
      months.set(day, month)
    }
    return month
  }
  for (const row of order) monthOf(rows.instants[row] as number)
  const asked = [...new Set(months.values())]
  const found = await sql<{ month: string; at: Date }>`
    select month, at from activity_newest where connector_id = ${rows.context.connectorId}
      and month = any (${days(asked.length, (n) => asked[n] as number)}::date[])`.execute(tx)
  return { monthOf, stored: new Map(found.rows.map(({ month, at }) => [Date.parse(month) / DAY_MS, at.getTime()])) }
}

async function storedAlready(
  tx: Connection,
  rows: ActivityRows,
  order: Uint32Array,
  { monthOf, stored }: Newest,
): Promise<Set<number>> {
  const asked = order.filter((row) => {
    const at = rows.instants[row] as number
    return at <= (stored.get(monthOf(at)) ?? Number.NEGATIVE_INFINITY)
  })
  if (asked.length === 0) return new Set()
  const found = await sql<{ places: string | null }>`
    select string_agg((asked.place - 1)::text, ',') as places
    from unnest(${identitiesOf(rows, asked)}::bigint[], ${instantsOf(rows, asked)}::timestamptz[],
                ${keysOf(rows, asked)}::uuid[]) with ordinality as asked (identity_id, at, source_key, place)
    -- offset: the key's index, never a scan of the month
    cross join lateral (
      select from activity a
      where a.identity_id = asked.identity_id and a.at = asked.at and a.source_key = asked.source_key offset 0
    ) found`.execute(tx)
  const places = found.rows[0]?.places ?? ''
  return new Set(places === '' ? [] : places.split(',').map((place) => asked[Number(place)] as number))
}

const identitiesOf = (rows: ActivityRows, order: Uint32Array): Buffer =>
  bigints(order.length, (n) => rows.identities[order[n] as number] as number)
const instantsOf = (rows: ActivityRows, order: Uint32Array): Buffer =>
  instants(order.length, (n) => rows.instants[order[n] as number] as number)
const keysOf = (rows: ActivityRows, order: Uint32Array): Buffer =>
  uuids(order.length, rows.keys, (n) => (order[n] as number) * 16)

async function rememberNewest(
  tx: Connection,
  rows: ActivityRows,
  stored: Uint32Array,
  { monthOf, stored: before }: Newest,
): Promise<void> {
  const newest = new Map<number, number>()
  for (const row of stored) {
    const at = rows.instants[row] as number
    const month = monthOf(at)
    if (at > (newest.get(month) ?? before.get(month) ?? Number.NEGATIVE_INFINITY)) newest.set(month, at)
  }
  const moved = [...newest]
  if (moved.length === 0) return
  await sql`
    insert into activity_newest (connector_id, month, at)
    select ${rows.context.connectorId}::uuid, * from unnest(${days(moved.length, (n) => moved[n]?.[0] as number)}::date[],
                                                            ${instants(moved.length, (n) => moved[n]?.[1] as number)}::timestamptz[])
    on conflict (connector_id, month) do update set at = excluded.at`.execute(tx)
}

/** Notes the person-days of stored chunks in `TOUCHED`, each once. */
export async function touchDays(tx: Connection, chunks: readonly StoredRows[]): Promise<void> {
  const identities = joined(chunks.map((chunk) => chunk.identities))
  const on = joined(chunks.map((chunk) => chunk.instants)).map((at) => Math.floor(at / DAY_MS))
  const first: number[] = []
  let [identity, day] = [-1, Number.NaN]
  for (const row of orderByKey(identities, on, on.length)) {
    if (identities[row] === identity && on[row] === day) continue
    identity = identities[row] as number
    day = on[row] as number
    first.push(row)
  }
  if (first.length === 0) return
  await sql`
    insert into ${sql.raw(TOUCHED)} (identity_id, day)
    select * from unnest(${bigints(first.length, (n) => identities[first[n] as number] as number)}::bigint[],
                         ${days(first.length, (n) => on[first[n] as number] as number)}::date[])`.execute(tx)
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Marks what corrections and newer versions leave without effect; true when there may be any. */
async function markCorrected(tx: Connection, rows: ActivityRows, stored: Uint32Array): Promise<boolean> {
  const corrections = rows.special.filter(({ supersedes }) => supersedes !== null)
  const versions = rows.special.filter(({ versionOf }) => versionOf !== null)
  if (corrections.length > 0) await markSuperseded(tx, corrections)
  const known = await sql<{ any: boolean }>`select exists (select from activity_correction) as any`.execute(tx)
  const corrected = known.rows[0]?.any === true
  if (corrected && stored.length > 0) await markSupersededByEarlier(tx, rows, stored)
  if (versions.length > 0) await markOlderVersions(tx, versions)
  return corrected || versions.length > 0
}

/** A correction marks the record it corrects, where that one is stored. */
async function markSuperseded(tx: Connection, corrections: readonly SpecialRow[]): Promise<void> {
  const correction = sql`
    unnest(${corrections.map(({ identityId }) => identityId)}::bigint[], ${corrections.map(({ supersedes }) => supersedes)}::uuid[],
           ${corrections.map(({ sourceKey }) => sourceKey)}::uuid[]) as correction (identity_id, supersedes_key, source_key)`
  await sql`
    with marked as (
      update activity set superseded_by = correction.source_key
      from ${correction}
      where activity.identity_id = correction.identity_id and activity.source_key = correction.supersedes_key
        and activity.superseded_by is null
      returning activity.identity_id, activity.at
    )
    insert into ${sql.raw(TOUCHED)} (identity_id, day)
    select identity_id, (at at time zone 'UTC')::date from marked group by 1, 2`.execute(tx)
  await sql`
    insert into activity_correction (identity_id, supersedes_key, source_key)
    select identity_id, supersedes_key, source_key from ${correction}
    on conflict do nothing`.execute(tx)
}

/** Of the versions of one thing the newest counts, whichever came first; days of what changed its standing are touched. */
async function markOlderVersions(tx: Connection, versions: readonly SpecialRow[]): Promise<void> {
  const things = [...new Set(versions.map(({ versionOf }) => versionOf))]
  await sql`
    with grouped as materialized (
      select a.identity_id, a.at, a.source_key, a.superseded_by,
             first_value(a.source_key) over newest as newest_key, first_value(a.version_at) over newest as newest_at,
             a.version_at
      from activity a
      where a.version_key = any (${things}::uuid[])
      window newest as (partition by a.version_key order by a.version_at desc, a.source_key)
    ), marked as (
      update activity set superseded_by = case when g.version_at = g.newest_at then null else g.newest_key end
      from grouped g
      where activity.identity_id = g.identity_id and activity.at = g.at and activity.source_key = g.source_key
        and g.superseded_by is distinct from case when g.version_at = g.newest_at then null else g.newest_key end
      returning activity.identity_id, activity.at
    )
    insert into ${sql.raw(TOUCHED)} (identity_id, day)
    select identity_id, (at at time zone 'UTC')::date from marked group by 1, 2`.execute(tx)
}

/** A record that arrives after its own correction is born superseded: order of arrival does not matter. */
async function markSupersededByEarlier(tx: Connection, rows: ActivityRows, stored: Uint32Array): Promise<void> {
  await sql`
    update activity set superseded_by = correction.source_key
    from unnest(${identitiesOf(rows, stored)}::bigint[], ${instantsOf(rows, stored)}::timestamptz[],
                ${keysOf(rows, stored)}::uuid[]) as fresh (identity_id, at, source_key)
    join activity_correction correction
      on correction.identity_id = fresh.identity_id and correction.supersedes_key = fresh.source_key
    where activity.identity_id = fresh.identity_id and activity.at = fresh.at
      and activity.source_key = fresh.source_key and activity.superseded_by is null`.execute(tx)
}
