import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyAudit, verifyExports, verifyImports, verifyReceipts } from '../../db/verify.ts'
import { startWebhookReceiver, type WebhookReceiver } from '../../sandbox/webhook-receiver.ts'
import type { Answer, Requests } from '../harness/caller.ts'
import { insertPolicy } from '../harness/rows.ts'
import { eventually } from '../harness/world.ts'
import { type Gate, gate, lock } from './gate.ts'
import { importedOf, importLeavers, importRowOf, type Left, leftByOf, PATIENT } from './importing.ts'
import { type Installation, install, VICTIMS, type Victim } from './installation.ts'
import { SMALL, type Source, sourceOf, totalOf } from './source.ts'

/**
 * `kill -9` of the worker, of the API and of PostgreSQL while an import, an escalation, an approval and an export are
 * under way: the import has stored one chunk and all of the next but the end of its transaction, so have the escalation
 * and the approval, and a delivery is on the line with others queued behind it. Afterwards everything is as if nothing
 * had happened.
 */
const TIMEOUT = 240_000
/** Deliveries behind the one on the line. */
const QUEUED = 4
/** Nobody is killed while these are imported: the others are held against the first; alerts of both are worked on. */
const UNDISTURBED = ['nobody', 'neither'] as const

let it: Installation
let receiver: WebhookReceiver
let operator: Requests
let analyst: Requests & { staffId: string }
let approver: Requests
let destinationId: string
let expected: Left
const sources: Source[] = []

beforeAll(async () => {
  it = await install(SMALL)
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  receiver = await startWebhookReceiver({ secret })
  const admin = await it.as('admin')
  operator = await it.as('operator')
  analyst = await it.as('analyst')
  approver = await it.as('approver')
  await insertPolicy(it.t, 'data-theft-departing-users', 'Leavers')
  const made = await admin.post('/destinations', {
    json: { kind: 'standard-webhooks', name: 'SIEM', settings: { url: receiver.url }, secrets: { secret } },
  })
  expect(made.status).toBe(201)
  destinationId = made.body.id
  await imported(await importLeavers(it, operator, [...UNDISTURBED, ...VICTIMS]))

  const runs = []
  for (const who of UNDISTURBED) {
    const source = await sourceOf(who, it, SMALL)
    sources.push(source)
    runs.push(await requestImport(source))
  }
  const left = []
  for (const run of runs) left.push(await imported(run).then(() => leftBy(run)))
  expected = left[0] as typeof expected
  expect(left).toEqual([expected, expected])
  await alertsRaised(2)
  expect(await escalate(await untouched(), randomUUID())).toMatchObject({ status: 200 })
}, TIMEOUT)

afterAll(async () => {
  await it?.[Symbol.asyncDispose]()
  await receiver?.[Symbol.asyncDispose]()
  for (const source of sources) await source[Symbol.asyncDispose]()
}, TIMEOUT)

async function requestImport({ connectorId }: Source): Promise<string> {
  const asked = await operator.post(`/connectors/${connectorId}/imports`)
  expect(asked.status).toBe(202)
  return asked.body.id
}

const importRow = (id: string) => importRowOf(it, id)
const imported = (id: string) => importedOf(it, id)
const leftBy = (id: string) => leftByOf(it, id)

const alerts = () => it.t.db.selectFrom('alert').selectAll().orderBy('id').execute()
const alertsRaised = (count: number) => eventually(alerts, { ...PATIENT, until: (rows) => rows.length >= count })
/** An alert about which nobody was asked yet. */
const untouched = async (): Promise<string> => {
  const { id } = await it.t.db
    .selectFrom('alert')
    .select('id')
    .where('id', 'not in', (of) => of.selectFrom('approval').select('alert_id'))
    .orderBy('id')
    .limit(1)
    .executeTakeFirstOrThrow()
  return id
}

const destination = () =>
  it.t.db.selectFrom('destination').selectAll().where('id', '=', destinationId).executeTakeFirstOrThrow()

