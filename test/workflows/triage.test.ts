import { expect, test } from 'vitest'
import { triageStart } from '../../activities/starting.ts'
import * as processes from '../../api/processes.ts'
import { raiseAlert, setPolicy } from '../harness/alerts.ts'
import { eventually, refusalOf, type World, waitingWorld, world } from '../harness/world.ts'

const TRIAGE = {
  low: { remindAfterHours: 72, overdueAfterHours: 168 },
  medium: { remindAfterHours: 24, overdueAfterHours: 72 },
  high: { remindAfterHours: 4, overdueAfterHours: 24 },
}

async function opened(w: World, severity: 'low' | 'high' = 'high') {
  const policyId = await w.policy('data-theft-departing-users', `Leavers ${severity}`)
  await setPolicy(w, policyId, { triage: TRIAGE })
  const alertId = await raiseAlert(w, policyId, severity)
  const { type, ...options } = triageStart(alertId)
  await w.client.workflow.start(type, options)
  return alertId
}

const rowOf = (w: World, alertId: string) =>
  w.t.db
    .selectFrom('alert')
    .select(['state', 'attention', 'version', 'assignee_id', 'dismiss_reason', 'severity'])
    .where('id', '=', alertId)
    .executeTakeFirstOrThrow()
const attention = async (w: World, alertId: string, wanted: string) =>
  (await eventually(() => rowOf(w, alertId), { until: (row) => row.attention === wanted, timeoutMs: 10_000 })).attention
const actions = async (w: World, subjectId: string) =>
  (
    await w.t.db.selectFrom('audit_entry').select('action').where('subject_id', '=', subjectId).orderBy('seq').execute()
  ).map(({ action }) => action)

test('clocks of the severity remind, then call it overdue, and decide nothing; whoever looks starts them anew', {
  timeout: 90_000,
}, async () => {
  await using w = await waitingWorld()
  const alertId = await opened(w)
  const analyst = await w.staff('Ana', ['analyst'])
  await w.pass('3 hours')
  expect((await rowOf(w, alertId)).attention).toBe('none')
  await w.pass('2 hours')
  expect(await attention(w, alertId, 'reminded')).toBe('reminded')
  await w.pass('18 hours')
  expect((await rowOf(w, alertId)).attention).toBe('reminded')
  await w.pass('2 hours')
  expect(await attention(w, alertId, 'overdue')).toBe('overdue')

  const commentId = await w.comment('alert', alertId, analyst, 'On it.')
  const said = { staffId: analyst, causeKey: 'c', commentId }
  expect(await processes.commentOnAlert(w.client, alertId, said)).toEqual({
    alertId,
    version: 1,
    state: 'needs_review',
  })
  expect((await rowOf(w, alertId)).attention).toBe('none')
  await w.pass('3 hours')
  expect((await rowOf(w, alertId)).attention).toBe('none')
  await w.pass('2 hours')
  expect(await attention(w, alertId, 'reminded')).toBe('reminded')

  await w.pass('60 days')
  expect(await rowOf(w, alertId)).toMatchObject({ state: 'needs_review', version: 1, attention: 'overdue' })
  expect(await actions(w, alertId)).toEqual([
    'alert.created',
    'alert.reminded',
    'alert.overdue',
    'alert.commented',
    'alert.reminded',
    'alert.overdue',
  ])
})

test('new evidence that raises the severity puts its clocks in force at once', { timeout: 90_000 }, async () => {
  await using w = await waitingWorld()
  const alertId = await opened(w, 'low')
  await w.pass('10 hours')
  expect((await rowOf(w, alertId)).attention).toBe('none')
  await w.t.db.updateTable('alert').set({ severity: 'high' }).where('id', '=', alertId).execute()
  await w.client.workflow.getHandle(`triage/${alertId}`).signal('alertChanged')
  expect(await attention(w, alertId, 'reminded')).toBe('reminded')
})

test('while others are asked the clocks of the triage rest', { timeout: 90_000 }, async () => {
  await using w = await waitingWorld()
  const alertId = await opened(w)
  const analyst = await w.staff('Ana', ['analyst'])
  const commentId = await w.comment('alert', alertId, analyst, 'Ask.')
  await processes.escalateAlert(w.client, alertId, { staffId: analyst, causeKey: 'e', commentId })
  await w.pass('3 days')
  expect((await rowOf(w, alertId)).attention).toBe('none')
  const dismissal = { staffId: analyst, causeKey: 'd', commentId, reason: 'false_positive' as const }
  expect(await refusalOf(processes.dismissAlert(w.client, alertId, dismissal))).toBe('state_conflict')
})

test('assign, confirm, dismiss with a reason, reopen; an act repeated changes nothing, equal keys of two people are two acts', {
  timeout: 90_000,
}, async () => {
  await using w = await world({ queues: ['triage', 'exports'] })
  const alertId = await opened(w)
  const [ana, ben] = [await w.staff('Ana', ['analyst']), await w.staff('Ben', ['analyst'])]
  const worded = async (staffId: string, causeKey: string) => ({
    staffId,
    causeKey,
    commentId: await w.comment('alert', alertId, staffId, 'Because.'),
  })
  const take = (staffId: string) =>
    processes.assignAlert(w.client, alertId, { staffId, causeKey: 'take', assigneeId: staffId })
  const taken = await take(ana)
  expect(taken).toEqual({ alertId, version: 2, state: 'needs_review' })
  expect(await take(ben)).toEqual({ alertId, version: 3, state: 'needs_review' })
  expect((await rowOf(w, alertId)).assignee_id).toBe(ben)
  expect(await take(ana)).toEqual(taken)

  expect(await processes.confirmAlert(w.client, alertId, await worded(ana, 'confirm'))).toMatchObject({
    state: 'confirmed',
    version: 4,
  })
  const dismissal = { ...(await worded(ana, 'dismiss')), reason: 'expected_activity' as const }
  const dismissed = await processes.dismissAlert(w.client, alertId, dismissal)
  expect(dismissed).toEqual({ alertId, version: 5, state: 'dismissed' })
  await w.client.workflow.getHandle(`triage/${alertId}`).result()
  // The triage has ended; another one finds the act and what is possible now.
  expect(await processes.dismissAlert(w.client, alertId, dismissal)).toEqual(dismissed)
  expect(await refusalOf(processes.confirmAlert(w.client, alertId, await worded(ben, 'late')))).toBe('alert_not_open')
  expect(await processes.reopenAlert(w.client, alertId, await worded(ben, 'reopen'))).toMatchObject({
    state: 'needs_review',
    version: 6,
  })
  expect(await rowOf(w, alertId)).toMatchObject({ dismiss_reason: null, version: 6 })
  const said = await worded(ana, 'comment')
  const first = await processes.commentOnAlert(w.client, alertId, said)
  await w.client.workflow.getHandle(`triage/${alertId}`).terminate('lost')
  expect(await processes.commentOnAlert(w.client, alertId, said)).toEqual(first)
  expect((await actions(w, alertId)).filter((action) => action === 'alert.commented')).toHaveLength(1)
})
