import { expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import type { Activity, Mapped } from '../../domain/signal.ts'
import { openAccess } from '../access.ts'
import type { DetectionsConfig } from './config.ts'
import { insiderRiskIndicators } from './connector.ts'

const salesforce = {
  id: 'crm-export',
  title: 'Unusual exports from the CRM',
  value: 'Salesforce',
  amountColumn: 'Alert_Count',
  carry: ['Alert_Severity', 'AdditionalInfo_Salesforce'],
  variants: [{ id: 'severe', column: 'Alert_Severity', values: ['High'] }],
}
const dropbox = { id: 'dropbox-share', title: 'Shares in Dropbox', value: 'Dropbox', carry: ['AdditionalInfo_Dropbox'] }
const shared = { columns: { person: 'UPN', at: 'Aggregation_Date' }, sourceColumn: 'Source_Workload' }
const settings = (more: Record<string, unknown> = {}): DetectionsConfig =>
  parseSettings(insiderRiskIndicators.config, { ...shared, detections: [salesforce, dropbox], ...more })

// The columns are those of the documented example of a file with several sources.
const HEADER =
  'UPN,Display_Name,Alert_Severity,Alert_Count,Aggregation_Date,Source_Workload,AdditionalInfo_Salesforce,AdditionalInfo_Dropbox'

async function readAll(rows: string[], config = settings(), header = HEADER): Promise<Mapped[]> {
  async function* open() {
    yield Buffer.from([header, ...rows].join('\n'))
  }
  const found: Mapped[] = []
  const input = {
    config,
    position: null,
    until: new Date(),
    seen: async () => new Set<string>(),
    signal: new AbortController().signal,
    access: openAccess(),
    file: { kind: 'file' as const, name: 'detections.csv', open },
  }
  for await (const page of insiderRiskIndicators.read(input)) {
    for await (const { record, unreadable } of page.records)
      found.push(unreadable ?? insiderRiskIndicators.map(record, config))
  }
  return found
}

test('a row keeps its instant, its person, its figure, its variant and what it carries along', async () => {
  const found = await readAll([
    's.vault@example.com,S Vault,High,42.5,2026-03-01T23:59:59.123456Z,salesforce,"a, b",',
    's.vault@example.com,S Vault,Low,,2026-03-01T23:59:59Z,Dropbox,,shared 3',
  ])
  expect(found).toEqual([
    {
      type: 'activity',
      sourceId: expect.any(String),
      actor: { scheme: 'address', value: 's.vault@example.com' },
      actorKind: 'user',
      at: new Date('2026-03-01T23:59:59.123Z'),
      verb: 'detection',
      nativeEvent: 'crm-export',
      outcome: 'unknown',
      amount: 42.5,
      flags: ['variant_severe'],
      raw: { Alert_Severity: 'High', AdditionalInfo_Salesforce: 'a, b' },
    },
    expect.objectContaining({ nativeEvent: 'dropbox-share', raw: { AdditionalInfo_Dropbox: 'shared 3' } }),
  ])
  expect(found[1]).not.toHaveProperty('amount')
})

test('a single source needs no source column', async () => {
  const config = settings({
    sourceColumn: undefined,
    columns: { person: 'UPN', at: 'PredictionTime' },
    detections: [{ id: 'model', title: 'Score of a model', amountColumn: 'PredictionScore' }],
  })
  const [found] = await readAll(
    ['a@example.com,2026-03-01T10:00:00Z,0.93'],
    config,
    'UPN,PredictionTime,PredictionScore',
  )
  expect(found).toMatchObject({ nativeEvent: 'model', amount: 0.93 })
})

test('bad rows are set aside with their column, and the rest goes on', async () => {
  const good = 'a@example.com,A,High,1,2026-03-01T10:00:00Z,Dropbox,,'
  const found = await readAll([
    'nobody,A,High,1,2026-03-01T10:00:00Z,Dropbox,,',
    'a@example.com,A,High,1,soon,Dropbox,,',
    'a@example.com,A,High,1,2026-03-01T10:00:00Z,Box,,',
    'a@example.com,A,High,many,2026-03-01T10:00:00Z,Salesforce,,',
    'a@example.com,A,High,1e999,2026-03-01T10:00:00Z,Salesforce,,',
    'a@example.com,A,High,,2026-03-01T10:00:00Z,Salesforce,,',
    'a@example.com,A,High,1,2026-03-01T10:00:00Z,Dropbox,one,two,three',
    good,
  ])
  expect(found.map((mapped) => (mapped.type === 'rejected' ? [mapped.code, mapped.cell] : mapped.type))).toEqual([
    ['identifier_invalid', 'UPN'],
    ['date_invalid', 'Aggregation_Date'],
    ['value_unknown', 'Source_Workload'],
    ['number_invalid', 'Alert_Count'],
    ['number_invalid', 'Alert_Count'],
    ['required_cell_empty', 'Alert_Count'],
    ['column_count', undefined],
    'activity',
  ])
})

test('the same row is the same detection; another figure is another', async () => {
  const row = (count: number) => `a@example.com,A,High,${count},2026-03-01T10:00:00Z,Salesforce,,`
  const [one, again, more] = (await readAll([row(1), row(1), row(2)])) as Activity[]
  expect(again?.sourceId).toBe(one?.sourceId)
  expect(more?.sourceId).not.toBe(one?.sourceId)
})

test.each([
  ['a second detection without a source column', { sourceColumn: undefined }, 'sourceColumn'],
  ['two detections of one value', { detections: [dropbox, { ...dropbox, id: 'other' }] }, 'detections.1.value'],
  ['two detections of one id', { detections: [dropbox, { ...dropbox, value: 'Box' }] }, 'detections.1.id'],
  [
    'eleven detections',
    { detections: Array.from({ length: 11 }, (_, n) => ({ ...dropbox, id: `number-${n}`, value: `${n}` })) },
    'detections',
  ],
  [
    'twenty-one fields',
    { detections: [{ ...dropbox, carry: Array.from({ length: 18 }, (_, n) => `Column ${n}`) }] },
    'detections.0.carry',
  ],
  [
    'four variants',
    {
      detections: [
        { ...salesforce, variants: ['one', 'two', 'six', 'ten'].map((id) => ({ id, column: 'A', values: ['x'] })) },
      ],
    },
    'detections.0.variants',
  ],
])('%s is refused with its field', (_, more, field) => {
  expect(() => settings(more)).toThrow(expect.objectContaining({ code: 'settings_invalid', field }))
})

test('a file without a column that a detection needs is not read at all', async () => {
  await expect(readAll([], settings(), HEADER.replace('Alert_Count', 'Count'))).rejects.toMatchObject({
    code: 'file_header_missing',
    field: 'Alert_Count',
  })
})
