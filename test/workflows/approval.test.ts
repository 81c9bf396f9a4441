import { expect, test } from 'vitest'
import * as processes from '../../api/processes.ts'
import type { ApprovalInput } from '../../domain/processes.ts'
import { raiseAlert, setPolicy } from '../harness/alerts.ts'
import { eventually, refusalOf, type WaitingWorld, type World, waitingWorld, world } from '../harness/world.ts'

const HOURS = { quorum: 2, remindAfterHours: 24, expiresAfterHours: 168 }

interface Asked {
  alertId: string
  analyst: string
  approval: ApprovalInput
}

/** An alert that an analyst asks to escalate; two have to approve. */
async function escalated(w: World): Promise<Asked> {
  const policyId = await w.policy('data-theft-departing-users', 'Leavers')
  await setPolicy(w, policyId, { approval: HOURS })
  const alertId = await raiseAlert(w, policyId)
  const analyst = await w.staff('Ana', ['analyst'])
  const commentId = await w.comment('alert', alertId, analyst, 'Look at this.')
  await processes.escalateAlert(w.client, alertId, { staffId: analyst, causeKey: 'escalate', commentId })
  return { alertId, analyst, approval: await stored(w) }
}

async function stored(w: World): Promise<ApprovalInput> {
  const row = await w.t.db.selectFrom('approval').selectAll().executeTakeFirstOrThrow()
  return {
    approvalId: row.id,
    alertId: row.alert_id,
    requestedBy: row.requested_by,
    quorum: row.quorum,
    remindAt: row.remind_at?.toISOString() ?? null,
    expiresAt: row.expires_at.toISOString(),
  }
}

const yes = (staffId: string, causeKey = 'yes') => ({
  staffId,
  causeKey,
  decision: 'approve' as const,
  commentId: null,
})
const actions = async (w: World, subjectId: string) =>
  (
    await w.t.db.selectFrom('audit_entry').select('action').where('subject_id', '=', subjectId).orderBy('seq').execute()
  ).map(({ action }) => action)
const state = async (w: World) => (await w.t.db.selectFrom('approval').select('state').executeTakeFirstOrThrow()).state
const alertOf = (w: World) => w.t.db.selectFrom('alert').select(['state', 'case_id']).executeTakeFirstOrThrow()

test('two distinct people approve, neither of them asked; each act repeated gets its first answer, also at the end', {
  timeout: 90_000,
}, async () => {
  await using w = await world({ queues: ['triage', 'exports'] })
  const { analyst, approval } = await escalated(w)
  const [one, two] = [await w.staff('One', ['approver']), await w.staff('Two', ['approver'])]
  const decide = (input: ReturnType<typeof yes>) => processes.decideApproval(w.client, approval, input)

  expect(await refusalOf(decide(yes(analyst)))).toBe('approval_self_decision')
  expect(await refusalOf(decide(yes(await w.staff('Ada', ['admin']))))).toBe('forbidden')
  const first = await decide(yes(one))
  expect(first).toEqual({ approvalId: approval.approvalId, state: 'pending', approvals: 1, quorum: 2 })
  expect(await actions(w, approval.approvalId)).toEqual(['approval.approved'])
  expect(await refusalOf(decide(yes(one, 'again')))).toBe('state_conflict')

  const second = await decide(yes(two))
  expect(second).toEqual({ approvalId: approval.approvalId, state: 'approved', approvals: 2, quorum: 2 })
  await w.client.workflow.getHandle(`approval/${approval.approvalId}`).result()
  // The run has ended: whoever asks again starts another, which answers from the rows.
  expect(await decide(yes(one))).toEqual(first)
  expect(await decide(yes(two))).toEqual(second)
  expect(await refusalOf(decide(yes(await w.staff('Three', ['approver']))))).toBe('approval_closed')
  expect(await actions(w, approval.approvalId)).toEqual(['approval.approved', 'approval.approved'])
  const { case_id } = await eventually(() => alertOf(w), { until: (row) => row.case_id !== null })
  expect(case_id).not.toBeNull()
  expect(await w.t.db.selectFrom('case_file').select('id').execute()).toHaveLength(1)
})

