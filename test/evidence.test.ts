import { expect, test } from 'vitest'
import * as processes from '../api/processes.ts'
import { readContributions } from '../db/alerts.ts'
import { openPullImport } from '../db/imports.ts'
import { verifyReceipts } from '../db/verify.ts'
import { startS3 } from '../sandbox/s3.ts'
import { raiseAlert } from './harness/alerts.ts'
import { importFile } from './harness/files.ts'
import { daysAgo, deliver, trailRecord, trailSettings } from './harness/trail.ts'
import { eventually, type World, world } from './harness/world.ts'

const USER = 'thief@example.com'
const SCENARIO = {
  scenario: 'resignation',
  columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' },
}
/** Enough to be an alert by itself. */
const TAKEN = 600

/** Somebody who has given notice, and the bucket whose log says what they do. */
async function leaver(w: World, s3: Awaited<ReturnType<typeof startS3>>) {
  const policyId = await w.policy('data-theft-departing-users', 'Leavers')
  const hr = await w.connector('hr', { scenarios: [SCENARIO] })
  const trail = await w.connector('amazon-s3', trailSettings(s3.endpoint))
  const [analyst, approver] = [await w.staff('Ana', ['analyst']), await w.staff('Per', ['approver'])]
  // Weeks of ordinary work: without them what is taken in one night would be the usual of the next.
  const ordinary = Array.from({ length: 28 }, (_, index) => trailRecord({ user: USER, at: daysAgo(7 + index) }))
  deliver(s3, daysAgo(7), ordinary)
  const notice = `${USER},${daysAgo(6).toISOString()},${daysAgo(-20).toISOString()}`
  await importFile(w, hr, `Email,Notice,LastDay\n${notice}\n`)

  /** Nobody is left to be looked at again. */
  const evaluated = async () => {
    const waiting = () => w.t.db.selectFrom('evaluation_request').selectAll().execute()
    expect(await eventually(waiting, { until: (rows) => rows.length === 0, timeoutMs: 30_000 })).toEqual([])
  }
  const pull = async () => {
    const { importId } = await openPullImport(w.t.db, {
      connectorId: trail,
      source: 'request',
      nominalAt: new Date(),
    })
    const start = { connectorId: trail, importId, run: importId, kind: 'amazon-s3', why: 'request' }
    await (await processes.startImport(w.client, start)).result()
    await evaluated()
  }
  /** One night of taking, so many days ago; `part` tells its objects from those of another delivery. */
  const take = async (back: number, part = '', count = TAKEN) => {
    const night = new Date(`${daysAgo(back).toISOString().slice(0, 10)}T02:00:00Z`)
    const records = Array.from({ length: count }, (_, index) =>
      trailRecord({
        user: USER,
        at: night,
        key: `plans/${back}${part}/${index}`,
        bytes: 20_000_000,
        bucket: `vault-${index % 5}`,
      }),
    )
    deliver(s3, new Date(), records)
    await pull()
    return records
  }
  const alerts = () =>
    w.t.db.selectFrom('alert').select(['id', 'state', 'version', 'score']).orderBy('opened_at').execute()
  const said = async (subject: 'alert' | 'case', id: string, causeKey: string) => ({
    staffId: analyst,
    causeKey,
    commentId: await w.comment(subject, id, analyst, 'Because.'),
  })
  const contributions = async (alertId: string) => {
    const { receipt_id } = await w.t.db
      .selectFrom('alert_version')
      .select('receipt_id')
      .where('alert_id', '=', alertId)
      .orderBy('version', 'desc')
      .limit(1)
      .executeTakeFirstOrThrow()
    return readContributions(w.t.db, receipt_id)
  }
  const look = () => processes.requestEvaluation(w.client, policyId)
  return { policyId, hr, analyst, approver, take, pull, alerts, said, contributions, look, evaluated }
}

const dayOf = (back: number): string => daysAgo(back).toISOString().slice(0, 10)

