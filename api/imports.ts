import { connectorKind } from '../connectors/kinds.ts'
import type { Connection } from '../db/connection.ts'
import { type ConnectorRow, mayImport, readConnector } from '../db/connectors.ts'
import { openFileImport, openRequestImport, readImport } from '../db/imports.ts'
import * as queries from '../db/queries/imports.ts'
import { type QuarantineStates, quarantineStates } from '../db/queries/quarantined-rows.ts'
import { AppError } from '../domain/errors.ts'
import type { components } from '../openapi/generated/types.ts'
import { cancelImport as cancelRun, startImport } from './processes.ts'
import { inProcess, inTransaction, iso, isoOrNull, read } from './route.ts'

type Wire = components['schemas']
type Row = Awaited<ReturnType<typeof queries.listImports>>['rows'][number]

const present = (row: Row, quarantine: QuarantineStates = NOTHING): Wire['Import'] => ({
  id: row.id,
  connectorId: row.connector_id,
  source: row.source as Wire['Import']['source'],
  state: row.state as Wire['ImportState'],
  nominalAt: iso(row.nominal_at),
  bodySha256: row.body_sha256,
  bodyBytes: row.body_bytes,
  received: row.received,
  stored: row.stored,
  duplicate: row.duplicate,
  quarantined: row.quarantined,
  ignored: row.ignored,
  quarantine,
  zoneAssumed: row.zone_assumed,
  chunks: row.chunks,
  error: row.error as Wire['Import']['error'],
  startedAt: iso(row.started_at),
  finishedAt: isoOrNull(row.finished_at),
})

const NOTHING: QuarantineStates = { open: 0, redriven: 0, expired: 0 }

async function readPresented(db: Connection, importId: string): Promise<Wire['Import']> {
  const row = await readImport(db, importId)
  return present(row, (await quarantineStates(db, [row.id])).get(row.id))
}

/** The part of a run's id that tells it from the connector's others. */
const runOf = (row: { id: string; body_sha256: string | null }): string => row.body_sha256 ?? row.id

async function activeConnector(db: Connection, connectorId: string, delivery: 'push' | 'pull'): Promise<ConnectorRow> {
  const connector = await readConnector(db, connectorId)
  if (connectorKind(connector.kind).delivery !== delivery) {
    throw new AppError(
      'state_conflict',
      delivery === 'push' ? 'this source is read, not sent to' : 'this source sends files',
      {
        fix: delivery === 'push' ? 'Start an import instead.' : 'Upload a file instead.',
      },
    )
  }
  if (!mayImport(connector)) {
    throw new AppError('connector_not_active', `the connector is ${connector.state}`, {
      fix: connector.state === 'paused' ? 'Mend what paused it, then resume it.' : 'Finish its set-up first.',
    })
  }
  return connector
}

export const listImports = read('listImports', async ({ db, page, query, paged }) => {
  const found = await queries.listImports(db, page, query)
  const states = await quarantineStates(
    db,
    found.rows.map(({ id }) => id),
  )
  return { status: 200, body: paged(found, (row) => present(row, states.get(row.id))) }
})

export const getImport = read('getImport', async ({ db, params }) => ({
  status: 200,
  body: await readPresented(db, params.importId),
}))

export const createImport = inTransaction('createImport', async ({ db, deps, params }) => {
  const connector = await activeConnector(db, params.connectorId, 'pull')
  const { importId } = await openRequestImport(db, { connectorId: connector.id, nominalAt: new Date() })
  return {
    status: 202,
    body: await readPresented(db, importId),
    audit: {
      action: 'import.requested',
      subjectKind: 'import',
      subjectId: importId,
      detail: { connector_id: connector.id },
    },
    after: () =>
      startImport(deps.temporal, {
        connectorId: connector.id,
        importId,
        run: importId,
        kind: connector.kind,
        why: 'requested',
      }),
  }
})

export const uploadFile = inTransaction('uploadFile', async ({ db, deps, params, query, body }) => {
  const connector = await activeConnector(db, params.connectorId, 'push')
  if (body.bytes === 0)
    throw new AppError('file_empty', 'the file is empty', { fix: 'Send the file as the body of the request.' })
  const fileName = query.name ?? body.fileName
  if (!fileName) {
    throw new AppError('invalid_request', 'the file has no name', {
      field: 'name',
      fix: 'Name it by ?name=, or in the form that carries it.',
    })
  }
  const { importId, repeated } = await openFileImport(db, deps.vault, {
    connectorId: connector.id,
    source: 'upload',
    sha256: body.sha256,
    bytes: body.bytes,
    fileName,
    nominalAt: new Date(),
  })
  return {
    status: repeated ? 200 : 202,
    body: await readPresented(db, importId),
    audit: repeated
      ? { none: 'the file was imported before' }
      : {
          action: 'import.uploaded',
          subjectKind: 'import',
          subjectId: importId,
          detail: { connector_id: connector.id, sha256: body.sha256, bytes: body.bytes },
        },
    after: async () => {
      if (repeated) return
      await startImport(deps.temporal, {
        connectorId: connector.id,
        importId,
        run: body.sha256,
        kind: connector.kind,
        why: 'upload',
      })
    },
  }
})

export const cancelImport = inProcess('cancelImport', async ({ db, deps, params }) => {
  const row = await readImport(db, params.importId)
  if (row.state !== 'running') throw new AppError('state_conflict', `the import is ${row.state}`)
  if (row.source === 'schedule' || row.source === 'drop_folder') {
    throw new AppError('state_conflict', 'the import belongs to a scheduled run', {
      fix: 'Pause the connector instead.',
    })
  }
  await cancelRun(deps.temporal, row.connector_id, runOf(row))
  return {
    status: 202,
    body: await readPresented(db, row.id),
    audit: { action: 'import.cancel-requested', subjectKind: 'import', subjectId: row.id },
  }
})