/** The answer; null where none came. */
type Asked = Promise<Answer | null>
const escalate = (alertId: string, key: string): Asked =>
  analyst.post(`/alerts/${alertId}/escalate`, { key, json: { comment: 'Two nights of reading.' } }).catch(() => null)
const approve = (approvalId: string, key: string): Asked =>
  approver
    .post(`/approvals/${approvalId}/decide`, { key, json: { decision: 'approve', comment: 'Look at it.' } })
    .catch(() => null)

/** Makes versions of an alert, each a delivery behind the one on the line. The version it is at then. */
async function queueDeliveries(alertId: string): Promise<number> {
  let version = 0
  for (let number = 0; number <= QUEUED; number += 1) {
    const assigneeId = number % 2 === 0 ? analyst.staffId : null
    const assigned = await analyst.post(`/alerts/${alertId}/assign`, { json: { assigneeId } })
    expect(assigned.status).toBe(200)
    version = assigned.body.version
  }
  return version
}

interface Disturbed {
  importId: string
  alertId: string
  /** Before the escalation. */
  version: number
  approvalId: string
  /** Asked when the victim was killed, under these keys. */
  escalation: { key: string; answer: Answer | null }
  approval: { key: string; answer: Answer | null }
}

/** Brings everything under way and holds it there, kills, lets go, starts again, and asks again what was not answered. */
async function disturb(victim: Victim): Promise<Disturbed> {
  const source = await sourceOf(victim, it, SMALL)
  sources.push(source)
  const alertId = await untouched()
  const { id: approvalId } = await it.t.db
    .selectFrom('approval')
    .select('id')
    .where('state', '=', 'pending')
    .executeTakeFirstOrThrow()
  const [escalationKey, approvalKey] = [randomUUID(), randomUUID()]
  const gates: Gate[] = []
  const held = (each: Gate): Gate => {
    gates.push(each)
    return each
  }
  const letAllGo = async () => {
    for (const each of gates) await each.letGo()
  }
  try {
    const lastFile = held(source.holdLastFile())
    const importId = await requestImport(source)
    await eventually(() => importRow(importId), { ...PATIENT, until: ({ chunks }) => chunks >= 1 })
    // The last that a chunk does to any row but its own import's: it moves the position of the connector.
    const position = held(await lock(it, 'select from connector where id = $1 for no key update', [source.connectorId]))
    await lastFile.letGo()
    await stands(position, 1)
    const line = held(gate(receiver.faults, 'deliver'))
    const version = await queueDeliveries(alertId)
    await stands(line, 1)
    // The last that a decision does.
    const audit = held(await lock(it, 'lock table audit_entry in share mode'))
    const inFlight = Promise.all([escalate(alertId, escalationKey), approve(approvalId, approvalKey)])
    await stands(audit, 2)
    expect(await importRow(importId)).toMatchObject({ state: 'running', chunks: 1 })
    const { accepted_number, last_number } = await destination()
    expect(last_number - accepted_number).toBeGreaterThan(QUEUED)

    await it.kill(victim)
    await letAllGo()
    await it.startAgain(victim)
    await inFlight
    return {
      importId,
      alertId,
      version,
      approvalId,
      escalation: { key: escalationKey, answer: await insist(() => escalate(alertId, escalationKey)) },
      approval: { key: approvalKey, answer: await insist(() => approve(approvalId, approvalKey)) },
    }
  } finally {
    await letAllGo()
  }
}

const stands = async (before: Gate, count: number): Promise<void> =>
  expect(await eventually(before.waiting, { ...PATIENT, until: (n) => n >= count })).toBeGreaterThanOrEqual(count)

const insist = (ask: () => Asked): Asked => eventually(ask, { ...PATIENT, until: (given) => given?.status === 200 })