test('new insights join the open alert; a dismissed one is not raised again by its evidence, but is by new evidence', {
  timeout: 150_000,
}, async () => {
  await using w = await world()
  await using s3 = await startS3()
  const l = await leaver(w, s3)
  const first = await l.take(4)
  const [open] = await l.alerts()
  expect(await l.alerts()).toMatchObject([{ state: 'needs_review', version: 1 }])
  const alertId = open?.id as string

  await l.take(3)
  const [joined, ...others] = await l.alerts()
  expect(others).toEqual([])
  expect(joined).toMatchObject({ id: alertId, state: 'needs_review', version: 2 })
  expect(joined?.score).toBeGreaterThan(open?.score as number)
  expect(new Set((await l.contributions(alertId)).map(({ day }) => day))).toEqual(new Set([dayOf(4), dayOf(3)]))
  const changes = await w.t.db.selectFrom('alert_version').select('change').orderBy('version').execute()
  expect(changes.map(({ change }) => change)).toEqual(['created', 'rescored'])

  const dismissal = { ...(await l.said('alert', alertId, 'dismiss')), reason: 'expected_activity' as const }
  expect(await processes.dismissAlert(w.client, alertId, dismissal)).toMatchObject({ state: 'dismissed', version: 3 })
  const judged = [expect.objectContaining({ id: alertId, state: 'dismissed', version: 3 })]
  // The same records once more, in another file, and everybody looked at.
  deliver(s3, new Date(), first)
  await l.pull()
  const looks = () => w.t.db.selectFrom('evaluation').selectAll().execute()
  const before = (await looks()).length
  await l.look()
  const looked = await eventually(looks, { until: (rows) => rows.length > before })
  expect(looked.at(-1)).toMatchObject({ active_people: 1, alerts_created: 0, alerts_updated: 0 })
  expect(looked.at(-1)?.insights).toBeGreaterThan(0)
  expect(await l.alerts()).toEqual(judged)

  await l.take(2)
  const [, raised, ...more] = await l.alerts()
  expect(more).toEqual([])
  expect(raised).toMatchObject({ state: 'needs_review', version: 1 })
  expect((await l.alerts())[0]).toEqual(judged[0])
  // What was judged is no part of the new alert.
  expect(new Set((await l.contributions(raised?.id as string)).map(({ day }) => day))).toEqual(new Set([dayOf(2)]))
  expect((await verifyReceipts(w.t.db)).untruth).toBeNull()
})

test('a case that was resolved as confirmed weighs in the next alert about this person', {
  timeout: 150_000,
}, async () => {
  await using w = await world()
  await using s3 = await startS3()
  const l = await leaver(w, s3)
  await l.take(4)
  const alertId = (await l.alerts())[0]?.id as string
  const boosted = async (id: string) =>
    (await l.contributions(id)).map(({ boosters }) => boosters.some((each) => each.id === 'previously_confirmed'))
  expect(new Set(await boosted(alertId))).toEqual(new Set([false]))

  const escalation = await l.said('alert', alertId, 'escalate')
  const { approvalId } = await processes.escalateAlert(w.client, alertId, escalation)
  const approval = {
    approvalId: approvalId as string,
    alertId,
    requestedBy: l.analyst,
    quorum: 1,
    remindAt: null,
    expiresAt: daysAgo(-7).toISOString(),
  }
  const yes = { staffId: l.approver, causeKey: 'yes', decision: 'approve' as const, commentId: null }
  await processes.decideApproval(w.client, approval, yes)
  const file = await eventually(() => w.t.db.selectFrom('case_file').select('id').executeTakeFirst(), {
    until: (row) => row !== undefined,
  })
  const caseId = file?.id as string
  const resolution = { ...(await l.said('case', caseId, 'resolve')), resolution: 'confirmed_violation' as const }
  await processes.resolveCase(w.client, caseId, resolution)
  expect(await l.alerts()).toMatchObject([{ state: 'resolved' }])

  await l.take(2)
  const [, next] = await l.alerts()
  expect(next).toMatchObject({ state: 'needs_review', version: 1 })
  const found = await l.contributions(next?.id as string)
  expect(found.length).toBeGreaterThan(0)
  for (const { boosters, weight, baseWeight } of found) {
    expect(boosters).toContainEqual({
      id: 'previously_confirmed',
      weight: 0.2,
      because: 'An earlier case was resolved as a confirmed violation.',
    })
    expect(weight).toBeGreaterThan(baseWeight)
  }
  expect((await verifyReceipts(w.t.db)).untruth).toBeNull()
})

test('people with an alert of no evidence are looked at like everybody else', { timeout: 90_000 }, async () => {
  await using w = await world()
  await using s3 = await startS3()
  const l = await leaver(w, s3)
  const alertId = await raiseAlert(w, l.policyId)
  await w.t.db
    .insertInto('evaluation_request')
    .columns(['policy_id', 'person_id'])
    .expression((eb) => eb.selectFrom('alert').select(['policy_id', 'person_id']).where('id', '=', alertId))
    .execute()
  await l.look()
  await l.evaluated()
  expect(await l.alerts()).toMatchObject([{ id: alertId, state: 'needs_review', version: 1 }])
})
