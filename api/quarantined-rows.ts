import { stringify } from 'csv-stringify/sync'
import { configuredConnector } from '../activities/connector-config.ts'
import { previewMapping } from '../activities/importing/preview.ts'
import type { Connection } from '../db/connection.ts'
import { readConnector } from '../db/connectors.ts'
import { openRedrive } from '../db/imports.ts'
import * as queries from '../db/queries/quarantined-rows.ts'
import { readTexts } from '../db/texts.ts'
import type { Vault } from '../db/vault.ts'
import { AppError } from '../domain/errors.ts'
import { shapeOf } from '../domain/shape.ts'
import { REJECTION_CODES, type RejectionCode } from '../domain/signal.ts'
import type { components } from '../openapi/generated/types.ts'
import { startImport } from './processes.ts'
import { inTransaction, iso, read } from './route.ts'

type Wire = components['schemas']

const PREVIEWED_AT_MOST = 1_000
const DOWNLOADED_AT_MOST = 10_000

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

export const listQuarantineGroups = read('listQuarantineGroups', async ({ db, params }) => {
  const connector = await readConnector(db, params.connectorId)
  const groups = await queries.groupRows(db, connector.id)
  return {
    status: 200,
    body: {
      items: groups.map((group) => ({
        code: group.code,
        cell: group.cell,
        rows: group.rows,
        imports: group.imports,
        says: REJECTION_CODES[group.code as RejectionCode] ?? group.code,
        firstAt: iso(group.first_at),
        lastAt: iso(group.last_at),
        sampleRowId: group.sample_row_id,
      })),
    },
  }
})

export const previewQuarantinedRows = inTransaction('previewQuarantinedRows', async ({ db, deps, params, body }) => {
  const { settings = {}, ...choice } = body
  const row = await readConnector(db, params.connectorId)
  const configured = await configuredConnector(db, deps.vault, {
    ...row,
    settings: { ...(row.settings as object), ...settings },
  })
  const rows = await queries.readOpenRows(db, { connectorId: row.id, ...choice }, PREVIEWED_AT_MOST)
  return {
    status: 200,
    body: previewMapping(configured, await recordsOf(db, deps.vault, rows)),
    audit: { none: 'nothing was read that anybody is shown, and nothing was changed' },
  }
})

export const downloadQuarantinedRows = inTransaction('downloadQuarantinedRows', async ({ db, deps, params, query }) => {
  const connector = await readConnector(db, params.connectorId)
  const rows = await queries.readOpenRows(db, { connectorId: connector.id, ...query }, DOWNLOADED_AT_MOST)
  const shapes = (await recordsOf(db, deps.vault, rows)).map((record) => shapeOf(record))
  return {
    status: 200,
    body: asCsv(rows, shapes),
    contentType: 'text/csv',
    headers: { 'Content-Disposition': 'attachment; filename="quarantined-rows.csv"' },
    audit: {
      action: 'quarantined-row.downloaded',
      subjectKind: 'connector',
      subjectId: connector.id,
      detail: { rows: rows.length, code: query.code ?? null },
    },
  }
})

/** The records in the order of their rows; each chunk's texts are opened once. */
async function recordsOf(db: Connection, vault: Vault, rows: readonly queries.QuarantinedRow[]): Promise<unknown[]> {
  const texts = new Map<string, Awaited<ReturnType<typeof readTexts>>>()
  for (const { texts_id } of rows) {
    if (!texts.has(texts_id)) texts.set(texts_id, await readTexts(db, vault, texts_id))
  }
  return rows.map((row) => texts.get(row.texts_id)?.[row.texts_index]?.raw)
}

/** Where each row stood and what is wrong, then its own columns, the union of them in the order met. */
function asCsv(rows: readonly queries.QuarantinedRow[], shapes: readonly unknown[]): string {
  const cells = shapes.map(cellsOf)
  const columns = [...new Set(cells.flatMap((each) => Object.keys(each)))]
  const lines = rows.map((row, index) => [
    row.import_id,
    row.line,
    row.code,
    row.cell,
    row.expected,
    ...columns.map((column) => cells[index]?.[column]),
  ])
  // A spreadsheet would run what begins with =, +, - or @.
  return stringify([['import', 'line', 'code', 'cell', 'expected', ...columns], ...lines], { escape_formulas: true })
}

function cellsOf(shape: unknown): Record<string, unknown> {
  if (shape === null || typeof shape !== 'object') return { record: shape }
  const named = Array.isArray(shape)
    ? Object.fromEntries(shape.map((cell, index) => [`cell ${index + 1}`, cell]))
    : shape
  return Object.fromEntries(
    Object.entries(named as Record<string, unknown>).map(([name, value]) => [
      name,
      value !== null && typeof value === 'object' ? JSON.stringify(value) : value,
    ]),
  )
}

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
      detail: { import_id: importId, rows, code: body.code ?? null, cell: body.cell ?? null },
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
      detail: { rows, code: body.code ?? null, cell: body.cell ?? null },
    },
  }
})