describe.each(VICTIMS.map((victim, index) => [victim, index + 1] as const))('%s killed', (victim, round) => {
  let after: Disturbed
  let repeats: number
  beforeAll(async () => {
    repeats = receiver.repeats
    after = await disturb(victim)
  }, TIMEOUT)

  test('in the middle of an import: its balance and its rollups are those of an undisturbed one', {
    timeout: TIMEOUT,
  }, async () => {
    expect(expected.balance).toEqual({
      received: totalOf(SMALL),
      stored: totalOf(SMALL),
      duplicate: 0,
      quarantined: 0,
      ignored: 0,
      state: 'completed',
    })
    expect(expected.activities).toEqual([{ activities: totalOf(SMALL), keys: totalOf(SMALL) }])
    expect(expected.rollups.length).toBeGreaterThan(5)
    expect(await imported(after.importId).then(() => leftBy(after.importId))).toEqual(expected)
  })

  test('in the middle of an escalation and of an approval: each is done once, and answered again as it was', {
    timeout: TIMEOUT,
  }, async () => {
    const { alertId, approvalId, version, escalation, approval } = after
    expect(escalation.answer).toMatchObject({ status: 200, body: { alertId, version: version + 1 } })
    expect(approval.answer).toMatchObject({ status: 200, body: { id: approvalId, state: 'approved' } })
    const again = await Promise.all([escalate(alertId, escalation.key), approve(approvalId, approval.key)])
    for (const [index, first] of [escalation.answer, approval.answer].entries()) {
      expect([again[index]?.body, again[index]?.headers.get('Idempotency-Replayed')]).toEqual([first?.body, 'true'])
    }
    const asked = await it.t.db.selectFrom('approval').select('id').where('alert_id', '=', alertId).execute()
    expect(asked).toEqual([{ id: escalation.answer?.body.approvalId }])
    const decisions = await it.t.db
      .selectFrom('approval_decision')
      .select('decision')
      .where('approval_id', '=', approvalId)
      .execute()
    expect(decisions).toEqual([{ decision: 'approve' }])
    const cases = () => it.t.db.selectFrom('case_file').select('state').where('approval_id', '=', approvalId).execute()
    expect(await eventually(cases, { ...PATIENT, until: (rows) => rows.length > 0 })).toEqual([{ state: 'active' }])
  })

  test('in the middle of an export: every number once, in order, under its id; and everything adds up', {
    timeout: TIMEOUT,
  }, async () => {
    const figures = (rows: Awaited<ReturnType<typeof alerts>>) =>
      new Set(rows.map(({ score, severity }) => `${score} ${severity}`)).size
    // An alert may have been raised by the first half of its import: it has the figures of the others when all was looked at.
    const rows = await eventually(alerts, {
      ...PATIENT,
      until: (all) => all.length >= UNDISTURBED.length + round && figures(all) === 1,
    })
    expect(rows).toHaveLength(UNDISTURBED.length + round)
    expect(figures(rows)).toBe(1)
    const told = await eventually(destination, {
      ...PATIENT,
      until: ({ accepted_number, last_number }) => accepted_number === last_number,
    })
    expect(told).toMatchObject({ state: 'active', accepted_number: told.last_number })
    const deliveries = await it.t.db.selectFrom('delivery').select(['number', 'event_id']).orderBy('number').execute()
    expect(deliveries.map(({ number }) => number)).toEqual(numbersTo(told.last_number))
    expect(receiver.messages.map(({ id, body }) => ({ number: body.data.sequence, event_id: id }))).toEqual(deliveries)
    expect(receiver.forged).toBe(0)
    // What a killed worker had on the line was taken, and comes again.
    if (victim === 'worker') expect(receiver.repeats).toBeGreaterThan(repeats)
    for (const { id, version } of await alerts()) {
      const versions = await it.t.db
        .selectFrom('alert_version')
        .select('version')
        .where('alert_id', '=', id)
        .orderBy('version')
        .execute()
      expect(versions.map((each) => each.version)).toEqual(numbersTo(version))
    }
    for (const verify of [verifyReceipts, verifyAudit, verifyExports, verifyImports]) {
      const { checked, untruth } = await verify(it.t.db)
      expect([verify.name, untruth]).toEqual([verify.name, null])
      expect(checked).toBeGreaterThan(0)
    }
  })
})

const numbersTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1)
