import { storeComment } from '../db/comments.ts'
import * as queries from '../db/queries/approvals.ts'
import { AppError } from '../domain/errors.ts'
import type { ApprovalInput } from '../domain/processes.ts'
import type { components } from '../openapi/generated/types.ts'
import * as processes from './processes.ts'
import { type Call, inProcess, iso, isoOrNull, read } from './route.ts'

type Wire = components['schemas']

const present = (row: queries.ApprovalRow): Wire['Approval'] => ({
  id: row.id,
  kind: row.kind as Wire['Approval']['kind'],
  alertId: row.alert_id,
  requestedBy: row.requested_by,
  reason: row.reason,
  quorum: row.quorum,
  state: row.state as Wire['ApprovalState'],
  decisions: row.decisions.map((decision) => ({
    staffId: decision.staff_id,
    decision: decision.decision as 'approve' | 'reject',
    comment: decision.reason,
    decidedAt: iso(decision.decided_at),
  })),
  remindAt: isoOrNull(row.remind_at),
  expiresAt: iso(row.expires_at),
  createdAt: iso(row.created_at),
  closedAt: isoOrNull(row.closed_at),
})

const processOf = (row: queries.ApprovalRow): ApprovalInput => ({
  approvalId: row.id,
  alertId: row.alert_id,
  requestedBy: row.requested_by,
  quorum: row.quorum,
  remindAt: isoOrNull(row.remind_at),
  expiresAt: iso(row.expires_at),
})

async function answer(call: Pick<Call<never>, 'db'>, approvalId: string) {
  return { status: 200 as const, body: present(await queries.readApproval(call.db, approvalId)) }
}

export const listApprovals = read('listApprovals', async ({ db, page, query, paged }) => ({
  status: 200,
  body: paged(await queries.listApprovals(db, page, query), present),
}))

export const getApproval = read('getApproval', (call) => answer(call, call.params.approvalId))

export const decideApproval = inProcess('decideApproval', async (call) => {
  const { db, deps, actor, body, causeKey } = call
  const row = await queries.readApproval(db, call.params.approvalId)
  if (row.requested_by === actor.staffId) {
    throw new AppError('approval_self_decision', 'the requester may not decide', { fix: 'Another approver has to.' })
  }
  // What was decided under this key is answered again, even when the process has ended since.
  const decided = row.decisions.find(({ staff_id }) => staff_id === actor.staffId)
  if (decided?.cause_key === causeKey) return answer(call, row.id)
  if (row.state !== 'pending') throw new AppError('approval_closed', `the approval is ${row.state}`)
  const commentId =
    body.comment === undefined
      ? null
      : await storeComment(db, deps.vault, {
          subjectKind: 'approval',
          subjectId: row.id,
          authorId: actor.staffId,
          text: body.comment,
          causeKey,
        })
  await processes.decideApproval(deps.temporal, processOf(row), {
    staffId: actor.staffId,
    causeKey,
    decision: body.decision,
    commentId,
  })
  return answer(call, row.id)
})

export const withdrawApproval = inProcess('withdrawApproval', async (call) => {
  const { db, deps, actor, causeKey } = call
  const row = await queries.readApproval(db, call.params.approvalId)
  if (row.requested_by !== actor.staffId) {
    throw new AppError('forbidden', 'only the requester withdraws', { fix: 'Ask the requester to.' })
  }
  if (row.state === 'withdrawn') return answer(call, row.id)
  if (row.state !== 'pending') throw new AppError('approval_closed', `the approval is ${row.state}`)
  await processes.withdrawApproval(deps.temporal, processOf(row), { staffId: actor.staffId, causeKey })
  return answer(call, row.id)
})
