import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { connectorKind } from '../kinds.ts'
import { sampleFields } from './sample.ts'

const fieldsOf = (content: string | Buffer, settings: Record<string, unknown> = {}) => {
  async function* open() {
    yield Buffer.from(content)
  }
  return sampleFields(open, settings)
}
async function suggestionOf(kind: string, content: string, settings: Record<string, unknown> = {}) {
  const { suggest } = connectorKind(kind)
  if (!suggest) throw new Error(`${kind} suggests nothing`)
  return suggest(await fieldsOf(content, settings), settings)
}

test('headers are told as they are written, whatever the encoding, the separator and the packing', async () => {
  const text = ' Who ;Größe;;When\na@example.com;1;;2026-03-01\n'
  const expected = { format: 'delimited', names: ['Who', 'Größe', 'When'] }
  for (const bytes of [text, gzipSync(text), Buffer.from(`\ufeff${text}`, 'utf16le'), Buffer.from(text, 'latin1')])
    expect(await fieldsOf(bytes)).toEqual(expected)
  expect(await fieldsOf(text, { separator: ',' })).toEqual({ format: 'delimited', names: ['Who ;Größe;;When'] })
  expect(await fieldsOf(text, { separator: 7 })).toEqual(expected)
})

test('a first line that holds values is refused without telling them', async () => {
  for (const line of ['ana@example.com,Lee,yes', 'Ana,2026-03-02T02:32:15-07:00,yes', 'Ana,4711,yes']) {
    const refusal = await fieldsOf(`${line}\n`).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'file_header_missing' })
    expect(JSON.stringify(refusal) + String(refusal)).not.toMatch(/ana|lee/i)
  }
})

test('JSON is told by its paths, in an array, a line each, or packed; no path is an address', async () => {
  const records = [
    { actor: { email: 'a@example.com' }, tags: [{ name: 'x' }, { other: 1 }], at: null },
    { size: 7, 'by.hand': true, people: { 'b@example.com': 1 }, deep: { a: { b: { c: { d: { e: 1 } } } } } },
  ]
  const expected = { format: 'json', names: ['actor.email', 'tags.0.name', 'at', 'size', 'by.hand'] }
  const lines = records.map((record) => JSON.stringify(record)).join('\n')
  for (const bytes of [JSON.stringify(records), lines, gzipSync(`\ufeff${lines}`), `${lines}\n"no record"\n`]) {
    const { format, names } = await fieldsOf(bytes)
    expect({ format, names: names.filter((name) => !name.startsWith('people')) }).toEqual(expected)
    expect(JSON.stringify(names)).not.toContain('@')
  }
})

test('of an HR file the scenario is told by its headers; one that the admin has named stays, with what was chosen', async () => {
  const reviews = 'UPN,Effective Date,Rating,Remarks\n'
  expect((await suggestionOf('hr', reviews)).settings).toEqual({
    scenarios: [
      {
        scenario: 'performance_review',
        columns: { person: 'UPN', effectiveDate: 'Effective Date', remarks: 'Remarks', rating: 'Rating' },
      },
    ],
  })
  const named = [
    { scenario: 'improvement_plan', identifierValue: 'PIP', columns: { effectiveDate: 'Told on' } },
    { scenario: 'resignation', identifierValue: 'Leaver' },
  ]
  const { settings, columns } = await suggestionOf('hr', reviews, { scenarios: named })
  expect(settings).toEqual({
    scenarios: [
      { ...named[0], columns: { person: 'UPN', effectiveDate: 'Told on', remarks: 'Remarks', rating: 'Rating' } },
      { ...named[1], columns: { person: 'UPN' } },
    ],
  })
  expect(columns.filter(({ required, column }) => required && column === null)).toEqual([
    expect.objectContaining({ id: 'effectiveDate', expected: 'Told on' }),
    expect.objectContaining({ id: 'resignationDate' }),
    expect.objectContaining({ id: 'lastWorkingDate' }),
  ])
  expect((await suggestionOf('hr', 'UPN,Shoe size\n')).settings).toEqual({})
})

test('Epic names the columns that it has, and those that have to be there', async () => {
  const { settings, columns } = await suggestionOf('epic', 'access_log.access_time|PATIENT.CITY|Mine\n')
  expect(settings).toEqual({})
  const byId = Object.fromEntries(columns.map(({ id, ...column }) => [id, column]))
  expect(byId['creationTime']).toMatchObject({ column: 'access_log.access_time', required: true })
  expect(byId['person']).toMatchObject({ column: null, required: true, expected: 'EMP.SYSTEM_LOGIN' })
})

test('detections are told apart by a column only where they have values of their own', async () => {
  const header = 'UPN,Event Time,Source_Workload\n'
  const { settings } = await suggestionOf('insider-risk-indicators', header, {
    detections: [{ id: 'one', title: 'One' }],
  })
  expect(settings).toEqual({ columns: { person: 'UPN', at: 'Event Time' } })
  expect((await suggestionOf('insider-risk-indicators', header)).settings).toMatchObject({
    sourceColumn: 'Source_Workload',
  })
})

test.each(['hr', 'healthcare', 'epic', 'insider-risk-indicators'])('%s says that it reads no JSON', async (kind) => {
  await expect(suggestionOf(kind, '[{"a":1}]')).rejects.toMatchObject({ code: 'file_unreadable' })
})
