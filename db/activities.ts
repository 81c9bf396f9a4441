import { sql } from 'kysely'
import type { Activity } from '../domain/signal.ts'
import type { Connection } from './connection.ts'
import { COPY_NULL, copyArray, copyText } from './import-session.ts'
import type { SubjectKeys } from './subject-keys.ts'
import type { Vault } from './vault.ts'

/** What an activity became on its way to its row. */
export interface StagedActivity {
  activity: Activity
  /** Place in the chunk; also the line of its texts. */
  ordinal: number
  identityId: number
  containerId: number | null
  /** Which of the chunk's sources it was read from. */
  sourceIndex: number
  origin: { network: string | null; country: string | null }
  /** Present when the activity touched somebody's record. */
  subject?: SubjectKeys
}

/** Half of a keyed hash; PostgreSQL reads a uuid without its hyphens too. */
const UUID_DIGITS = 32
const asUuid = (hex: string): string => hex.slice(0, UUID_DIGITS)

/** The dedupe key of a source's event: half of the keyed hash of connector and source id. */
export const sourceKey = (vault: Vault, connectorId: string, sourceId: string): string =>
  asUuid(vault.lookupHex(`source/${connectorId}`, sourceId))

/** The dedupe key of a fact's whole content. */
export const contentKey = (vault: Vault, content: string): string => {
  const hex = asUuid(vault.lookupHex('fact', content))
  // Compared with what the database returns, which has hyphens.
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** 64 bits by which one object is told from another without its name. */
export const objectKey = (vault: Vault, container: string | undefined, object: string): string => {
  const digits = vault.lookupHex('object', `${container ?? ''}\u001f${object}`).slice(0, 16)
  return BigInt.asIntN(64, BigInt(`0x${digits}`)).toString()
}

const EXTENSION = /\.([A-Za-z0-9]{1,10})$/

/** The extension in lower case, null when there is none. */
export const extensionOf = (object: string | undefined): string | null =>
  object?.match(EXTENSION)?.[1]?.toLowerCase() ?? null

const UINT53 = (value: number | undefined): number | null =>
  value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : null

const INT32_MAX = 2 ** 31 - 1

const cell = (value: string | number | null | undefined): string | number => value ?? COPY_NULL
const textCell = (text: string | undefined): string => (text === undefined ? COPY_NULL : copyText(text))

/** Columns of what few sources have, from `amount` on. */
const NONE_OF_THE_LATER = `\t${COPY_NULL}`.repeat(12)

/** The activity as one line for `ImportSession.append`. */
export function stagingLine(vault: Vault, connectorId: string, staged: StagedActivity): string {
  const { activity, origin } = staged
  const { object, supersedes, itemCount, destinationIsExternal: isExternal, flags } = activity
  // A touched record's object is its number, not a file: what follows a dot in it is no extension.
  const extension = activity.subject === undefined ? extensionOf(object) : null
  return `${staged.ordinal}\t${staged.identityId}\t${activity.at.toISOString()}\t${sourceKey(vault, connectorId, activity.sourceId)}\t${
    supersedes === undefined ? COPY_NULL : sourceKey(vault, connectorId, supersedes)
  }\t${activity.verb}\t${copyText(activity.nativeEvent)}\t${activity.outcome}\t${activity.actorKind}\t${cell(staged.containerId)}\t${
    object === undefined ? COPY_NULL : objectKey(vault, activity.container, object)
  }\t${cell(extension)}\t${cell(UINT53(activity.sizeBytes))}\t${
    itemCount === undefined ? COPY_NULL : Math.min(itemCount, INT32_MAX)
  }\t${textCell(activity.originIp)}\t${cell(origin.network)}\t${cell(origin.country)}\t${cell(activity.audienceAfter)}\t${
    isExternal === undefined ? COPY_NULL : isExternal ? 't' : 'f'
  }\t${flags?.length ? copyArray(flags) : COPY_NULL}\t${staged.sourceIndex}${laterCells(vault, connectorId, staged)}\n`
}

function laterCells(vault: Vault, connectorId: string, { activity, subject }: StagedActivity): string {
  const { amount, finding, version } = activity
  if (amount === undefined && !subject && !finding && !version) return NONE_OF_THE_LATER
  return `\t${cell(amount)}\t${cell(subject?.id)}\t${cell(subject?.name)}\t${cell(subject?.lastName)}\t${cell(subject?.address)}\t${cell(subject?.street)}\t${cell(subject?.department)}\t${textCell(finding?.severity)}\t${textCell(finding?.category)}\t${textCell(finding?.state)}\t${
    version === undefined ? COPY_NULL : sourceKey(vault, connectorId, version.of)
  }\t${cell(version?.at.toISOString())}`
}

/** Makes the monthly partitions that staged rows need. Run before the merge: it locks the parents for a moment. */
export async function ensureMonths(db: Connection, days: Iterable<string>): Promise<void> {
  const months = [...new Set([...days].map((day) => `${day.slice(0, 7)}-01`))].sort()
  for (const month of months) await sql`select ensure_month(${month}::date)`.execute(db)
}

const LATER_COLUMNS = sql.raw(
  `amount, subject_key, subject_name_key, subject_last_name_key, subject_address_key, subject_street_key,
   subject_department_key, severity, category, finding_state, version_key, version_at`,
)

/**
 * Moves what is staged into `activity`, sorted by key, skipping what is there already, and notes the person-days it
 * touched in `touched_day`. A row that corrects an earlier one marks it; the corrected day is touched too.
 * Returns the number of records stored: one that names several accounts has a row for each.
 */
export async function mergeActivities(
  tx: Connection,
  { connectorId, importId, textsId }: { connectorId: string; importId: string; textsId: string | null },
): Promise<number> {
  const stored = await sql<{ n: number }>`
    with stored as (
      insert into activity (identity_id, at, source_key, connector_id, import_id, verb, native_event, outcome, actor_kind,
        container_id, object_key, object_ext, size_bytes, item_count, origin_ip, origin_network, origin_country,
        audience_after, destination_is_external, flags, texts_id, texts_index, source_index, ${LATER_COLUMNS})
      select distinct on (identity_id, at, source_key)
        identity_id, at, source_key, ${connectorId}::uuid, ${importId}::uuid, verb, native_event, outcome, actor_kind,
        container_id, object_key, object_ext, size_bytes, item_count, origin_ip, origin_network, origin_country,
        audience_after, destination_is_external, flags, ${textsId}::uuid, ordinal, source_index, ${LATER_COLUMNS}
      from pg_temp.staging_activity
      order by identity_id, at, source_key, ordinal
      on conflict do nothing
      returning identity_id, at, texts_index
    ), touched as (
      insert into pg_temp.touched_day (identity_id, day, stored)
      select identity_id, (at at time zone 'UTC')::date, count(*) from stored group by 1, 2
    )
    select count(distinct texts_index)::int as n from stored`.execute(tx)

  const special = await sql<{ corrections: number; versions: number; corrected: boolean }>`
    select count(supersedes_key)::int as corrections, count(version_key)::int as versions,
           exists (select from activity_correction) as corrected
    from pg_temp.staging_activity`.execute(tx)
  const { corrections = 0, versions = 0, corrected = false } = special.rows[0] ?? {}
  if (corrections > 0) await markSuperseded(tx)
  if (corrections > 0 || corrected) await markSupersededByEarlier(tx)
  if (versions > 0) await markOlderVersions(tx, connectorId)
  return stored.rows[0]?.n ?? 0
}

const VERSION_LOCK = 0x5b002

/** A staged correction marks the record it corrects, where that one is stored. */
async function markSuperseded(tx: Connection): Promise<void> {
  await sql`
    with marked as (
      update activity set superseded_by = correction.source_key
      from pg_temp.staging_activity correction
      where correction.supersedes_key is not null
        and activity.identity_id = correction.identity_id and activity.source_key = correction.supersedes_key
        and activity.superseded_by is null
      returning activity.identity_id, activity.at
    )
    insert into pg_temp.touched_day (identity_id, day, stored)
    select identity_id, (at at time zone 'UTC')::date, 0 from marked group by 1, 2`.execute(tx)
  await sql`
    insert into activity_correction (identity_id, supersedes_key, source_key)
    select identity_id, supersedes_key, source_key from pg_temp.staging_activity where supersedes_key is not null
    on conflict do nothing`.execute(tx)
}

/** Of the versions of one thing the newest counts, whichever came first; days of what changed its standing are touched. */
async function markOlderVersions(tx: Connection, connectorId: string): Promise<void> {
  // Two imports of one source see only their own versions until the other has committed: the second waits here.
  await sql`select pg_advisory_xact_lock(${VERSION_LOCK}, hashtext(${connectorId}))`.execute(tx)
  await sql`
    with grouped as materialized (
      select a.identity_id, a.at, a.source_key, a.superseded_by,
             first_value(a.source_key) over newest as newest_key, first_value(a.version_at) over newest as newest_at,
             a.version_at
      from activity a
      where a.version_key in (select version_key from pg_temp.staging_activity where version_key is not null)
      window newest as (partition by a.version_key order by a.version_at desc, a.source_key)
    ), marked as (
      update activity set superseded_by = case when g.version_at = g.newest_at then null else g.newest_key end
      from grouped g
      where activity.identity_id = g.identity_id and activity.at = g.at and activity.source_key = g.source_key
        and g.superseded_by is distinct from case when g.version_at = g.newest_at then null else g.newest_key end
      returning activity.identity_id, activity.at
    )
    insert into pg_temp.touched_day (identity_id, day, stored)
    select identity_id, (at at time zone 'UTC')::date, 0 from marked group by 1, 2`.execute(tx)
}

/** A record that arrives after its own correction is born superseded: order of arrival does not matter. */
async function markSupersededByEarlier(tx: Connection): Promise<void> {
  await sql`
    update activity set superseded_by = correction.source_key
    from pg_temp.staging_activity staged
    join activity_correction correction
      on correction.identity_id = staged.identity_id and correction.supersedes_key = staged.source_key
    where activity.identity_id = staged.identity_id and activity.at = staged.at
      and activity.source_key = staged.source_key and activity.superseded_by is null`.execute(tx)
}
