import { type ExpressionBuilder, sql } from 'kysely'
import { AppError } from '../../domain/errors.ts'
import type { Connection } from '../connection.ts'
import type { DB } from '../generated/types.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const byId = sortedBy([['quarantined_row.id', 'uuid']], 'desc')

export interface QuarantineFilter {
  connectorId?: string
  importId?: string
  state?: string
  code?: string
}

/** Newest first. */
export async function listQuarantinedRows(db: Connection, page: PageRequest, filter: QuarantineFilter) {
  let query = db.selectFrom('quarantined_row').selectAll().where(byId.behind(page.after))
  if (filter.connectorId !== undefined) query = query.where('connector_id', '=', filter.connectorId)
  if (filter.importId !== undefined) query = query.where('import_id', '=', filter.importId)
  if (filter.state !== undefined) query = query.where('state', '=', filter.state)
  if (filter.code !== undefined) query = query.where('code', '=', filter.code)
  const rows = await query
    .orderBy(byId.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.id])
}

/** Throws not_found. */
export async function readQuarantinedRow(db: Connection, rowId: string) {
  const row = await db.selectFrom('quarantined_row').selectAll().where('id', '=', rowId).executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no quarantined row ${rowId}`)
  return row
}
export type QuarantinedRow = Awaited<ReturnType<typeof readQuarantinedRow>>

/** Open rows of a connector that an act is about: all, or those with one code, one cell, or the listed ones. */
export interface QuarantineChoice {
  connectorId: string
  code?: string
  cell?: string
  importId?: string
  rowIds?: readonly string[]
}

const chosen =
  ({ connectorId, code, cell, importId, rowIds }: QuarantineChoice) =>
  ({ eb, and }: ExpressionBuilder<DB, 'quarantined_row'>) =>
    and([
      eb('connector_id', '=', connectorId),
      eb('state', '=', 'open'),
      ...(code === undefined ? [] : [eb('code', '=', code)]),
      ...(cell === undefined ? [] : [eb('cell', '=', cell)]),
      ...(importId === undefined ? [] : [eb('import_id', '=', importId)]),
      ...(rowIds === undefined ? [] : [eb('id', 'in', [...rowIds])]),
    ])

/** Gives open rows up; returns how many. */
export async function expireRows(tx: Connection, choice: QuarantineChoice): Promise<number> {
  const update = tx.updateTable('quarantined_row').set({ state: 'expired' }).where(chosen(choice))
  return Number((await update.executeTakeFirst()).numUpdatedRows)
}

/** Takes open rows into a re-drive; returns how many. */
export async function takeRows(tx: Connection, choice: QuarantineChoice, importId: string): Promise<number> {
  const update = tx
    .updateTable('quarantined_row')
    .set({ state: 'redriven', redriven_import_id: importId })
    .where(chosen(choice))
  return Number((await update.executeTakeFirst()).numUpdatedRows)
}

/** Open rows of the choice, oldest first. */
export const readOpenRows = (db: Connection, choice: QuarantineChoice, limit: number) =>
  db
    .selectFrom('quarantined_row')
    .selectAll()
    .where(chosen(choice))
    .orderBy('created_at')
    .orderBy('import_id')
    .orderBy('line')
    .orderBy('id')
    .limit(limit)
    .execute()

export interface QuarantineGroup {
  code: string
  cell: string | null
  rows: number
  imports: number
  first_at: Date
  last_at: Date
  sample_row_id: string
}

/** Open rows by reason and cell, the largest group first. */
export async function groupRows(db: Connection, connectorId: string): Promise<QuarantineGroup[]> {
  const groups = await sql<QuarantineGroup>`
    select code, cell, count(*)::int as rows, count(distinct import_id)::int as imports, min(created_at) as first_at,
           max(created_at) as last_at, (array_agg(id order by created_at, line, id))[1] as sample_row_id
    from quarantined_row where connector_id = ${connectorId} and state = 'open'
    group by code, cell order by rows desc, code, cell`.execute(db)
  return groups.rows
}

export interface QuarantineStates {
  open: number
  redriven: number
  expired: number
}

/** What became of the quarantined rows of these imports; imports without any are absent. */
export async function quarantineStates(
  db: Connection,
  importIds: readonly string[],
): Promise<Map<string, QuarantineStates>> {
  if (importIds.length === 0) return new Map()
  const rows = await sql<QuarantineStates & { import_id: string }>`
    select import_id, count(*) filter (where state = 'open')::int as open,
           count(*) filter (where state = 'redriven')::int as redriven,
           count(*) filter (where state = 'expired')::int as expired
    from quarantined_row where import_id = any (${importIds}::uuid[]) group by 1`.execute(db)
  return new Map(rows.rows.map(({ import_id, ...states }) => [import_id, states]))
}
