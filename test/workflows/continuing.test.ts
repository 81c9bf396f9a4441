import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { triageStart } from '../../activities/starting.ts'
import * as processes from '../../api/processes.ts'
import { type ApprovalInput, type SiemExportState, TASK_QUEUES, workflowId } from '../../domain/processes.ts'
import { startWebhookReceiver } from '../../sandbox/webhook-receiver.ts'
import { raiseAlert, setPolicy } from '../harness/alerts.ts'
import { type RenewingTemporal, startRenewingTemporal, untilContinued } from '../harness/renewing.ts'
import { eventually, refusalOf, type World, world } from '../harness/world.ts'

const TIMEOUT = { timeout: 90_000 }
const HOUR_MS = 3_600_000

let temporal: RenewingTemporal
let w: World

beforeAll(async () => {
  temporal = await startRenewingTemporal()
  w = await world({ queues: ['triage', 'exports'], temporalAddress: temporal.address })
})
afterAll(async () => {
  await w?.[Symbol.asyncDispose]()
  await temporal?.[Symbol.asyncDispose]()
})

async function policy(name: string, settings: Parameters<typeof setPolicy>[2] = {}): Promise<string> {
  const policyId = await w.policy('data-theft-departing-users', name)
  await setPolicy(w, policyId, settings)
  return policyId
}

async function opened(policyId: string): Promise<string> {
  const alertId = await raiseAlert(w, policyId)
  const { type, ...options } = triageStart(alertId)
  await w.client.workflow.start(type, options)
  return alertId
}

const worded = async (alertId: string, staffId: string, causeKey: string) => ({
  staffId,
  causeKey,
  commentId: await w.comment('alert', alertId, staffId, 'Because.'),
})
const alertOf = (alertId: string) =>
  w.t.db.selectFrom('alert').selectAll().where('id', '=', alertId).executeTakeFirstOrThrow()
const entries = (subjectId: string) =>
  w.t.db.selectFrom('audit_entry').select(['action', 'at']).where('subject_id', '=', subjectId).orderBy('seq').execute()
const actions = async (subjectId: string) => (await entries(subjectId)).map(({ action }) => action)
const count = async (subjectId: string, action: string) =>
  (await actions(subjectId)).filter((found) => found === action).length

test(
  'a triage goes on in its next run: who has it, what was said, what is asked; acts of before are not done twice',
  TIMEOUT,
  async () => {
    const alertId = await opened(await policy('Long triages'))
    const triage = workflowId.triage(alertId)
    const [ana, ben] = [await w.staff('Ana', ['analyst']), await w.staff('Ben', ['analyst'])]
    const take = (staffId: string) =>
      processes.assignAlert(w.client, alertId, { staffId, causeKey: 'take', assigneeId: staffId })
    const taken = await take(ana)
    const said = await worded(alertId, ana, 'said')
    const answered = await processes.commentOnAlert(w.client, alertId, said)
    const more = await untilContinued(w.client, triage, async (time) =>
      processes.commentOnAlert(w.client, alertId, await worded(alertId, ben, `more ${time}`)),
    )
    expect((await alertOf(alertId)).assignee_id).toBe(ana)
    const handle = w.client.workflow.getHandle(triage)
    const shown = await eventually(() => handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata'), {
      until: ({ currentDetails }) => Boolean(currentDetails),
    })
    expect(shown.currentDetails).toContain('needs_review')
    expect(await take(ben)).toMatchObject({ version: 3 })
    expect(await take(ana)).toEqual(taken)
    expect(await processes.commentOnAlert(w.client, alertId, said)).toEqual(answered)
    expect(await count(alertId, 'alert.commented')).toBe(1 + more)
    expect(await alertOf(alertId)).toMatchObject({ assignee_id: ben, version: 3 })

    const ask = await worded(alertId, ana, 'ask')
    const asked = await processes.escalateAlert(w.client, alertId, ask)
    await untilContinued(w.client, triage, () => w.client.workflow.getHandle(triage).signal('alertChanged'))
    expect(await processes.escalateAlert(w.client, alertId, ask)).toEqual(asked)
    const dismissal = { ...(await worded(alertId, ana, 'no')), reason: 'false_positive' as const }
    expect(await refusalOf(processes.dismissAlert(w.client, alertId, dismissal))).toBe('state_conflict')
    expect(await w.t.db.selectFrom('approval').select('id').where('alert_id', '=', alertId).execute()).toHaveLength(1)

    await processes.withdrawApproval(w.client, await approvalOf(alertId), { staffId: ana, causeKey: 'after all' })
    await eventually(() => actions(alertId), { until: (found) => found.includes('alert.escalation_decided') })
    // An act of its own: under the same key a run that still knows of it gives the first answer, a refusal.
    const again = { ...dismissal, causeKey: 'no, again' }
    expect(await processes.dismissAlert(w.client, alertId, again)).toMatchObject({ state: 'dismissed', version: 6 })
  },
)

