import { AppError } from '../../domain/errors.ts'
import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const byId = sortedBy([['approval.id', 'uuid']], 'desc')

const select = (db: Connection) =>
  db
    .selectFrom('approval')
    .innerJoin('comment', 'comment.id', 'approval.reason_id')
    .selectAll('approval')
    .select('comment.body as reason')

/** Decisions of approvals in the order in which they were made. */
async function decisionsOf(db: Connection, approvalIds: readonly string[]) {
  if (approvalIds.length === 0) return []
  return db
    .selectFrom('approval_decision')
    .leftJoin('comment', 'comment.id', 'approval_decision.reason_id')
    .selectAll('approval_decision')
    .select('comment.body as reason')
    .where('approval_id', 'in', [...approvalIds])
    .orderBy('decided_at')
    .orderBy('staff_id')
    .execute()
}

async function withDecisions<Row extends { id: string }>(db: Connection, rows: Row[]) {
  const decisions = await decisionsOf(
    db,
    rows.map(({ id }) => id),
  )
  return rows.map((row) => ({ ...row, decisions: decisions.filter(({ approval_id }) => approval_id === row.id) }))
}

/** Newest first. */
export async function listApprovals(db: Connection, page: PageRequest, filter: { state?: string }) {
  let query = select(db).where(byId.behind(page.after))
  if (filter.state !== undefined) query = query.where('approval.state', '=', filter.state)
  const rows = await query
    .orderBy(byId.order)
    .limit(page.limit + 1)
    .execute()
  const { rows: kept, next } = pageOf(rows, page.limit, (row) => [row.id])
  return { rows: await withDecisions(db, kept), next }
}

/** Throws not_found. */
export async function readApproval(db: Connection, approvalId: string) {
  const row = await select(db).where('approval.id', '=', approvalId).executeTakeFirst()
  const [approval] = row ? await withDecisions(db, [row]) : []
  if (!approval) throw new AppError('not_found', `there is no approval ${approvalId}`)
  return approval
}
export type ApprovalRow = Awaited<ReturnType<typeof readApproval>>
