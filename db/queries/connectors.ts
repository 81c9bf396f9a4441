import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const byId = sortedBy([['connector.id', 'uuid']], 'asc')

/** Oldest first. */
export async function listConnectors(db: Connection, page: PageRequest, filter: { state?: string; kind?: string }) {
  let query = db.selectFrom('connector').selectAll().where(byId.behind(page.after))
  if (filter.state !== undefined) query = query.where('state', '=', filter.state)
  if (filter.kind !== undefined) query = query.where('kind', '=', filter.kind)
  const rows = await query
    .orderBy(byId.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.id])
}
