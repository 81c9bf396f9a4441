import { AppError } from '../../domain/errors.ts'
import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const byId = sortedBy([['api_token.id', 'uuid']], 'desc')

const select = (db: Connection) =>
  db
    .selectFrom('api_token')
    .innerJoin('staff_member', 'staff_member.id', 'api_token.staff_id')
    .select(['api_token.id', 'api_token.staff_id', 'api_token.label', 'api_token.created_at', 'api_token.expires_at'])
    .select(['api_token.revoked_at', 'api_token.last_used_at', 'staff_member.name', 'staff_member.roles'])

/** Newest first. */
export async function listTokens(db: Connection, page: PageRequest, filter: { staffId?: string }) {
  let query = select(db).where(byId.behind(page.after))
  if (filter.staffId !== undefined) query = query.where('api_token.staff_id', '=', filter.staffId)
  const rows = await query
    .orderBy(byId.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.id])
}

/** Throws not_found. */
export async function readToken(db: Connection, tokenId: string) {
  const row = await select(db).where('api_token.id', '=', tokenId).executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no token ${tokenId}`)
  return row
}
export type TokenRow = Awaited<ReturnType<typeof readToken>>
