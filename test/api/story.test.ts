import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startS3 } from '../../sandbox/s3.ts'
import { startWebhookReceiver } from '../../sandbox/webhook-receiver.ts'
import { daysAgo, deliver, trailRecord, trailSettings } from '../harness/trail.ts'
import { eventually } from '../harness/world.ts'
import { type Answer, type Api, api, type Caller } from './api.ts'

/** The main job, asked of the API alone: from two set-ups to a resolved case. Each test goes on where the last ended. */
let t: Api
let s3: Awaited<ReturnType<typeof startS3>>
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
const secret = `whsec_${randomBytes(32).toString('base64')}`
let admin: Caller
let analyst: Caller
let investigator: Caller
let approver: Caller
let siem: Caller
let operator: Caller

const TIMEOUT = 90_000
let hrId: string
let s3Id: string
let policyId: string
let destinationId: string
let alertId: string
let approvalId: string
let caseId: string

beforeAll(async () => {
  t = await api({ workers: true })
  s3 = await startS3({ maxKeys: 100 })
  receiver = await startWebhookReceiver({ secret })
  admin = await t.as('admin')
  analyst = await t.as('analyst')
  investigator = await t.as('investigator')
  approver = await t.as('approver')
  siem = await t.as('siem')
  operator = await t.as('operator')
}, TIMEOUT)
afterAll(async () => {
  await t[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
  await s3[Symbol.asyncDispose]()
}, TIMEOUT)

/** Performs steps one by one; the last answer. */
async function perform(setupId: string, steps: readonly string[]): Promise<Answer> {
  let answer: Answer | undefined
  for (const step of steps) {
    answer = await admin.post(`/set-ups/${setupId}/steps`, { json: { step } })
    expect(
      answer.body.steps?.find((each: { step: string }) => each.step === step),
      step,
    ).toMatchObject({ step, state: 'done' })
  }
  return answer as Answer
}

const ended = (importId: string): Promise<Answer> =>
  eventually(() => operator.get(`/imports/${importId}`), {
    until: ({ body }) => body.state !== 'running',
    timeoutMs: 60_000,
  })

const csv = (...rows: string[]): string => ['Email,Notice,LastDay', ...rows].join('\n')
const soon = daysAgo(-20).toISOString()

test('a destination is added; its secret is kept and never shown', { timeout: TIMEOUT }, async () => {
  const kinds = await admin.get('/destination-kinds')
  expect(kinds.body.items.map(({ id }: { id: string }) => id)).toContain('standard-webhooks')
  const incomplete = await admin.post('/destinations', {
    json: { kind: 'standard-webhooks', name: 'SIEM', settings: { url: 'nowhere' } },
  })
  expect(incomplete.body).toMatchObject({ status: 422, code: 'settings_invalid' })
  const made = await admin.post('/destinations', {
    json: { kind: 'standard-webhooks', name: 'SIEM', settings: { url: receiver.url }, secrets: { secret } },
  })
  expect(made.status).toBe(201)
  expect(made.body).toMatchObject({
    state: 'active',
    secrets: { secret: { set: true }, previousSecret: { set: false } },
    lastNumber: 0,
  })
  expect(JSON.stringify(made.body)).not.toContain(secret)
  destinationId = made.body.id
})

test('a policy is made from its template', { timeout: TIMEOUT }, async () => {
  expect((await admin.post('/policies', { json: { template: 'no-such-template', name: 'x' } })).body).toMatchObject({
    status: 422,
    code: 'policy_invalid',
    field: '/template',
  })
  const made = await admin.post('/policies', { json: { template: 'data-theft-departing-users', name: 'Leavers' } })
  expect(made.status).toBe(201)
  expect(made.body).toMatchObject({ state: 'enabled', version: 1, revision: 1 })
  policyId = made.body.id
  const { indicators } = made.body.definition
  const listed = await analyst.get('/indicators')
  expect(listed.body.items.map(({ id }: { id: string }) => id)).toEqual(
    expect.arrayContaining(indicators.map((pin: { id: string }) => pin.id)),
  )
})

test('HR is set up from a sample, and its first file proves it', { timeout: TIMEOUT }, async () => {
  const { body: setup } = await admin.post('/set-ups', { json: { kind: 'hr', name: 'HR' } })
  hrId = setup.connectorId
  const early = await admin.post(`/set-ups/${setup.id}/steps`, { json: { step: 'activate' } })
  expect(early.body).toMatchObject({ status: 409, code: 'setup_step_out_of_order' })

  const settings = {
    scenarios: [
      { scenario: 'resignation', columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' } },
    ],
  }
  const saved = await admin.put(`/set-ups/${setup.id}/settings`, { revision: 1, json: { settings } })
  expect(saved.status).toBe(200)
  const sample = csv(`sample.person@example.com,${daysAgo(3).toISOString()},${soon}`)
  const withSample = await admin.put(`/set-ups/${setup.id}/sample?name=sample.csv`, { revision: 2, bytes: sample })
  expect(withSample.body.sample.sha256).toMatch(/^[0-9a-f]{64}$/)

  await perform(setup.id, ['credentials', 'test', 'map', 'dry_run'])
  const dry = (await admin.get(`/set-ups/${setup.id}`)).body.steps.find(
    ({ step }: { step: string }) => step === 'dry_run',
  )
  expect(dry.result).toMatchObject({ records: 1, facts: 1, rejected: 0 })
  expect(JSON.stringify(dry)).not.toContain('sample.person')
  expect((await t.w.t.db.selectFrom('fact').select('id').execute()).length).toBe(0)
  const activated = await perform(setup.id, ['activate'])
  expect(activated.body.state).toBe('activated')

  const file = csv(
    `thief@example.com,${daysAgo(3).toISOString()},${soon}`,
    `honest@example.com,${daysAgo(3).toISOString()},${soon}`,
    `Nora.Nobody@example.com,at Easter,${soon}`,
  )
  const ask = { key: 'hr-file', bytes: file }
  const uploaded = await operator.post(`/connectors/${hrId}/files?name=hr.csv`, ask)
  expect(uploaded.status).toBe(202)
  expect((await ended(uploaded.body.id)).body).toMatchObject({
    state: 'completed',
    source: 'upload',
    received: 3,
    stored: 2,
    quarantined: 1,
    duplicate: 0,
    ignored: 0,
  })
  // The same request is answered as before; the same bytes under another key are no second import.
  const repeated = await operator.post(`/connectors/${hrId}/files?name=hr.csv`, ask)
  expect([repeated.status, repeated.headers.get('Idempotency-Replayed'), repeated.body.id]).toEqual([
    202,
    'true',
    uploaded.body.id,
  ])
  const again = await operator.post(`/connectors/${hrId}/files?name=other.csv`, { bytes: file })
  expect([again.status, again.body.id]).toEqual([200, uploaded.body.id])
  expect(await t.w.deps.spool.has(uploaded.body.bodySha256)).toBe(false)
  await eventually(() => admin.get(`/set-ups/${setup.id}`), { until: ({ body }) => body.state === 'proven' })
  expect((await admin.get(`/set-ups/${setup.id}`)).body.state).toBe('proven')
})

test('a rejected row is shown by its form, and comes in once the mapping is mended', { timeout: TIMEOUT }, async () => {
  const list = await admin.get(`/quarantined-rows?connectorId=${hrId}&state=open`)
  expect(list.body.items).toHaveLength(1)
  const [row] = list.body.items
  expect(row).toMatchObject({ code: 'date_invalid', cell: 'Notice', state: 'open', line: 4 })
  const read = await admin.get(`/quarantined-rows/${row.id}`)
  expect(read.status).toBe(200)
  expect(JSON.stringify(read.body.record)).toContain('xxxx.xxxxxx@xxxxxxx.xxx')
  expect(JSON.stringify(read.body)).not.toMatch(/nora|nobody|example/i)
  const audited = await t.w.t.db
    .selectFrom('audit_entry')
    .select('staff_id')
    .where('action', '=', 'quarantined-row.read')
    .execute()
  expect(audited).toEqual([{ staff_id: admin.staffId }])

  const redriven = await admin.post(`/connectors/${hrId}/quarantined-rows/redrive`, { json: { code: 'date_invalid' } })
  expect(redriven.status).toBe(202)
  expect(redriven.body.rows).toBe(1)
  // The mapping is what it was: the row is rejected again, under the new import.
  expect((await ended(redriven.body.importId)).body).toMatchObject({ source: 'redrive', received: 1, quarantined: 1 })
  const none = await admin.post(`/connectors/${hrId}/quarantined-rows/redrive`, { json: { code: 'no_such_code' } })
  expect(none.body).toMatchObject({ status: 409, code: 'state_conflict' })
  expect((await admin.post(`/connectors/${hrId}/quarantined-rows/expire`, { json: {} })).body).toEqual({ rows: 1 })
  expect((await admin.get(`/quarantined-rows?connectorId=${hrId}&state=open`)).body.items).toEqual([])
})

test('Amazon S3 is set up, checked and read', { timeout: TIMEOUT }, async () => {
  for (let back = 35; back >= 4; back -= 1) {
    deliver(s3, daysAgo(back), [
      trailRecord({ user: 'thief@example.com', at: daysAgo(back) }),
      trailRecord({ user: 'honest@example.com', at: daysAgo(back) }),
    ])
  }
  for (const back of [2, 1]) {
    const night = new Date(`${daysAgo(back).toISOString().slice(0, 10)}T02:00:00Z`)
    deliver(
      s3,
      daysAgo(back),
      Array.from({ length: 900 }, (_, index) =>
        trailRecord({
          user: 'thief@example.com',
          at: night,
          key: `plans/${back}/${index}.pdf`,
          bytes: 20_000_000,
          ip: '200.160.2.3',
          bucket: `vault-${index % 5}`,
        }),
      ),
    )
  }
  const kind = await admin.get('/connector-kinds/amazon-s3')
  expect(kind.body.secrets).toContain('secretAccessKey')
  expect(kind.body.form.properties.secretAccessKey).toMatchObject({ writeOnly: true })

  const { body: setup } = await admin.post('/set-ups', { json: { kind: 'amazon-s3', name: 'Buckets' } })
  s3Id = setup.connectorId
  // A secret is sealed wherever it was written.
  const saved = await admin.put(`/set-ups/${setup.id}/settings`, {
    revision: 1,
    json: { settings: trailSettings(s3.endpoint) },
  })
  expect(saved.body.secrets.secretAccessKey).toEqual({ set: true })
  expect(saved.body.settings).not.toHaveProperty('secretAccessKey')
  const unknown = await admin.put(`/set-ups/${setup.id}/settings`, { revision: 2, json: { settings: { bukket: 'x' } } })
  expect(unknown.body).toMatchObject({ status: 422, code: 'settings_invalid', field: '/settings/bukket' })
  await perform(setup.id, ['credentials', 'prerequisites', 'test', 'map', 'dry_run', 'activate'])

  const wrong = await operator.post(`/connectors/${s3Id}/files?name=x.csv`, { bytes: 'x' })
  expect(wrong.body).toMatchObject({ status: 409, code: 'state_conflict' })
  const asked = await operator.post(`/connectors/${s3Id}/imports`)
  expect(asked.status).toBe(202)
  expect((await ended(asked.body.id)).body).toMatchObject({ state: 'completed', stored: 1864, quarantined: 0 })

  const checked = await operator.post(`/connectors/${s3Id}/prerequisites/check`)
  expect(checked.status).toBe(200)
  expect(checked.body.items.find(({ id }: { id: string }) => id === 'listing-allowed')).toMatchObject({ state: 'met' })
  expect((await operator.get(`/connectors/${s3Id}/prerequisites`)).body).toEqual(checked.body)
})

test('one alert is raised, with a receipt that explains it', { timeout: TIMEOUT }, async () => {
  const list = await eventually(() => analyst.get('/alerts'), {
    until: ({ body }) => body.items.length > 0,
    timeoutMs: 60_000,
  })
  expect(list.body.items).toHaveLength(1)
  const [alert] = list.body.items
  expect(alert).toMatchObject({
    policyId,
    state: 'needs_review',
    severity: 'high',
    assigneeId: null,
    pendingApprovalId: null,
  })
  expect(alert.person.pseudonym).toMatch(/^ANON-/)
  alertId = alert.id
  expect((await analyst.get(`/alerts/${alertId}`)).body).toEqual({ ...alert, blindSpots: [] })
  expect((await analyst.get('/alerts?severity=low')).body.items).toEqual([])
  expect(
    (await analyst.get(`/alerts?personUid=${alert.person.uid}&policyId=${policyId}&attention=none`)).body.items,
  ).toHaveLength(1)

  const receipt = await analyst.get(`/alerts/${alertId}/receipt`)
  expect(receipt.status).toBe(200)
  expect(receipt.body).toMatchObject({
    alertId,
    score: alert.score,
    severity: 'high',
    activation: { kind: 'resignation' },
  })
  expect(receipt.body.contributions.length).toBeGreaterThan(2)
  expect(receipt.body.contributions[0].evidence[0].importId).toMatch(/^[0-9a-f-]{36}$/)
  expect((await analyst.get(`/alerts/${alertId}/receipt?version=99`)).status).toBe(404)
  expect((await approver.get(`/alerts/${alertId}`)).status).toBe(404)

  const person = await investigator.get(`/people/${alert.person.uid}`)
  expect(person.body).toMatchObject({ pseudonym: alert.person.pseudonym, identities: 1, openAlerts: 1 })
  expect(person.body.facts).toEqual([expect.objectContaining({ kind: 'resignation', withdrawn: false })])
  expect(person.body.alerts.map(({ id }: { id: string }) => id)).toEqual([alertId])
  const audited = await t.w.t.db
    .selectFrom('audit_entry')
    .select(['staff_id', 'subject_id'])
    .where('action', '=', 'person.read')
    .execute()
  expect(audited).toEqual([{ staff_id: investigator.staffId, subject_id: alert.person.uid }])
})

test('analysts work on it; what they type is masked before it is stored', { timeout: TIMEOUT }, async () => {
  const nobody = await analyst.post(`/alerts/${alertId}/assign`, { json: { assigneeId: admin.staffId } })
  expect(nobody.body).toMatchObject({ status: 400, code: 'invalid_request', field: '/assigneeId' })
  const assigned = await analyst.post(`/alerts/${alertId}/assign`, { json: { assigneeId: analyst.staffId } })
  expect(assigned.body).toMatchObject({ alertId, version: 2, state: 'needs_review', approvalId: null })
  const said = await analyst.post(`/alerts/${alertId}/comments`, {
    json: { comment: 'Is thief@example.com moving teams?' },
  })
  expect(said.body.version).toBe(2)
  const comments = await investigator.get(`/alerts/${alertId}/comments`)
  expect(comments.body.items).toHaveLength(1)
  expect(comments.body.items[0].body).toMatch(/^Is ANON-\w{4}-\w{4} moving teams\?$/)
  expect(comments.body.items[0].authorId).toBe(analyst.staffId)

  const dismissed = await analyst.post(`/alerts/${alertId}/dismiss`, {
    json: { reason: 'false_positive', comment: 'A migration.' },
  })
  expect(dismissed.body).toMatchObject({ state: 'dismissed', version: 3 })
  const late = await analyst.post(`/alerts/${alertId}/confirm`, { json: { comment: 'no' } })
  expect(late.body).toMatchObject({ status: 409, code: 'alert_not_open' })
  const reopened = await analyst.post(`/alerts/${alertId}/reopen`, { json: { comment: 'There was none.' } })
  expect(reopened.body).toMatchObject({ state: 'needs_review', version: 4 })
  const confirmed = await analyst.post(`/alerts/${alertId}/confirm`, { json: { comment: 'It is worth work.' } })
  expect(confirmed.body).toMatchObject({ state: 'confirmed', version: 5 })
})

test('an escalation is approved by somebody else, once', { timeout: TIMEOUT }, async () => {
  const ask = { key: 'escalate', json: { comment: 'Two nights of reading.' } }
  const [asked, twin] = await Promise.all([
    analyst.post(`/alerts/${alertId}/escalate`, ask),
    analyst.post(`/alerts/${alertId}/escalate`, ask),
  ])
  expect([asked.status, twin.status].sort()).toEqual([
    200,
    expect.toSatisfy((status: number) => status === 200 || status === 409),
  ])
  const first = await analyst.post(`/alerts/${alertId}/escalate`, ask)
  expect(first.body).toMatchObject({ version: 6, state: 'confirmed' })
  approvalId = first.body.approvalId
  expect((await t.w.t.db.selectFrom('approval').select('id').execute()).length).toBe(1)

  // Withdrawn and asked again: the first approval is closed for good.
  const foreign = await investigator.post(`/approvals/${approvalId}/withdraw`)
  expect(foreign.body).toMatchObject({ status: 403, code: 'forbidden' })
  const withdrawn = await analyst.post(`/approvals/${approvalId}/withdraw`)
  expect(withdrawn.body.state).toBe('withdrawn')
  expect((await approver.post(`/approvals/${approvalId}/decide`, { json: { decision: 'approve' } })).body.code).toBe(
    'approval_closed',
  )
  await eventually(() => analyst.get(`/alerts/${alertId}`), { until: ({ body }) => body.version === 7 })
  const second = await analyst.post(`/alerts/${alertId}/escalate`, { json: { comment: 'Again, with more.' } })
  approvalId = second.body.approvalId

  // The alert behind a pending approval is the approver's to read.
  expect((await approver.get(`/alerts/${alertId}`)).body.pendingApprovalId).toBe(approvalId)
  expect((await approver.get(`/alerts/${alertId}/receipt`)).status).toBe(200)
  const pending = await approver.get('/approvals?state=pending')
  expect(pending.body.items).toHaveLength(1)
  expect(pending.body.items[0]).toMatchObject({ id: approvalId, reason: 'Again, with more.', decisions: [] })

  const decision = { key: 'yes', json: { decision: 'approve', comment: 'Agreed.' } }
  const decided = await approver.post(`/approvals/${approvalId}/decide`, decision)
  expect(decided.body).toMatchObject({
    state: 'approved',
    decisions: [{ staffId: approver.staffId, decision: 'approve', comment: 'Agreed.' }],
  })
  const clicked = await approver.post(`/approvals/${approvalId}/decide`, decision)
  expect(clicked.body).toEqual(decided.body)
  expect((await approver.get(`/approvals/${approvalId}`)).body).toEqual(decided.body)
  expect((await approver.get(`/alerts/${alertId}`)).status).toBe(404)
})

test('who asked cannot approve, whatever roles are given later', { timeout: TIMEOUT }, async () => {
  const { db } = t.w.t
  await db
    .updateTable('staff_member')
    .set({ roles: ['approver'] })
    .where('id', '=', analyst.staffId)
    .execute()
  const self = await analyst.post(`/approvals/${approvalId}/decide`, { json: { decision: 'approve' } })
  expect(self.body).toMatchObject({ status: 403, code: 'approval_self_decision' })
  await db
    .updateTable('staff_member')
    .set({ roles: ['analyst'] })
    .where('id', '=', analyst.staffId)
    .execute()
})

test('a case is worked on and resolved; its alert with it', { timeout: TIMEOUT }, async () => {
  const list = await eventually(() => analyst.get('/cases?state=active'), {
    until: ({ body }) => body.items.length > 0,
  })
  expect(list.body.items).toHaveLength(1)
  caseId = list.body.items[0].id
  expect(list.body.items[0]).toMatchObject({
    approvalId,
    alertIds: [alertId],
    state: 'active',
    assigneeId: analyst.staffId,
  })
  const assigned = await analyst.post(`/cases/${caseId}/assign`, { json: { assigneeId: investigator.staffId } })
  expect(assigned.body).toMatchObject({ assigneeId: investigator.staffId, revision: 2 })
  expect((await investigator.get(`/cases/${caseId}`)).body).toEqual(assigned.body)
  expect((await analyst.get(`/cases?assigneeId=${investigator.staffId}`)).body.items).toHaveLength(1)
  const note = { key: 'note', json: { comment: 'Spoke with the team of honest@example.com.' } }
  await investigator.post(`/cases/${caseId}/notes`, note)
  await investigator.post(`/cases/${caseId}/notes`, note)
  const notes = await analyst.get(`/cases/${caseId}/notes`)
  expect(notes.body.items).toHaveLength(1)
  expect(notes.body.items[0].body).toMatch(/^Spoke with the team of ANON-/)
  const resolved = await investigator.post(`/cases/${caseId}/resolve`, {
    json: { resolution: 'confirmed_violation', comment: 'Admitted.' },
  })
  expect(resolved.body).toMatchObject({ state: 'resolved', resolution: 'confirmed_violation' })
  const late = await investigator.post(`/cases/${caseId}/notes`, { json: { comment: 'x' } })
  expect(late.body).toMatchObject({ status: 409, code: 'state_conflict' })
  expect((await analyst.get(`/alerts/${alertId}`)).body).toMatchObject({ state: 'resolved', caseId })
})

test('the SIEM has every version, and can ask for it', { timeout: TIMEOUT }, async () => {
  const versions = await siem.get(`/alerts/${alertId}/versions`)
  const numbers = versions.body.items.map(({ version }: { version: number }) => version)
  expect(numbers[0]).toBe(numbers.length)
  await eventually(async () => receiver.messages.length, { until: (n) => n >= numbers.length })
  const list = await eventually(() => siem.get(`/destinations/${destinationId}/deliveries?limit=200`), {
    until: ({ body }) => body.items.every(({ state }: { state: string }) => state === 'accepted'),
  })
  expect(list.body.items.map(({ number }: { number: number }) => number)).toEqual(
    numbers.map((_: number, index: number) => index + 1),
  )
  expect(list.body.items.map(({ alertVersion }: { alertVersion: number }) => alertVersion)).toEqual(
    [...numbers].reverse(),
  )
  const one = await siem.get(`/destinations/${destinationId}/deliveries/1`)
  expect(one.body.event).toMatchObject({ type: 'alert', alert_id: alertId, revision: 1 })
  // An operator keeps the line alive and does not see what it carries.
  const carried = await operator.get(`/destinations/${destinationId}/deliveries/1`)
  expect([carried.status, carried.body.event]).toEqual([200, null])
  expect((await operator.get(`/destinations/${destinationId}/deliveries?after=3&limit=1`)).body.items[0].number).toBe(4)
})

test('no answer, history row or audit entry names anybody', { timeout: TIMEOUT }, async () => {
  const auditor = await t.as('auditor')
  const bodies = [
    await auditor.get('/audit-entries?limit=200'),
    await analyst.get('/alerts'),
    await analyst.get(`/alerts/${alertId}/comments`),
    await analyst.get(`/alerts/${alertId}/receipt`),
    await investigator.get('/people'),
    await admin.get('/quarantined-rows'),
    await admin.get('/connectors'),
    await admin.get('/set-ups'),
    await admin.get('/imports'),
    await approver.get('/approvals'),
    await analyst.get(`/policies/${policyId}/health`),
    await operator.get('/metrics'),
  ]
  for (const { status } of bodies) expect(status).toBe(200)
  const kept = await t.w.t.db.selectFrom('idempotent_response').selectAll().execute()
  const all = JSON.stringify([bodies.map(({ body }) => body), kept])
  for (const name of [/thief/i, /honest/i, /nora/i, /nobody@/i, /sample\.person/i, /whsec_/]) {
    expect(name.test(all), String(name)).toBe(false)
  }
  const health = bodies[10]?.body
  expect(health).toMatchObject({ seeing: true, waitingPeople: 0 })
  expect(health.evaluations.length).toBeGreaterThan(0)
})
