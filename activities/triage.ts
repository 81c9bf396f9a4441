import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { type AlertVersionResult, changeAlert, lockAlert, versionByCause } from '../db/alerts.ts'
import { appendAudit } from '../db/audit.ts'
import type { Connection } from '../db/connection.ts'
import type { DismissReason } from '../domain/alert.ts'
import { AppError } from '../domain/errors.ts'
import type { ApprovalInput, ApprovalState, HumanInput, TriageResult } from '../domain/processes.ts'
import type { PolicyDefinition } from '../policies/template.ts'
import type { Deps } from './deps.ts'

export interface AlertDecision extends HumanInput {
  alertId: string
  decision: 'assign' | 'comment' | 'confirm' | 'dismiss' | 'reopen'
  commentId?: string
  assigneeId?: string | null
  reason?: DismissReason
}

export interface Decided extends TriageResult {
  destinations: string[]
}

const OPEN = ['needs_review', 'confirmed']

/** Two people's keys may be equal; their acts are not. */
const actOf = ({ staffId, causeKey }: HumanInput): string => `${staffId}/${causeKey}`

function mustBeOpen(state: string): void {
  if (!OPEN.includes(state)) {
    throw new AppError('alert_not_open', `the alert is ${state}`, { fix: 'Reopen a dismissed alert first.' })
  }
}

/** Books what an analyst decided: version, deliveries and audit in one transaction, before the update returns. */
export const decideAlert =
  (deps: Deps) =>
  (input: AlertDecision): Promise<Decided> =>
    deps.db.transaction().execute(async (tx) => {
      const { alertId, staffId, decision } = input
      const causeKey = actOf(input)
      const repeated = await versionByCause(tx, alertId, causeKey)
      if (repeated) return repeated
      const alert = await lockAlert(tx, alertId)
      const common = { alertId, staffId, causeKey, commentId: input.commentId ?? null, publicUrl: deps.publicUrl }
      switch (decision) {
        case 'assign':
          mustBeOpen(alert.state)
          return changeAlert(tx, { ...common, change: 'assigned', set: { assigneeId: input.assigneeId ?? null } })
        case 'comment':
          return comment(tx, alert, input)
        case 'confirm':
          if (alert.state !== 'needs_review') mustNotRepeat(alert.state)
          return changeAlert(tx, { ...common, change: 'confirmed', set: { state: 'confirmed' } })
        case 'dismiss':
          mustBeOpen(alert.state)
          await mustNotBePending(tx, alertId)
          return changeAlert(tx, {
            ...common,
            change: 'dismissed',
            set: { state: 'dismissed', dismissReason: input.reason as DismissReason },
          })
        case 'reopen':
          return reopen(tx, alert, common)
      }
    })

/** Words about an alert are no new version of it: nothing that a SIEM has to know. */
async function comment(
  tx: Connection,
  alert: Awaited<ReturnType<typeof lockAlert>>,
  { staffId, commentId }: AlertDecision,
): Promise<Decided> {
  const subject = { subjectKind: 'alert', subjectId: alert.id, action: 'alert.commented' }
  const done = await tx
    .selectFrom('audit_entry')
    .select('detail')
    .where('subject_kind', '=', subject.subjectKind)
    .where('subject_id', '=', subject.subjectId)
    .where('action', '=', subject.action)
    .where(sql<string>`detail ->> 'comment_id'`, '=', commentId as string)
    .executeTakeFirst()
  const answer = { version: alert.version, state: alert.state as Decided['state'] }
  if (done) return { ...answer, ...firstAnswer(done.detail), alertId: alert.id, destinations: [] }
  await tx
    .updateTable('alert')
    .set({ attention: 'none', waiting_since: new Date() })
    .where('id', '=', alert.id)
    .execute()
  await appendAudit(tx, { staffId, ...subject, detail: { comment_id: commentId, ...answer } })
  return { ...answer, alertId: alert.id, destinations: [] }
}

const firstAnswer = (detail: unknown) => {
  const { version, state } = detail as Pick<Decided, 'version' | 'state'>
  return { version, state }
}

function mustNotRepeat(state: string): void {
  mustBeOpen(state)
  throw new AppError('state_conflict', `the alert is ${state} already`)
}

