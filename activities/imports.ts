import { v5 as uuidFrom } from 'uuid'
import type { Access } from '../connectors/access.ts'
import { type ConnectorDefinition, type History, limitOf, type Page } from '../connectors/connector.ts'
import { paced } from '../connectors/pace.ts'
import { appendAudit } from '../db/audit.ts'
import { readBackfill, settlePiece } from '../db/backfills.ts'
import type { Connection } from '../db/connection.ts'
import { mayImport, type PauseReason } from '../db/connectors.ts'
import { ImportSession } from '../db/import-session.ts'
import { closeImport, openPullImport, readImport, seenKeys } from '../db/imports.ts'
import { AccountIds } from '../db/people.ts'
import { expireRows } from '../db/queries/quarantined-rows.ts'
import { dropUnneeded } from '../db/spool-needs.ts'
import { subjectHasher } from '../db/subject-keys.ts'
import { openSealed } from '../db/vault.ts'
import { AppError, ERROR_CODES, type ErrorCode } from '../domain/errors.ts'
import type { ImportBalance } from '../domain/processes.ts'
import { DayUnderWay } from '../policies/day-under-way.ts'
import { activeIndicators } from '../policies/load.ts'
import { Matcher } from '../policies/matching.ts'
import { MeetingBook } from '../policies/seen.ts'
import { TreatmentBook } from '../policies/treated.ts'
import { configuredConnector } from './connector-config.ts'
import type { Deps } from './deps.ts'
import { ReadAhead } from './importing/ahead.ts'
import { takeArrivals } from './importing/arrivals.ts'
import { CHUNK_RECORDS, cutIntoChunks } from './importing/drafts.ts'
import { mergeChunks } from './importing/merge.ts'
import { type PrepareContext, prepareChunks } from './importing/prepare.ts'
import { redrivePages } from './importing/redrive.ts'

/** Namespace of import ids that are made from a workflow run. */
const RUN_NAMESPACE = '6f1c2c52-5f0a-4b8e-9a41-0f5d3a6c7b10'

export interface BeginImportsInput {
  connectorId: string
  /** Stable over retries of one run. */
  runId: string
  nominalAt: string
}

/**
 * The imports that a scheduled run has to do: one for a pull connector, one per new file of the watched places. None for a
 * connector that may not import, which a Schedule that was just paused may still start.
 */
export const beginImports =
  (deps: Deps) =>
  async ({ connectorId, runId, nominalAt }: BeginImportsInput): Promise<string[]> => {
    const connector = await deps.db.selectFrom('connector').selectAll().where('id', '=', connectorId).executeTakeFirst()
    if (!connector || !mayImport(connector)) return []
    const { definition, config } = await configuredConnector(deps.db, deps.vault, connector)
    if (definition.delivery === 'pull') {
      const id = uuidFrom(runId, RUN_NAMESPACE)
      const { importId } = await openPullImport(deps.db, {
        connectorId,
        source: 'schedule',
        nominalAt: new Date(nominalAt),
        id,
      })
      return [importId]
    }
    return takeArrivals(deps, connectorId, config, new Date(nominalAt))
  }

/** Heartbeat of a running import. */
export interface ImportProgress {
  chunk: number
}

export interface ActivityControls {
  signal: AbortSignal
  heartbeat(progress: ImportProgress): void
}

/** Chunks that are ready while another one is being stored, beside the one that is being read. */
const CHUNKS_AHEAD = 4

/**
 * Reads a source to its end and stores it in chunks, each whole with its balance and cursor, while the next ones are
 * being read. Run again after a crash it goes on behind the last committed chunk.
 */
export async function runImport(
  deps: Deps,
  importId: string,
  { signal, heartbeat }: ActivityControls,
): Promise<ImportBalance> {
  const row = await readImport(deps.db, importId)
  if (row.state !== 'running') return balanceOf(row)
  if (row.connector_state === 'retired' || row.connector_state === 'draft') {
    throw new AppError('connector_not_active', `the connector is ${row.connector_state}`)
  }
  const connectorId = row.connector_id
  const { definition, config } = await configuredConnector(deps.db, deps.vault, row)
  const range = row.range_from && row.range_to ? { from: row.range_from, to: row.range_to } : null
  const pulls = definition.delivery === 'pull' && row.source !== 'redrive' && range === null
  const resumed = row.chunks > 0
  const position = (resumed || !pulls ? row.position : row.connector_position) as Record<string, unknown> | null
  const skip = resumed || !pulls ? row.skip : row.connector_skip

  const from = {
    config,
    position,
    seen: (keys: readonly string[]) => seenKeys(deps.db, deps.vault, connectorId, keys),
    signal,
    access: deps.access.of(connectorId, limitOf(definition, config)),
  }
  const pages: AsyncIterable<Page> =
    row.source === 'redrive'
      ? redrivePages(deps.db, deps.vault, importId, position)
      : range !== null
        ? historyOf(definition).readRange({ ...(await inBudget(deps.db, row.backfill_id, from)), ...range })
        : definition.read({
            ...from,
            until: row.nominal_at,
            ...(row.body_sha256 === null ? {} : { file: await spooledFile(deps, row.body_sha256, row.file_name_id) }),
          })

  const prepare: PrepareContext = {
    db: deps.db,
    vault: deps.vault,
    connectorId,
    importId,
    definition,
    config,
    origin: deps.origin,
    identities: new Map<string, number>(),
    accounts: new AccountIds(),
    containers: new Map<string, number>(),
    matching: { matcher: new Matcher(await activeIndicators(deps.db), row.kind) },
    spareRows: [],
    hashSubject: subjectHasher(deps.vault),
  }
  const merge = {
    vault: deps.vault,
    importId,
    connectorId,
    movesConnector: pulls,
    meetings: new MeetingBook(),
    treatments: new TreatmentBook(),
    underWay: new DayUnderWay(),
    kind: row.kind,
    matching: prepare.matching,
    spareRows: prepare.spareRows,
  }
  await using session = await ImportSession.open(deps.databaseUrl)
  const parts = cutIntoChunks(pages, { position, skip, chunkRecords: deps.chunkRecords })
  const chunks = prepareChunks(prepare, parts, {
    signal,
    number: row.chunks,
    prepared: (chunk) => heartbeat({ chunk }),
  })
  await using ahead = new ReadAhead(chunks, CHUNKS_AHEAD)
  await mergeChunks(session, merge, ahead, deps.chunkRecords ?? CHUNK_RECORDS)
  return balanceOf(await readImport(deps.db, importId))
}

