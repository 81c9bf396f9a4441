import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const byId = sortedBy([['connector_setup.id', 'uuid']], 'desc')

/** Newest first. */
export async function listSetups(db: Connection, page: PageRequest, filter: { state?: string }) {
  let query = db
    .selectFrom('connector_setup')
    .innerJoin('connector', 'connector.id', 'connector_setup.connector_id')
    .selectAll('connector_setup')
    .select(['connector.kind', 'connector.name', 'connector.settings', 'connector.secret_id'])
    .where(byId.behind(page.after))
  if (filter.state !== undefined) query = query.where('connector_setup.state', '=', filter.state)
  const rows = await query
    .orderBy(byId.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.id])
}