test('one refusal ends it, whatever the quorum; the alert stays open', { timeout: 90_000 }, async () => {
  await using w = await world({ queues: ['triage', 'exports'] })
  const { approval, alertId } = await escalated(w)
  const one = await w.staff('One', ['approver'])
  const no = { ...yes(one), decision: 'reject' as const }
  expect(await processes.decideApproval(w.client, approval, no)).toMatchObject({ state: 'rejected', approvals: 0 })
  await eventually(() => actions(w, alertId), { until: (found) => found.includes('alert.escalation_decided') })
  expect(await actions(w, alertId)).toContain('alert.escalation_decided')
  expect(await alertOf(w)).toEqual({ state: 'needs_review', case_id: null })
})

test('what was approved while the triage was gone becomes a case; until then the alert cannot be dismissed', {
  timeout: 90_000,
}, async () => {
  await using w = await world({ queues: ['triage', 'exports'] })
  const { approval, alertId, analyst } = await escalated(w)
  await w.client.workflow.getHandle(`triage/${alertId}`).terminate('lost')
  for (const name of ['One', 'Two']) {
    await processes.decideApproval(w.client, approval, yes(await w.staff(name, ['approver'])))
  }
  await eventually(() => alertOf(w), { until: ({ case_id }) => case_id !== null })
  expect(await alertOf(w)).toMatchObject({ state: 'confirmed', case_id: expect.any(String) })
  const commentId = await w.comment('alert', alertId, analyst, 'No.')
  const dismissal = { staffId: analyst, causeKey: 'no', commentId, reason: 'false_positive' as const }
  expect(await processes.dismissAlert(w.client, alertId, dismissal)).toMatchObject({ state: 'dismissed' })
})

async function waiting(): Promise<{ w: WaitingWorld; asked: Asked }> {
  const w = await waitingWorld()
  return { w, asked: await escalated(w) }
}

test('approvers are reminded once, then the question expires; nobody is decided for', { timeout: 90_000 }, async () => {
  const { w, asked } = await waiting()
  await using _ = w
  const { approvalId } = asked.approval
  await w.pass('23 hours')
  expect(await actions(w, approvalId)).toEqual([])
  await w.pass('2 hours')
  await eventually(() => actions(w, approvalId), { until: (found) => found.length > 0 })
  expect(await actions(w, approvalId)).toEqual(['approval.reminded'])
  await w.pass('6 days')
  await eventually(() => state(w), { until: (found) => found !== 'pending' })
  expect(await state(w)).toBe('expired')
  expect(await actions(w, approvalId)).toEqual(['approval.reminded', 'approval.expired'])
  const late = processes.decideApproval(w.client, asked.approval, yes(await w.staff('One', ['approver'])))
  expect(await refusalOf(late)).toBe('approval_closed')
  await eventually(() => actions(w, asked.alertId), { until: (found) => found.includes('alert.escalation_decided') })
  expect(await alertOf(w)).toEqual({ state: 'needs_review', case_id: null })
})

test('only the requester withdraws; afterwards the alert can be escalated again', { timeout: 90_000 }, async () => {
  const { w, asked } = await waiting()
  await using _ = w
  const { approval, analyst, alertId } = asked
  const other = await w.staff('Per', ['approver'])
  const withdraw = (staffId: string) => processes.withdrawApproval(w.client, approval, { staffId, causeKey: 'w' })
  expect(await refusalOf(withdraw(other))).toBe('forbidden')
  expect(await withdraw(analyst)).toMatchObject({ state: 'withdrawn', approvals: 0 })
  await eventually(() => actions(w, alertId), { until: (found) => found.includes('alert.escalation_decided') })
  const commentId = await w.comment('alert', alertId, analyst, 'After all.')
  const again = await processes.escalateAlert(w.client, alertId, { staffId: analyst, causeKey: 'e2', commentId })
  expect(again.approvalId).not.toBe(approval.approvalId)
})
