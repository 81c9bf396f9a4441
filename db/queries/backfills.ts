import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const byId = sortedBy([['backfill.id', 'uuid']], 'desc')
const byNumber = sortedBy([['backfill_piece.number', 'int']], 'asc')

/** Newest first. */
export async function listBackfills(
  db: Connection,
  page: PageRequest,
  filter: { connectorId?: string; state?: string },
) {
  let query = db.selectFrom('backfill').selectAll().where(byId.behind(page.after))
  if (filter.connectorId !== undefined) query = query.where('connector_id', '=', filter.connectorId)
  if (filter.state !== undefined) query = query.where('state', '=', filter.state)
  const rows = await query
    .orderBy(byId.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.id])
}

/** In the order in which they are read. */
export async function listBackfillPieces(
  db: Connection,
  page: PageRequest,
  { backfillId, state }: { backfillId: string; state?: string },
) {
  let query = db
    .selectFrom('backfill_piece')
    .selectAll()
    .where('backfill_id', '=', backfillId)
    .where(byNumber.behind(page.after))
  if (state !== undefined) query = query.where('state', '=', state)
  const rows = await query
    .orderBy(byNumber.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [String(row.number)])
}
