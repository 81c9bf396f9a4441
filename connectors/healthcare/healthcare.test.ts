import { describe, expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import type { Activity, Mapped } from '../../domain/signal.ts'
import { openAccess } from '../access.ts'
import { suggestColumns } from '../files/columns.ts'
import { type HealthcareConfig, healthcare } from './connector.ts'
import { healthRoles } from './roles.ts'

const HEADER = [
  'Access Time',
  'Event Name',
  'MRN',
  'Patient First Name',
  'Patient Last Name',
  'Patient Address Line 1',
  'Patient City',
  'Patient Zip Code',
  'Patient Department',
  'BTG Reason',
  'BTG Comment',
  'SamAccountName',
]
const columns = suggestColumns(healthRoles, HEADER)
const settings = (more: Record<string, unknown> = {}): HealthcareConfig =>
  parseSettings(healthcare.config, { columns, ...more })

type Cells = Partial<Record<(typeof HEADER)[number], string>>
const USUAL: Cells = {
  'Access Time': '2026-03-01T21:15:09-06:00',
  'Event Name': 'Chart viewed',
  MRN: '4711.08',
  'Patient First Name': 'Ada',
  'Patient Last Name': 'Quill',
  'Patient Address Line 1': '12 Elm St.',
  'Patient City': 'Springfield',
  'Patient Zip Code': '60601-1234',
  'Patient Department': 'Ward 3',
  SamAccountName: 'HOSP\\rnurse',
}
const line = (cells: Cells, separator = ',') =>
  HEADER.map((name) => ({ ...USUAL, ...cells })[name] ?? '').join(separator)
const fileOf = (rows: Cells[], separator = ',') =>
  [HEADER.join(separator), ...rows.map((cells) => line(cells, separator))].join('\n')

async function readAll(text: string, config = settings()): Promise<Mapped[]> {
  async function* open() {
    yield Buffer.from(text)
  }
  const found: Mapped[] = []
  const input = {
    config,
    position: null,
    until: new Date(),
    seen: async () => new Set<string>(),
    signal: new AbortController().signal,
    access: openAccess(),
    file: { kind: 'file' as const, name: 'audit.csv', open },
  }
  for await (const page of healthcare.read(input)) {
    for await (const { record, unreadable } of page.records) found.push(unreadable ?? healthcare.map(record, config))
  }
  return found
}
const readOne = async (cells: Cells, config = settings()) => (await readAll(fileOf([cells]), config))[0] as Activity

test('a row keeps its instant, its employee and whose record it was', async () => {
  const { raw, ...activity } = await readOne({})
  expect(activity).toEqual({
    type: 'activity',
    sourceId: expect.any(String),
    actor: { scheme: 'user_name', value: 'rnurse' },
    actorKind: 'user',
    at: new Date('2026-03-02T03:15:09.000Z'),
    verb: 'view',
    nativeEvent: 'Chart viewed',
    outcome: 'success',
    container: 'Ward 3',
    object: '4711.08',
    subject: {
      id: '4711.08',
      firstName: 'Ada',
      lastName: 'Quill',
      addressLine: '12 Elm St.',
      postalCode: '60601-1234',
      department: 'Ward 3',
    },
  })
  expect(raw).toMatchObject({ 'patient last name': 'Quill', 'patient city': 'Springfield' })
})

test.each([',', '|', '\t'])('is the same separated by %j', async (separator) => {
  const found = await readAll(fileOf([{}], separator))
  expect(found).toEqual([await readOne({})])
})

test('employees are named by address or by account, with a domain where the settings know it', async () => {
  const actor = async (person: string, more = {}) =>
    ((await readOne({ SamAccountName: person }, settings(more))) as Activity).actor
  expect(await actor('R.Nurse@hosp.example')).toEqual({ scheme: 'address', value: 'R.Nurse@hosp.example' })
  expect(await actor('rnurse', { userDomain: 'hosp.example' })).toEqual({
    scheme: 'address',
    value: 'rnurse@hosp.example',
  })
  expect(await readOne({ SamAccountName: 'not an account' })).toMatchObject({
    code: 'identifier_invalid',
    cell: 'SamAccountName',
  })
})

test('a patient without a number is told from others without a name in clear', async () => {
  const first = await readOne({ MRN: '' })
  expect(first.object).toMatch(/^unnumbered-[0-9a-f]{20}$/)
  expect((await readOne({ MRN: '', 'Patient Address Line 1': '12 Elm Street' })).object).toBe(first.object)
  expect((await readOne({ MRN: '', 'Patient Address Line 1': '14 Elm St.' })).object).not.toBe(first.object)
})

test.each([
  ['Chart viewed', 'view'],
  ['Patient Summary Opened', 'view'],
  ['Report printed', 'print'],
  ['Record export to file', 'export_report'],
  ['RELEASE OF INFORMATION', 'export_report'],
  ['Demographics updated', 'edit'],
  ['Patient look-up', 'search'],
  ['Note deleted', 'delete'],
  ['XR_4711', 'other'],
])('%s is %s', async (name, verb) => {
  expect(await readOne({ 'Event Name': name })).toMatchObject({ verb, nativeEvent: name })
})

test('an event name that goes on and on is set aside', async () => {
  expect(await readOne({ 'Event Name': 'x'.repeat(201) })).toMatchObject({ code: 'value_too_long', cell: 'Event Name' })
})

test('the settings say what an event is whose name does not tell', async () => {
  expect(await readOne({ 'Event Name': 'XR_4711' }, settings({ eventVerbs: { 'xr_4711 ': 'print' } }))).toMatchObject({
    verb: 'print',
  })
})

describe('the glass of a restricted record', () => {
  const flags = async (cells: Cells, more = {}) => (await readOne(cells, settings(more))).flags ?? []
  const withReason = ['break_the_glass']
  const without = ['break_the_glass', 'break_the_glass_without_reason']
  test.each([
    ['nothing is said', {}, []],
    ['the reason means an ordinary access', { 'BTG Reason': 'N/A' }, []],
    ['a reason is given', { 'BTG Reason': 'Direct patient care' }, withReason],
    ['the reason says that there is none', { 'BTG Reason': 'No reason given' }, without],
    ['the event says so and no reason is given', { 'Event Name': 'Break-the-glass accepted' }, without],
    ['the event says so and a reason is given', { 'Event Name': 'BTG accepted', 'BTG Reason': 'Audit' }, withReason],
    ['only a comment is left', { 'BTG Comment': 'was asked to' }, without],
  ] as [string, Cells, string[]][])('where %s', async (_, cells, expected) => {
    expect(await flags(cells)).toEqual(expected)
  })

  test('is told by the words of the settings', async () => {
    const more = { restrictedEvents: ['vip'], missingReasons: ['keine'], ordinaryReasons: ['entfällt'] }
    expect(await flags({ 'Event Name': 'VIP record opened' }, more)).toEqual(without)
    expect(await flags({ 'BTG Reason': 'Keine' }, more)).toEqual(without)
    expect(await flags({ 'BTG Reason': 'Entfällt' }, more)).toEqual([])
  })
})

test('an empty mandatory cell sets its row aside, and the rest goes on', async () => {
  const found = await readAll(
    fileOf([
      { 'Patient Last Name': ' ' },
      { 'Access Time': '' },
      { 'Access Time': 'yesterday' },
      { 'Patient Zip Code': '' },
      {},
    ]),
  )
  expect(found.map((mapped) => (mapped.type === 'rejected' ? [mapped.code, mapped.cell] : mapped.type))).toEqual([
    ['required_cell_empty', 'Patient Last Name'],
    ['required_cell_empty', 'Access Time'],
    ['date_invalid', 'Access Time'],
    ['required_cell_empty', 'Patient Zip Code'],
    'activity',
  ])
})

test('a file without a mandatory column is not read at all', async () => {
  const text = fileOf([{}]).replace('BTG Reason', 'Something else')
  await expect(readAll(text)).rejects.toMatchObject({ code: 'file_header_missing', field: 'BTG Reason' })
})

test('a mapping without a mandatory role is refused with its field', () => {
  const { restrictedReason: _, ...lacking } = columns
  expect(() => parseSettings(healthcare.config, { columns: lacking })).toThrow(
    expect.objectContaining({ code: 'settings_invalid', field: 'columns.restrictedReason' }),
  )
})

test('the same access twice has one id; another second, another patient or another event has not', async () => {
  const id = async (cells: Cells) => (await readOne(cells)).sourceId
  const usual = await id({})
  expect(await id({ 'Patient City': 'SPRINGFIELD' })).toBe(usual)
  for (const other of [
    { MRN: '4712' },
    { 'Access Time': '2026-03-01T21:15:10-06:00' },
    { 'Event Name': 'Chart printed' },
  ])
    expect(await id(other)).not.toBe(usual)
})
