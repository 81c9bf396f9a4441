import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const byStart = sortedBy(
  [
    ['import.started_at', 'timestamptz'],
    ['import.id', 'uuid'],
  ],
  'desc',
)

/** Newest first. */
export async function listImports(db: Connection, page: PageRequest, filter: { connectorId?: string; state?: string }) {
  let query = db.selectFrom('import').selectAll().where(byStart.behind(page.after))
  if (filter.connectorId !== undefined) query = query.where('connector_id', '=', filter.connectorId)
  if (filter.state !== undefined) query = query.where('state', '=', filter.state)
  const rows = await query
    .orderBy(byStart.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.started_at, row.id])
}