test('the clocks of a triage go on where they were', TIMEOUT, async () => {
  const remindAfterMs = 8_000
  const alertId = await halfReminded('Clocks', remindAfterMs)
  const handle = w.client.workflow.getHandle(workflowId.triage(alertId))
  await untilContinued(w.client, handle.workflowId, async () => {
    await handle.signal('alertChanged')
    await sleep(100)
  })
  const { startTime } = await handle.describe()
  await eventually(() => alertOf(alertId), { until: ({ attention }) => attention === 'reminded' })
  const at = Object.fromEntries((await entries(alertId)).map((entry) => [entry.action, entry.at.getTime()]))
  const [said, reminded] = [at['alert.commented'] as number, at['alert.reminded'] as number]
  expect(startTime.getTime() - said).toBeGreaterThan(remindAfterMs / 2 - 100)
  expect(reminded).toBeGreaterThan(startTime.getTime())
  expect(reminded - said).toBeGreaterThan(remindAfterMs - 100)
  // A clock that had begun anew would not have come to this, however late a busy machine told it.
  expect(reminded - startTime.getTime()).toBeLessThan(remindAfterMs - 100)
})

test('a change that is told as a run begins does not set its clock back', TIMEOUT, async () => {
  const remindAfterMs = 6_000
  const alertId = await halfReminded('Told anew', remindAfterMs)
  const id = workflowId.triage(alertId)
  await w.client.workflow.getHandle(id).terminate()
  const begun = await w.client.workflow.signalWithStart('alertTriage', {
    taskQueue: TASK_QUEUES.triage,
    workflowId: id,
    args: [{ alertId }],
    signal: 'alertChanged',
  })
  const { startTime } = await begun.describe()
  await eventually(() => alertOf(alertId), { until: ({ attention }) => attention === 'reminded' })
  const reminded = (await entries(alertId)).find(({ action }) => action === 'alert.reminded')
  expect((reminded?.at.getTime() ?? Number.NaN) - startTime.getTime()).toBeLessThan(remindAfterMs - 100)
})

/** An alert on which somebody commented half of the time ago after which it reminds. */
async function halfReminded(name: string, remindAfterMs: number): Promise<string> {
  const clocks = { remindAfterHours: remindAfterMs / HOUR_MS, overdueAfterHours: 24 }
  const alertId = await opened(await policy(name, { triage: { low: clocks, medium: clocks, high: clocks } }))
  const ana = await w.staff('Ana', ['analyst'])
  await processes.commentOnAlert(w.client, alertId, await worded(alertId, ana, 'said'))
  await sleep(remindAfterMs / 2)
  return alertId
}

