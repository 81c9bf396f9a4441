import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { alertEvent } from '../../db/alerts.ts'
import { startWebhookReceiver } from '../../sandbox/webhook-receiver.ts'
import { raiseAlert } from '../harness/alerts.ts'
import { type Api, api, type Caller } from './api.ts'

const TIMEOUT = 60_000
const HR_COLUMNS = { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' }
const NOBODY = '00000000-0000-7000-8000-000000000000'
let t: Api
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
let admin: Caller
beforeAll(async () => {
  t = await api({ workers: true })
  receiver = await startWebhookReceiver()
  admin = await t.as('admin')
}, TIMEOUT)
afterAll(async () => {
  await t[Symbol.asyncDispose]()
  await receiver.close()
}, TIMEOUT)

const today = () => new Date().toISOString().slice(0, 10)
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
const byId = (body: { items: { id: string }[] }, id: string): any => body.items.find((each) => each.id === id)

test('a kind says before any credential is asked for what will be needed, and what is blind without it', async () => {
  const { body } = await admin.get('/connector-kinds/microsoft-graph-alerts')
  expect(byId({ items: body.prerequisites }, 'defender-plan')).toMatchObject({
    when: 'before',
    onUnmet: 'warn',
    validHours: 24,
    blind: expect.stringContaining('Defender'),
    steps: [expect.any(String)],
    address: expect.stringMatching(/^https:/),
    guide: 'docs/guides/microsoft-graph-alerts.md#licences',
  })
})

test('a policy is checked, attested, and its map answers for a day', { timeout: TIMEOUT }, async () => {
  const policyId = await t.w.policy('data-leaks', 'Leaks')
  const before = await admin.get(`/policies/${policyId}/prerequisites`)
  expect(byId(before.body, 'dlp-raises-high')).toMatchObject({ state: 'unknown', code: null, attestation: null })
  const checked = await admin.post(`/policies/${policyId}/prerequisites/check`)
  expect(checked.status).toBe(200)
  expect(byId(checked.body, 'dlp-raises-high')).toMatchObject({ state: 'unknown', code: 'no_findings' })

  const given = {
    subject: { kind: 'policy', id: policyId },
    prerequisiteId: 'dlp-raises-high',
    evidence: 'Rule 3 of the DLP policy, seen in the portal.',
    expiresAt: inDays(200),
  }
  const attested = await admin.post('/attestations', { json: given })
  expect(attested).toMatchObject({ status: 201, body: { staffId: admin.staffId, evidence: given.evidence } })
  const again = await admin.post(`/policies/${policyId}/prerequisites/check`)
  expect(byId(again.body, 'dlp-raises-high')).toMatchObject({
    state: 'met',
    code: 'attested',
    attestation: { id: attested.body.id },
  })
  const withdrawn = await admin.post(`/attestations/${attested.body.id}/withdraw`)
  expect(withdrawn).toMatchObject({ status: 200, body: { id: attested.body.id } })
  const after = await admin.post(`/policies/${policyId}/prerequisites/check`)
  expect(byId(after.body, 'dlp-raises-high')).toMatchObject({ state: 'unknown', attestation: null })

  for (const [wrong, field] of [
    [{ prerequisiteId: 'nothing-of-the-kind' }, '/prerequisiteId'],
    [{ expiresAt: inDays(-1) }, '/expiresAt'],
    [{ expiresAt: inDays(500) }, '/expiresAt'],
  ] as const) {
    const refused = await admin.post('/attestations', { json: { ...given, ...wrong } })
    expect(refused.body).toMatchObject({ status: 400, code: 'invalid_request', field, fix: expect.any(String) })
  }
  const nobody = await admin.post('/attestations', { json: { ...given, subject: { kind: 'policy', id: NOBODY } } })
  expect(nobody.status).toBe(404)
  expect((await admin.post(`/attestations/${NOBODY}/withdraw`)).status).toBe(404)

  const map = await admin.get(`/policies/${policyId}/sight?from=${today()}`)
  expect(map.body).toMatchObject({ policyId, days: [{ day: today(), isOver: false, state: 'blind' }] })
  const { sources } = map.body.days[0]
  expect(sources).toContainEqual(expect.objectContaining({ need: 'activities:amazon-s3', connectorId: null }))
  expect(new Set(sources.map(({ state }: { state: string }) => state))).toEqual(new Set(['absent']))
  for (const range of ['from=2026-02-30', 'from=2026-02-02&to=2026-02-01', 'from=2020-01-01&to=2022-01-01']) {
    expect((await admin.get(`/policies/${policyId}/sight?${range}`)).body).toMatchObject({
      status: 400,
      code: 'invalid_request',
    })
  }
})

test('an alert says what its policy could not see, and so does every version that is exported', async () => {
  const policyId = await t.w.policy('data-theft-departing-users', 'Leavers')
  const connectorId = await t.w.connector('hr', { scenarios: [{ scenario: 'resignation', columns: HR_COLUMNS }] })
  const blind = (code: string, from: string, to: string | null) =>
    sql`insert into policy_blind (id, policy_id, connector_id, check_id, code, detail, guide, from_at, to_at)
      values (gen_random_uuid(), ${policyId}, ${connectorId}, 'hr-fresh', ${code}, 'Late.', 'g#a', ${from}, ${to})`.execute(
      t.w.t.db,
    )
  await blind('too_long_ago', inDays(-300), inDays(-299))
  await blind('stale', inDays(-3), inDays(-2))
  const alertId = await raiseAlert(t.w, policyId)
  const analyst = await t.as('analyst')
  const { body } = await analyst.get(`/alerts/${alertId}`)
  expect(body.blindSpots).toEqual([
    {
      source: 'hr',
      code: 'stale',
      detail: 'Late.',
      guide: 'g#a',
      fromAt: expect.any(String),
      toAt: expect.any(String),
    },
  ])
  const event = await alertEvent(t.w.t.db, alertId, 1, 'http://openirm.test')
  expect(event.blind_spots).toEqual([
    { source: 'hr', code: 'stale', from: body.blindSpots[0].fromAt, to: body.blindSpots[0].toAt },
  ])
})

test('a destination is checked', { timeout: TIMEOUT }, async () => {
  const id = await t.w.destination('standard-webhooks', 'checked', { url: receiver.url, secret: receiver.secret })
  const listed = await admin.get(`/destinations/${id}/prerequisites`)
  expect(listed.body.items.map(({ state }: { state: string }) => state)).toEqual(['unknown', 'unknown'])
  const checked = await admin.post(`/destinations/${id}/prerequisites/check`)
  expect(byId(checked.body, 'certificate')).toMatchObject({
    state: 'met',
    code: 'not_used',
    validUntil: expect.any(String),
  })
  await sql`update prerequisite_status set valid_until = now() - interval '1 second'`.execute(t.w.t.db)
  const old = await admin.get(`/destinations/${id}/prerequisites`)
  expect(byId(old.body, 'certificate')).toMatchObject({ state: 'unknown', code: 'answer_too_old' })
})