async function reopen(
  tx: Connection,
  alert: Awaited<ReturnType<typeof lockAlert>>,
  common: Pick<Parameters<typeof changeAlert>[1], 'alertId' | 'staffId' | 'causeKey' | 'commentId' | 'publicUrl'>,
): Promise<AlertVersionResult> {
  if (alert.state !== 'dismissed') {
    throw new AppError('state_conflict', `the alert is ${alert.state}`, {
      fix: 'Only a dismissed alert can be reopened.',
    })
  }
  const other = await tx
    .selectFrom('alert')
    .select('id')
    .where('policy_id', '=', alert.policy_id)
    .where('person_id', '=', alert.person_id)
    .where('state', 'in', OPEN)
    .executeTakeFirst()
  if (other) {
    throw new AppError('state_conflict', `alert ${other.id} of the same person and policy is open`, {
      fix: 'Work in the open alert.',
    })
  }
  return changeAlert(tx, { ...common, change: 'reopened', set: { state: 'needs_review', dismissReason: null } })
}

/** Neither while others are asked, nor while what they approved is on its way to become a case. */
async function mustNotBePending(tx: Connection, alertId: string): Promise<void> {
  const asked = await unsettled(tx, alertId)
  const [open] = asked.filter(({ state }) => state === 'pending' || state === 'approved')
  if (!open) return
  throw new AppError('state_conflict', `approval ${open.id} is ${open.state}`, {
    fix: open.state === 'pending' ? 'Withdraw the escalation first.' : 'Resolve its case instead.',
  })
}

/** Approvals of an alert whose outcome is not yet part of it, oldest first. */
const unsettled = (db: Connection, alertId: string) =>
  db
    .selectFrom('approval')
    .selectAll()
    .where('alert_id', '=', alertId)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('alert_version')
            .select('version')
            .whereRef('alert_version.alert_id', '=', 'approval.alert_id')
            .where('cause_key', '=', sql<string>`'approval/' || approval.id`),
        ),
      ),
    )
    .orderBy('created_at')
    .execute()

export interface EscalationInput extends HumanInput {
  alertId: string
  commentId: string
}
export interface Escalation extends Decided {
  approval: ApprovalInput
}

/** Asks for an approval. The same cause asks once. */
export const requestEscalation =
  (deps: Deps) =>
  (input: EscalationInput): Promise<Escalation> =>
    deps.db.transaction().execute(async (tx) => {
      const alert = await lockAlert(tx, input.alertId)
      const causeKey = actOf(input)
      const repeated = await versionByCause(tx, input.alertId, causeKey)
      if (repeated) {
        const asked = await tx
          .selectFrom('approval')
          .selectAll()
          .where('alert_id', '=', input.alertId)
          .where('reason_id', '=', input.commentId)
          .executeTakeFirstOrThrow()
        return { ...repeated, approvalId: asked.id, approval: approvalInput(asked) }
      }
      mustBeOpen(alert.state)
      await mustNotBePending(tx, input.alertId)
      if (alert.case_id !== null) throw new AppError('state_conflict', `the alert is in case ${alert.case_id} already`)
      const { approval: rules } = await policySettings(tx, alert.policy_id)
      const now = Date.now()
      const approval = await tx
        .insertInto('approval')
        .values({
          id: uuid(),
          kind: 'escalate',
          alert_id: input.alertId,
          requested_by: input.staffId,
          reason_id: input.commentId,
          quorum: rules.quorum,
          remind_at: new Date(now + rules.remindAfterHours * 3_600_000),
          expires_at: new Date(now + rules.expiresAfterHours * 3_600_000),
        })
        .returningAll()
        .executeTakeFirstOrThrow()
      const changed = await changeAlert(tx, {
        alertId: input.alertId,
        change: 'escalation_requested',
        staffId: input.staffId,
        commentId: input.commentId,
        causeKey,
        publicUrl: deps.publicUrl,
      })
      return { ...changed, approvalId: approval.id, approval: approvalInput(approval) }
    })

const approvalInput = (row: {
  id: string
  alert_id: string
  requested_by: string
  quorum: number
  remind_at: Date | null
  expires_at: Date
}): ApprovalInput => ({
  approvalId: row.id,
  alertId: row.alert_id,
  requestedBy: row.requested_by,
  quorum: row.quorum,
  remindAt: row.remind_at?.toISOString() ?? null,
  expiresAt: row.expires_at.toISOString(),
})

export interface SettleInput {
  alertId: string
  approvalId: string
  state: ApprovalState
}
export interface Settled extends Decided {
  caseId: string | null
}

