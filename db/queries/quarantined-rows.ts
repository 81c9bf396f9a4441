import { AppError } from '../../domain/errors.ts'
import type { Connection } from '../connection.ts'
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

/** Gives open rows up; returns how many. */
export async function expireRows(
  tx: Connection,
  { connectorId, code, rowIds }: { connectorId: string; code?: string; rowIds?: readonly string[] },
): Promise<number> {
  let update = tx
    .updateTable('quarantined_row')
    .set({ state: 'expired' })
    .where('connector_id', '=', connectorId)
    .where('state', '=', 'open')
  if (code !== undefined) update = update.where('code', '=', code)
  if (rowIds !== undefined) update = update.where('id', 'in', [...rowIds])
  return Number((await update.executeTakeFirst()).numUpdatedRows)
}