async function approvalOf(alertId: string): Promise<ApprovalInput> {
  const row = await w.t.db.selectFrom('approval').selectAll().where('alert_id', '=', alertId).executeTakeFirstOrThrow()
  return {
    approvalId: row.id,
    alertId: row.alert_id,
    requestedBy: row.requested_by,
    quorum: row.quorum,
    remindAt: row.remind_at?.toISOString() ?? null,
    expiresAt: row.expires_at.toISOString(),
  }
}

async function asked(rules: { quorum: number; remindAfterMs: number; expiresAfterMs: number }) {
  const { quorum, remindAfterMs, expiresAfterMs } = rules
  const hours = { quorum, remindAfterHours: remindAfterMs / HOUR_MS, expiresAfterHours: expiresAfterMs / HOUR_MS }
  const alertId = await opened(await policy(`Asked of ${quorum} within ${expiresAfterMs}`, { approval: hours }))
  const analyst = await w.staff('Ana', ['analyst'])
  await processes.escalateAlert(w.client, alertId, await worded(alertId, analyst, 'ask'))
  return { alertId, analyst, approval: await approvalOf(alertId) }
}

/** Whoever may not decide makes the history longer all the same. */
const refusedTo = (approval: ApprovalInput, staffId: string, time: number) =>
  refusalOf(decide(approval, staffId, `${time}`))

const decide = (approval: ApprovalInput, staffId: string, causeKey = 'yes') =>
  processes.decideApproval(w.client, approval, { staffId, causeKey, decision: 'approve', commentId: null })

test(
  'an approval keeps what was decided in its earlier runs, and a double click of then its first answer',
  TIMEOUT,
  async () => {
    const quorum = 3
    const { alertId, analyst, approval } = await asked({ quorum, remindAfterMs: HOUR_MS, expiresAfterMs: 2 * HOUR_MS })
    const admin = await w.staff('Ada', ['admin'])
    const goOn = () =>
      untilContinued(w.client, workflowId.approval(approval.approvalId), (time) => refusedTo(approval, admin, time))
    const answers = new Map<string, unknown>()
    for (let number = 1; number <= quorum; number += 1) {
      const approver = await w.staff(`Approver ${number}`, ['approver'])
      const answer = await decide(approval, approver)
      expect(answer).toMatchObject({ state: number < quorum ? 'pending' : 'approved', approvals: number })
      answers.set(approver, answer)
      if (number === quorum) break
      await goOn()
      for (const [staffId, first] of answers) {
        expect(await decide(approval, staffId)).toEqual(first)
        expect(await refusalOf(decide(approval, staffId, 'once more'))).toBe('state_conflict')
      }
      expect(await refusalOf(decide(approval, analyst))).toBe('approval_self_decision')
    }
    const result = await w.client.workflow.getHandle(workflowId.approval(approval.approvalId)).result()
    expect(result).toMatchObject({ state: 'approved', approvals: quorum, quorum })
    expect(await count(approval.approvalId, 'approval.approved')).toBe(quorum)
    await eventually(() => alertOf(alertId), { until: ({ case_id }) => case_id !== null })
    expect(
      await w.t.db.selectFrom('case_file').select('id').where('approval_id', '=', approval.approvalId).execute(),
    ).toHaveLength(1)
  },
)

test('an approval that continued as new reminds once and expires when it was to', TIMEOUT, async () => {
  const { approval } = await asked({ quorum: 1, remindAfterMs: 1_500, expiresAfterMs: 5_000 })
  const admin = await w.staff('Ada', ['admin'])
  const handle = w.client.workflow.getHandle(workflowId.approval(approval.approvalId))
  await untilContinued(w.client, handle.workflowId, (time) => refusedTo(approval, admin, time))
  expect(await handle.result()).toMatchObject({ state: 'expired', approvals: 0 })
  expect(await actions(approval.approvalId)).toEqual(['approval.reminded', 'approval.expired'])
  const expired = (await entries(approval.approvalId)).at(-1)?.at.getTime() as number
  expect(Math.abs(expired - Date.parse(approval.expiresAt))).toBeLessThan(1_500)
})