/** After an approval closed: opens the case of an approved escalation, or notes that it was not approved. */
export const settleEscalation =
  (deps: Deps) =>
  ({ alertId, approvalId }: SettleInput): Promise<Settled> =>
    deps.db.transaction().execute(async (tx) => {
      const alert = await lockAlert(tx, alertId)
      const approval = await tx
        .selectFrom('approval')
        .selectAll()
        .where('id', '=', approvalId)
        .executeTakeFirstOrThrow()
      const causeKey = `approval/${approvalId}`
      const existing = await tx
        .selectFrom('case_file')
        .select('id')
        .where('approval_id', '=', approvalId)
        .executeTakeFirst()
      const repeated = await versionByCause(tx, alertId, causeKey)
      if (repeated) return { ...repeated, caseId: existing?.id ?? null }
      const common = { alertId, staffId: null, causeKey, publicUrl: deps.publicUrl }
      if (approval.state !== 'approved') {
        return { ...(await changeAlert(tx, { ...common, change: 'escalation_decided' })), caseId: null }
      }
      const caseId = uuid()
      await tx
        .insertInto('case_file')
        .values({
          id: caseId,
          person_id: alert.person_id,
          approval_id: approvalId,
          state: 'active',
          assignee_id: alert.assignee_id,
        })
        .execute()
      const changed = await changeAlert(tx, { ...common, change: 'escalated', set: { state: 'confirmed', caseId } })
      await appendAudit(tx, {
        staffId: null,
        action: 'case.opened',
        subjectKind: 'case',
        subjectId: caseId,
        detail: { alert_id: alertId, approval_id: approvalId },
      })
      return { ...changed, caseId }
    })

export interface TriageView {
  state: string
  attention: string
  severity: 'low' | 'medium' | 'high'
  remindAfterMs: number
  overdueAfterMs: number
  /** It has waited so long for somebody to look, by the clock of the database's rows. */
  waitedMs: number
  /** Pending approval, if any. */
  approval: ApprovalInput | null
  /** Approvals that closed while nobody settled them. */
  closed: { approvalId: string; state: ApprovalState }[]
}

/** What the clocks need to know of an alert. */
export const readTriage =
  (deps: Deps) =>
  async ({ alertId }: { alertId: string }): Promise<TriageView> => {
    const alert = await deps.db.selectFrom('alert').selectAll().where('id', '=', alertId).executeTakeFirst()
    if (!alert) throw new AppError('not_found', `there is no alert ${alertId}`)
    const severity = alert.severity as TriageView['severity']
    const { triage } = await policySettings(deps.db, alert.policy_id)
    const asked = await unsettled(deps.db, alertId)
    const pending = asked.find((row) => row.state === 'pending')
    return {
      state: alert.state,
      attention: alert.attention,
      severity,
      remindAfterMs: triage[severity].remindAfterHours * 3_600_000,
      overdueAfterMs: triage[severity].overdueAfterHours * 3_600_000,
      waitedMs: Math.max(Date.now() - alert.waiting_since.getTime(), 0),
      approval: pending ? approvalInput(pending) : null,
      closed: asked
        .filter((row) => row.state !== 'pending')
        .map((row) => ({ approvalId: row.id, state: row.state as ApprovalState })),
    }
  }

/** A clock ran out: says so on the alert and in the audit log, and decides nothing. */
export const markAttention =
  (deps: Deps) =>
  ({ alertId, attention }: { alertId: string; attention: 'reminded' | 'overdue' }): Promise<void> =>
    deps.db.transaction().execute(async (tx) => {
      const alert = await lockAlert(tx, alertId)
      if (alert.attention === attention || alert.state !== 'needs_review') return
      await tx.updateTable('alert').set({ attention }).where('id', '=', alertId).execute()
      await appendAudit(tx, { staffId: null, action: `alert.${attention}`, subjectKind: 'alert', subjectId: alertId })
    })

async function policySettings(db: Connection, policyId: string): Promise<PolicyDefinition['settings']> {
  const row = await db
    .selectFrom('policy')
    .innerJoin('policy_version', (join) =>
      join.onRef('policy_version.policy_id', '=', 'policy.id').onRef('policy_version.version', '=', 'policy.version'),
    )
    .select('policy_version.definition')
    .where('policy.id', '=', policyId)
    .executeTakeFirstOrThrow()
  return (row.definition as unknown as PolicyDefinition).settings
}
