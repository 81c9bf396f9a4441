import { readTexts } from '../db/chunks.ts'
import { readConnector } from '../db/connectors.ts'
import { openRedrive } from '../db/imports.ts'
import * as queries from '../db/queries/quarantined-rows.ts'
import { AppError } from '../domain/errors.ts'
import type { components } from '../openapi/generated/types.ts'
import { startImport } from './processes.ts'
import { inTransaction, iso, read } from './route.ts'
import { shapeOf } from './shape.ts'

type Wire = components['schemas']

const present = (row: queries.QuarantinedRow): Wire['QuarantinedRow'] => ({
  id: row.id,
  importId: row.import_id,
  connectorId: row.connector_id,
  line: row.line,
  code: row.code,
  cell: row.cell,
  expected: row.expected,
  state: row.state as Wire['QuarantineState'],
  redrivenImportId: row.redriven_import_id,
  createdAt: iso(row.created_at),
})

export const listQuarantinedRows = read('listQuarantinedRows', async ({ db, page, query, paged }) => ({
  status: 200,
  body: paged(await queries.listQuarantinedRows(db, page, query), present),
}))

export const getQuarantinedRow = inTransaction('getQuarantinedRow', async ({ db, deps, params }) => {
  const row = await queries.readQuarantinedRow(db, params.rowId)
  const texts = await readTexts(db, deps.vault, row.texts_id)
  return {
    status: 200,
    body: { ...present(row), record: shapeOf(texts[row.texts_index]?.raw) },
    audit: { action: 'quarantined-row.read', subjectKind: 'quarantined-row', subjectId: row.id },
  }
})

export const redriveQuarantinedRows = inTransaction('redriveQuarantinedRows', async ({ db, deps, params, body }) => {
  const connector = await readConnector(db, params.connectorId)
  if (connector.state === 'draft' || connector.state === 'retired') {
    throw new AppError('connector_not_active', `the connector is ${connector.state}`)
  }
  const { importId, rows } = await openRedrive(db, { connectorId: connector.id, ...body })
  return {
    status: 202,
    body: { importId, rows },
    audit: {
      action: 'quarantined-row.redriven',
      subjectKind: 'connector',
      subjectId: connector.id,
      detail: { import_id: importId, rows, code: body.code ?? null },
    },
    after: () =>
      startImport(deps.temporal, {
        connectorId: connector.id,
        importId,
        run: importId,
        kind: connector.kind,
        why: 're-drive',
      }),
  }
})

export const expireQuarantinedRows = inTransaction('expireQuarantinedRows', async ({ db, params, body }) => {
  const connector = await readConnector(db, params.connectorId)
  const rows = await queries.expireRows(db, { connectorId: connector.id, ...body })
  return {
    status: 200,
    body: { rows },
    audit: {
      action: 'quarantined-row.expired',
      subjectKind: 'connector',
      subjectId: connector.id,
      detail: { rows, code: body.code ?? null },
    },
  }
})