function historyOf(definition: ConnectorDefinition): History<any> {
  if (definition.history) return definition.history
  throw new AppError('state_conflict', `the past of ${definition.id} cannot be read`)
}

/** Keeps a piece to its share of what its backfill may ask of the source. */
async function inBudget<From extends { access: Access }>(db: Connection, backfillId: string | null, from: From) {
  const backfill = backfillId === null ? null : await readBackfill(db, backfillId)
  const allowed = backfill?.requests_per_second ?? null
  const pace = paced(allowed === null || backfill === null ? undefined : allowed / backfill.parallel)
  const { access } = from
  const fetchInTime: typeof fetch = async (input, init) => {
    await pace()
    return access.fetch(input, init)
  }
  return { ...from, pace, access: { ...access, fetch: fetchInTime } }
}

async function spooledFile(deps: Deps, sha256: string, nameId: string | null) {
  const name = nameId === null ? '' : ((await openSealed(deps.db, deps.vault, [nameId])).get(nameId)?.toString() ?? '')
  return { kind: 'file' as const, name, open: () => deps.spool.read(sha256) }
}

const balanceOf = (row: {
  id: string
  received: number
  stored: number
  duplicate: number
  quarantined: number
  ignored: number
}): ImportBalance => ({
  importId: row.id,
  received: row.received,
  stored: row.stored,
  duplicate: row.duplicate,
  quarantined: row.quarantined,
  ignored: row.ignored,
})

export interface FinishImportInput {
  importId: string
  outcome: 'completed' | 'failed' | 'cancelled'
  /** Of a failure: the code that ended it, the sentence that says what to do. */
  code?: string
  detail?: string
  fix?: string | null
}

export interface FinishedImport {
  balance: ImportBalance
  /** What came, or what failed, may have changed which conditions hold. */
  recheck: boolean
}

/** Closes the import, drops its file from the spool and writes the audit entry. */
export const finishImport =
  (deps: Deps) =>
  async ({ importId, outcome, code, detail, fix }: FinishImportInput): Promise<FinishedImport> => {
    const row = await readImport(deps.db, importId)
    await deps.db.transaction().execute(async (tx) => {
      const known: ErrorCode = code !== undefined && code in ERROR_CODES ? (code as ErrorCode) : 'internal'
      const end =
        outcome === 'failed'
          ? { state: outcome, error: { code: known, detail: detail ?? 'the import ended', fix: fix ?? null } }
          : { state: outcome }
      await closeImport(tx, importId, end)
      await settlePiece(tx, importId, end)
      if (row.state !== 'running') return
      if (outcome !== 'completed') {
        // Rows of a re-drive that did not happen are open again.
        await tx
          .updateTable('quarantined_row')
          .set({ state: 'open', redriven_import_id: null })
          .where('redriven_import_id', '=', importId)
          .execute()
        // What of it was rejected again waits where it came from, and not twice.
        if (row.source === 'redrive') await expireRows(tx, { connectorId: row.connector_id, importId })
      }
      await appendAudit(tx, {
        staffId: null,
        action: `import.${outcome}`,
        subjectKind: 'import',
        subjectId: importId,
        detail: {
          connector_id: row.connector_id,
          received: row.received,
          stored: row.stored,
          duplicate: row.duplicate,
          quarantined: row.quarantined,
          ignored: row.ignored,
          ...(outcome === 'failed' ? { code: known } : {}),
        },
      })
    })
    // Another connector's import or an open set-up may wait for the same bytes.
    if (row.body_sha256 !== null) await dropUnneeded(deps.db, deps.spool, row.body_sha256)
    const pausedByCheck = (row.pause_reason as PauseReason | null)?.by === 'prerequisite'
    return { balance: balanceOf(row), recheck: outcome === 'failed' || (outcome === 'completed' && pausedByCheck) }
  }
