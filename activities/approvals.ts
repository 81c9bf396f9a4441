import { appendAudit } from '../db/audit.ts'
import type { Connection } from '../db/connection.ts'
import { AppError } from '../domain/errors.ts'
import type { ApprovalResult, ApprovalState, DecideInput, HumanInput } from '../domain/processes.ts'
import type { Deps } from './deps.ts'

async function lockApproval(tx: Connection, approvalId: string) {
  const row = await tx.selectFrom('approval').selectAll().where('id', '=', approvalId).forUpdate().executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no approval ${approvalId}`)
  return row
}

async function resultOf(tx: Connection, approvalId: string): Promise<ApprovalResult> {
  const row = await lockApproval(tx, approvalId)
  const { n } = await tx
    .selectFrom('approval_decision')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .where('approval_id', '=', approvalId)
    .where('decision', '=', 'approve')
    .executeTakeFirstOrThrow()
  return { approvalId, state: row.state as ApprovalState, approvals: n, quorum: row.quorum }
}

const close = (tx: Connection, approvalId: string, state: ApprovalState) =>
  tx
    .updateTable('approval')
    .set({ state, closed_at: new Date() })
    .where('id', '=', approvalId)
    .where('state', '=', 'pending')
    .execute()

/** Books one decision and, when the quorum is reached or somebody refuses, closes the approval. One transaction. */
export const recordDecision =
  (deps: Deps) =>
  (input: DecideInput & { approvalId: string }): Promise<ApprovalResult> =>
    deps.db.transaction().execute(async (tx) => {
      const approval = await lockApproval(tx, input.approvalId)
      const earlier = await tx
        .selectFrom('approval_decision')
        .select('cause_key')
        .where('approval_id', '=', input.approvalId)
        .where('staff_id', '=', input.staffId)
        .executeTakeFirst()
      if (earlier?.cause_key === input.causeKey) return firstAnswer(tx, input)
      // The rules stand in the database too; here they get their words.
      if (approval.requested_by === input.staffId)
        throw new AppError('approval_self_decision', 'the requester may not decide')
      if (approval.state !== 'pending') throw new AppError('approval_closed', `the approval is ${approval.state}`)
      if (earlier) throw new AppError('state_conflict', 'this person has decided already')
      await tx
        .insertInto('approval_decision')
        .values({
          approval_id: input.approvalId,
          staff_id: input.staffId,
          decision: input.decision,
          reason_id: input.commentId,
          cause_key: input.causeKey,
        })
        .execute()
      const after = await resultOf(tx, input.approvalId)
      if (input.decision === 'reject') await close(tx, input.approvalId, 'rejected')
      else if (after.approvals >= after.quorum) await close(tx, input.approvalId, 'approved')
      const result = await resultOf(tx, input.approvalId)
      await appendAudit(tx, {
        staffId: input.staffId,
        action: `approval.${input.decision === 'approve' ? 'approved' : 'rejected'}`,
        subjectKind: 'approval',
        subjectId: input.approvalId,
        detail: {
          alert_id: approval.alert_id,
          state: result.state,
          approvals: result.approvals,
          quorum: result.quorum,
        },
      })
      return result
    })

/** What was answered when this person decided: the audit entry of the decision holds it. */
async function firstAnswer(
  tx: Connection,
  { approvalId, staffId }: { approvalId: string; staffId: string },
): Promise<ApprovalResult> {
  const { detail } = await tx
    .selectFrom('audit_entry')
    .select('detail')
    .where('subject_kind', '=', 'approval')
    .where('subject_id', '=', approvalId)
    .where('staff_id', '=', staffId)
    .where('action', 'in', ['approval.approved', 'approval.rejected'])
    .executeTakeFirstOrThrow()
  const { state, approvals, quorum } = detail as unknown as ApprovalResult
  return { approvalId, state, approvals, quorum }
}

/** Ends a pending approval without a decision; one that is closed stays as it is. */
export const endApproval =
  (deps: Deps) =>
  ({
    approvalId,
    as,
    by,
  }: {
    approvalId: string
    as: 'expired' | 'withdrawn'
    by: HumanInput | null
  }): Promise<ApprovalResult> =>
    deps.db.transaction().execute(async (tx) => {
      const approval = await lockApproval(tx, approvalId)
      if (approval.state === as) return resultOf(tx, approvalId)
      if (approval.state !== 'pending') {
        if (by === null) return resultOf(tx, approvalId)
        throw new AppError('approval_closed', `the approval is ${approval.state}`)
      }
      if (by !== null && approval.requested_by !== by.staffId) {
        throw new AppError('forbidden', 'only the requester withdraws', { fix: 'Ask the requester, or decide.' })
      }
      await close(tx, approvalId, as)
      await appendAudit(tx, {
        staffId: by?.staffId ?? null,
        action: `approval.${as}`,
        subjectKind: 'approval',
        subjectId: approvalId,
        detail: { alert_id: approval.alert_id },
      })
      return resultOf(tx, approvalId)
    })

/** Notes that approvers were reminded. */
export const remindApprovers =
  (deps: Deps) =>
  ({ approvalId }: { approvalId: string }): Promise<void> =>
    deps.db.transaction().execute(async (tx) => {
      const approval = await lockApproval(tx, approvalId)
      if (approval.state !== 'pending' || approval.reminded_at !== null) return
      await tx.updateTable('approval').set({ reminded_at: new Date() }).where('id', '=', approvalId).execute()
      await appendAudit(tx, {
        staffId: null,
        action: 'approval.reminded',
        subjectKind: 'approval',
        subjectId: approvalId,
      })
    })

export interface StoredApproval {
  result: ApprovalResult
  reminded: boolean
  /** Who decided, and under which key. */
  decided: [staffId: string, causeKey: string][]
}

/** The state as stored, for a workflow that starts anew. */
export const readApproval =
  (deps: Deps) =>
  ({ approvalId }: { approvalId: string }): Promise<StoredApproval> =>
    deps.db.transaction().execute(async (tx) => {
      const { reminded_at } = await lockApproval(tx, approvalId)
      const result = await resultOf(tx, approvalId)
      const decisions = await tx
        .selectFrom('approval_decision')
        .select(['staff_id', 'cause_key'])
        .where('approval_id', '=', approvalId)
        .orderBy('decided_at')
        .execute()
      return { result, reminded: reminded_at !== null, decided: decisions.map((row) => [row.staff_id, row.cause_key]) }
    })
