import { afterAll, beforeAll, expect, test } from 'vitest'
import { runExamples } from '../../policies/examples.ts'
import type { IndicatorDefinition } from '../../policies/indicator.ts'
import { type Api, api, type Caller } from './api.ts'

let t: Api
let admin: Caller
let connectorId: string
beforeAll(async () => {
  t = await api()
  admin = await t.as('admin')
  connectorId = await t.w.connector('insider-risk-indicators', {
    columns: { person: 'UPN', at: 'Time' },
    sourceColumn: 'Source',
    detections: [
      {
        id: 'crm-export',
        title: 'Exports from the CRM',
        value: 'Salesforce',
        amountColumn: 'Count',
        variants: [{ id: 'severe', column: 'Severity', values: ['High'] }],
      },
      { id: 'dropbox-share', title: 'Shares in Dropbox', value: 'Dropbox' },
    ],
  })
}, 60_000)
afterAll(() => t[Symbol.asyncDispose]())

const crm = () => ({
  connectorId,
  detection: 'crm-export',
  title: 'Unusual exports from the CRM',
  innocent: ['A yearly report.'],
  tiers: { low: 10, medium: 50.5, high: 200 },
  unit: 'exports',
})
const make = (json: object) => admin.post('/indicators', { json })

test('an admin makes an indicator of a detection; its examples find what its thresholds say', async () => {
  const made = await make(crm())
  expect(made.status).toBe(201)
  expect(made.body).toMatchObject({ id: 'custom-crm-export', version: 1 })
  const severe = await make({ ...crm(), variant: 'severe', tiers: { low: 1, medium: 2, high: 3 } })
  expect(severe.body).toMatchObject({ id: 'custom-crm-export-severe', version: 1 })
  const { tiers: _, ...trigger } = { ...crm(), detection: 'dropbox-share' }
  const every = await make(trigger)
  expect(every.body).toMatchObject({ id: 'custom-dropbox-share', definition: { measure: { of: 'count' } } })

  const definitions = [made, severe, every].map(({ body }) => body.definition as IndicatorDefinition)
  const results = await runExamples(t.w.t.db, definitions)
  expect(results.map(({ found, passed }) => [found, passed])).toEqual(
    [made, severe, every].flatMap(() => [
      ['high', true],
      [null, true],
    ]),
  )
})

test('the same again is no new version; other thresholds are the next one, and the first stays', async () => {
  const first = await make(crm())
  expect((await make(crm())).body).toEqual(first.body)
  const next = await make({ ...crm(), tiers: { low: 20, medium: 60, high: 300 } })
  expect([next.status, next.body.version]).toEqual([201, first.body.version + 1])
  const kept = await admin.get(`/indicators/custom-crm-export?version=${first.body.version}`)
  expect(kept.body.definition.tiers).toEqual(crm().tiers)
  const audited = await (await t.as('auditor')).get('/audit-entries')
  expect(audited.body.items).toEqual(
    expect.arrayContaining([expect.objectContaining({ action: 'indicator.created', subjectId: 'custom-crm-export' })]),
  )
})

test.each([
  ['a connector of another kind', () => ({ ...crm(), connectorId: crypto.randomUUID() }), '/connectorId'],
  ['a detection that the connector has not', () => ({ ...crm(), detection: 'box-share' }), '/detection'],
  ['a variant that the detection has not', () => ({ ...crm(), variant: 'mild' }), '/variant'],
  ['thresholds for a detection without a number', () => ({ ...crm(), detection: 'dropbox-share' }), '/tiers'],
  ['thresholds that do not rise', () => ({ ...crm(), tiers: { low: 9, medium: 5, high: 6 } }), 'tiers'],
  ['a placeholder for a person', () => ({ ...crm(), says: 'See {person} for more.' }), 'says'],
])('%s is refused with its field', async (_, json, field) => {
  expect((await make(json())).body).toMatchObject({ status: 422, code: 'indicator_invalid', field })
})

test.each(['data-theft-departing-users', 'data-leaks'])(
  'a policy of %s takes it as a trigger and as an indicator in its next version',
  async (template) => {
    const made = await make(crm())
    const { body: policy } = await admin.post('/policies', { json: { template, name: `${template} with the CRM` } })
    const definition = structuredClone(policy.definition)
    definition.indicators.push({ id: 'custom-crm-export', version: made.body.version, scores: true })
    definition.settings.triggers.indicators = [{ id: 'custom-crm-export', tier: 'medium' }]
    const changed = await admin.post(`/policies/${policy.id}/versions`, {
      revision: 1,
      json: { definition, note: 'The CRM tells too.' },
    })
    expect(changed.status).toBe(201)
    expect(changed.body.definition.settings.triggers.indicators).toEqual([{ id: 'custom-crm-export', tier: 'medium' }])
  },
)

test('a policy is narrowed to DLP policies that were seen, and only where it counts their findings', async () => {
  expect((await admin.get('/dlp-policies')).body).toEqual({ items: [] })
  const { body: policy } = await admin.post('/policies', { json: { template: 'data-leaks', name: 'Finance only' } })
  const narrowed = (id: string) => {
    const definition = structuredClone(policy.definition)
    definition.settings.triggers.indicators = [{ id, tier: 'low', dlpPolicies: ['Finance'] }]
    return admin.post(`/policies/${policy.id}/versions`, { revision: 1, json: { definition, note: 'Finance alone.' } })
  }
  const refused = await narrowed('s3-bulk-read')
  expect([refused.status, refused.body]).toEqual([422, expect.objectContaining({ code: 'policy_invalid' })])
  expect((await narrowed('dlp-high-finding')).status).toBe(201)
})
