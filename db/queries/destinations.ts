import { AppError } from '../../domain/errors.ts'
import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const byId = sortedBy([['destination.id', 'uuid']], 'asc')
const byNumber = sortedBy([['delivery.number', 'bigint']], 'asc')

/** Oldest first. */
export async function listDestinations(db: Connection, page: PageRequest, filter: { state?: string }) {
  let query = db.selectFrom('destination').selectAll().where(byId.behind(page.after))
  if (filter.state !== undefined) query = query.where('state', '=', filter.state)
  const rows = await query
    .orderBy(byId.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.id])
}

/** In the order of the sequence. */
export async function listDeliveries(
  db: Connection,
  page: PageRequest,
  filter: { destinationId: string; state?: string; after?: number },
) {
  let query = db
    .selectFrom('delivery')
    .selectAll()
    .where('destination_id', '=', filter.destinationId)
    .where(byNumber.behind(page.after))
  if (filter.state !== undefined) query = query.where('state', '=', filter.state)
  if (filter.after !== undefined) query = query.where('number', '>', filter.after)
  const rows = await query
    .orderBy(byNumber.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.number])
}

/** Throws not_found. */
export async function readDelivery(db: Connection, destinationId: string, number: number) {
  const row = await db
    .selectFrom('delivery')
    .selectAll()
    .where('destination_id', '=', destinationId)
    .where('number', '=', number)
    .executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no delivery ${number}`)
  return row
}
export type DeliveryRow = Awaited<ReturnType<typeof readDelivery>>