test('an approval whose moment to remind passed while its run was lost reminds late, and once', TIMEOUT, async () => {
  const { approval } = await asked({ quorum: 1, remindAfterMs: 1_000, expiresAfterMs: HOUR_MS })
  const handle = w.client.workflow.getHandle(workflowId.approval(approval.approvalId))
  await handle.terminate('lost')
  await sleep(Math.max(Date.parse(approval.remindAt as string) - Date.now(), 0))
  const admin = await w.staff('Ada', ['admin'])
  await refusedTo(approval, admin, 0)
  const reminded = () => count(approval.approvalId, 'approval.reminded')
  expect(await eventually(reminded, { until: (times) => times > 0 })).toBe(1)
  await untilContinued(w.client, handle.workflowId, (time) => refusedTo(approval, admin, time))
  expect(await reminded()).toBe(1)
})

test(
  'an export goes on where it was: while it sends, while it is stopped, and while the receiver is away',
  TIMEOUT,
  async () => {
    const secret = `whsec_${randomBytes(32).toString('base64')}`
    await using receiver = await startWebhookReceiver({ secret })
    const policyId = await policy('Told')
    const destinationId = await w.destination('standard-webhooks', 'siem', { url: receiver.url, secret })
    const id = workflowId.siemExport(destinationId)
    const row = () =>
      w.t.db.selectFrom('destination').selectAll().where('id', '=', destinationId).executeTakeFirstOrThrow()
    const wake = () => processes.wakeExport(w.client, destinationId)
    const told = async () => {
      await raiseAlert(w, policyId)
      await wake()
    }
    const state = () => w.client.workflow.getHandle(id).query<SiemExportState>('exportState')
    const arrivedAll = () =>
      eventually(row, { until: ({ accepted_number, last_number }) => accepted_number === last_number })
    await told()
    await untilContinued(w.client, id, told)
    await arrivedAll()

    receiver.answer({ times: 1, status: 410 })
    await told()
    const { accepted_number: acceptedNumber } = await eventually(row, { until: (found) => found.state === 'stopped' })
    const asked = receiver.attempts.length
    await untilContinued(w.client, id, wake)
    const stopped = { state: 'stopped', acceptedNumber, stopCode: '410' }
    expect(await eventually(state, { until: (found) => found.state === 'stopped' })).toEqual(stopped)
    expect(receiver.attempts).toHaveLength(asked)

    const mended = { staffId: await w.staff('Olga', ['operator']), causeKey: 'mended' }
    const resume = () => processes.resumeExport(w.client, destinationId, mended)
    const resumed = await resume()
    expect(resumed).toEqual({ state: 'sending', acceptedNumber, stopCode: null })
    await untilContinued(w.client, id, told)
    expect(await arrivedAll()).toMatchObject({ state: 'active' })
    receiver.answer({ times: 1, status: 410 })
    await told()
    await eventually(row, { until: (found) => found.state === 'stopped' })
    expect(await resume()).toEqual(resumed)
    expect(await row()).toMatchObject({ state: 'stopped' })
    await processes.resumeExport(w.client, destinationId, { ...mended, causeKey: 'mended again' })
    await arrivedAll()

    receiver.answer({ times: Number.POSITIVE_INFINITY, status: 503 })
    await told()
    await untilContinued(w.client, id, wake)
    receiver.faults.clear()
    const { last_number } = await arrivedAll()
    expect(await row()).toMatchObject({ accepted_number: last_number, state: 'active' })
    const numbers = receiver.messages.map(({ body }) => body.data.sequence)
    expect(numbers).toEqual(Array.from({ length: last_number }, (_, index) => index + 1))
    expect(receiver.repeats).toBe(0)
    expect(await actions(destinationId)).toEqual([
      'destination.stopped',
      'destination.resumed',
      'destination.stopped',
      'destination.resumed',
    ])
  },
)
