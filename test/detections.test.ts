import { expect, test } from 'vitest'
import { customIndicator } from '../policies/custom-indicator.ts'
import { importing } from './harness/importing.ts'
import { insertConnector, insertPolicy } from './harness/rows.ts'

const tiers = { low: 10, medium: 50, high: 200 }
const innocent = ['A yearly report.']

test('a detection of another product makes somebody active, counts by its greatest figure, and a variant by its own thresholds', {
  timeout: 60_000,
}, async () => {
  await using t = await importing()
  const connectorId = await insertConnector(t.t, 'insider-risk-indicators', {
    columns: { person: 'UPN', at: 'Time' },
    detections: [
      {
        id: 'crm-export',
        title: 'Exports from the CRM',
        amountColumn: 'Count',
        variants: [{ id: 'severe', column: 'Severity', values: ['High'] }],
      },
    ],
  })
  const all = customIndicator({ detection: 'crm-export', title: 'Exports from the CRM', innocent, tiers }, 1)
  const severe = customIndicator(
    {
      detection: 'crm-export',
      variant: 'severe',
      title: 'Severe exports from the CRM',
      innocent,
      tiers: { low: 1, medium: 2, high: 3 },
    },
    1,
  )
  const policyId = await insertPolicy(
    t.t,
    'data-leaks',
    'With the CRM',
    {
      triggers: { indicators: [{ id: all.id, tier: 'medium' }] },
      indicators: [{ id: all.id }, { id: severe.id }],
    },
    [all, severe],
  )
  const day = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10)
  const row = (who: string, count: number, severity: string, hour = 10) =>
    `${who},${day}T${hour}:00:00Z,${count},${severity}`
  await t.send(
    connectorId,
    [
      'UPN,Time,Count,Severity',
      row('few@example.com', 40, 'High'),
      row('some@example.com', 60, 'Low'),
      row('some@example.com', 60, 'Low'),
      row('many@example.com', 90, 'Low'),
      row('many@example.com', 250, 'High', 11),
    ].join('\n'),
  )
  expect(await t.evaluate(policyId)).toMatchObject({ alertsCreated: [expect.any(String)] })
  const found = await t.t.db
    .selectFrom('contribution')
    .select(['indicator_id', 'value', 'tier'])
    .orderBy('indicator_id')
    .execute()
  expect(found).toEqual([
    { indicator_id: 'custom-crm-export', value: 250, tier: 'high' },
    { indicator_id: 'custom-crm-export-severe', value: 250, tier: 'high' },
  ])
  const [alert] = await t.t.db.selectFrom('receipt').select('trigger').execute()
  expect(alert?.trigger).toMatchObject({ kind: 'indicator', indicatorId: 'custom-crm-export', day })
})
