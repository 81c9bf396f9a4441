import { sql } from 'kysely'
import type { ActivityRows, SpecialRow, StoredRows } from './activity-rows.ts'
import { bigints, instants, uuids } from './binary.ts'
import type { Connection } from './connection.ts'
import { type ImportSession, TOUCHED } from './import-session.ts'
import { NewestStored } from './newest-stored.ts'
import type { Vault } from './vault.ts'

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
  /** False when a record of this chunk or an earlier one was corrected: then what counted may count no longer. */
  onlyAdded: boolean
}

const MERGE_LOCK = 0x5b002

/**
 * What one transaction stores of a connector's activities. Chunks of one connector are merged one after the other: only
 * they can hold the same records, or correct them.
 */
export class ActivityMerge {
  readonly #session: ImportSession
  readonly #tx: Connection
  readonly newest: NewestStored
  #hasCorrections: boolean | undefined

  private constructor(session: ImportSession, tx: Connection, connectorId: string) {
    this.#session = session
    this.#tx = tx
    this.newest = new NewestStored(connectorId)
  }

  /** Waits until no other transaction merges what the connector brought. */
  static async begin(session: ImportSession, tx: Connection, connectorId: string): Promise<ActivityMerge> {
    await sql`select pg_advisory_xact_lock(${MERGE_LOCK}, hashtext(${connectorId}))`.execute(tx)
    return new ActivityMerge(session, tx, connectorId)
  }

  /**
   * Stores the rows that are not there yet by COPY, sorted by key. A row that corrects an earlier one marks it and touches
   * its day; the days of the rows themselves are left to `take`, which is given what is stored while the database reads it.
   * Whoever counts asks `newest` how the rows' days stood before.
   */
  async store(rows: ActivityRows, take: (stored: StoredRows) => void): Promise<StoredActivities> {
    const ordered = rows.inOrder()
    await this.newest.ask(this.#tx, rows, ordered)
    const known = await storedAlready(this.#tx, rows, ordered, this.newest)
    const stored = known.size === 0 ? ordered : ordered.filter((row) => !known.has(row))
    await this.#copy(rows, stored, () => take({ rows, order: stored }))
    this.newest.take(rows, stored)
    const marked = await this.#markCorrected(rows, stored)
    // What is told of subjects is told by all records of the chunk, and one that was there already may be corrected.
    const mayTellCorrected = this.#hasCorrections && known.size > 0 && rows.subjects.size > 0
    return { records: rows.recordsOf(stored), onlyAdded: marked === 0 && !mayTellCorrected }
  }

  /** Remembers up to where the connector's months are filled now; returns the transaction, see `NewestStored`. */
  finish(): Promise<string> {
    return this.newest.remember(this.#tx)
  }

  async #copy(rows: ActivityRows, stored: Uint32Array, meanwhile: () => void): Promise<void> {
    const copies = stored.length === 0 ? [] : [...rows.copies(stored)]
    const last = copies.pop()
    for (const { statement, pieces } of copies) await this.#session.copy(statement, pieces)
    if (last === undefined) meanwhile()
    else await this.#session.copy(last.statement, last.pieces, meanwhile)
  }

  /** Marks what corrections and newer versions leave without effect; zero where nothing changed. */
  async #markCorrected(rows: ActivityRows, stored: Uint32Array): Promise<number> {
    const corrections = rows.special.filter(({ supersedes }) => supersedes !== null)
    const versions = rows.special.filter(({ versionOf }) => versionOf !== null)
    let marked = 0
    if (corrections.length > 0) {
      marked += await markSuperseded(this.#tx, corrections)
      this.#hasCorrections = true
    }
    this.#hasCorrections ??= await hasCorrections(this.#tx)
    if (this.#hasCorrections && stored.length > 0) marked += await markSupersededByEarlier(this.#tx, rows, stored)
    if (versions.length > 0) marked += await markOlderVersions(this.#tx, versions)
    return marked
  }
}

async function hasCorrections(tx: Connection): Promise<boolean> {
  const known = await sql<{ any: boolean }>`select exists (select from activity_correction) as any`.execute(tx)
  return known.rows[0]?.any === true
}

async function storedAlready(
  tx: Connection,
  rows: ActivityRows,
  order: Uint32Array,
  newest: NewestStored,
): Promise<Set<number>> {
  const asked = order.filter((row) => !newest.isNewer(rows.instants[row] as number))
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

/** A correction marks the record it corrects, where that one is stored; on how many person-days. */
async function markSuperseded(tx: Connection, corrections: readonly SpecialRow[]): Promise<number> {
  const correction = sql`
    unnest(${corrections.map(({ identityId }) => identityId)}::bigint[], ${corrections.map(({ supersedes }) => supersedes)}::uuid[],
           ${corrections.map(({ sourceKey }) => sourceKey)}::uuid[]) as correction (identity_id, supersedes_key, source_key)`
  const touched = await sql`
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
  return Number(touched.numAffectedRows)
}

/**
 * Of the versions of one thing the newest counts, whichever came first; days of what changed its standing are touched. On
 * how many person-days.
 */
async function markOlderVersions(tx: Connection, versions: readonly SpecialRow[]): Promise<number> {
  const things = [...new Set(versions.map(({ versionOf }) => versionOf))]
  const touched = await sql`
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
  return Number(touched.numAffectedRows)
}

/** A record that arrives after its own correction is born superseded: order of arrival does not matter. How many were. */
async function markSupersededByEarlier(tx: Connection, rows: ActivityRows, stored: Uint32Array): Promise<number> {
  const marked = await sql`
    update activity set superseded_by = correction.source_key
    from unnest(${identitiesOf(rows, stored)}::bigint[], ${instantsOf(rows, stored)}::timestamptz[],
                ${keysOf(rows, stored)}::uuid[]) as fresh (identity_id, at, source_key)
    join activity_correction correction
      on correction.identity_id = fresh.identity_id and correction.supersedes_key = fresh.source_key
    where activity.identity_id = fresh.identity_id and activity.at = fresh.at
      and activity.source_key = fresh.source_key and activity.superseded_by is null`.execute(tx)
  return Number(marked.numAffectedRows)
}
