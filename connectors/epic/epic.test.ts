import { expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import type { Activity, Mapped } from '../../domain/signal.ts'
import { openAccess } from '../access.ts'
import { EPIC_COLUMNS, type EpicConfig, epic } from './connector.ts'

const HEADER = Object.values(EPIC_COLUMNS).filter((name) => !name.startsWith('employee_'))
const ROW: Partial<Record<string, string>> = {
  'ACCESS_LOG.ACCESS_TIME': '03/01/2026 9:15:09 PM',
  'ACCESS_LOG_METRIC.METRIC_NAME': 'Chart Review accessed',
  'ACCESS_LOG.WORKSTATION_ID': 'W-17',
  'ZC_METRIC_GROUP.NAME': 'Clinical',
  'ZC_ACCESS_ACTION.NAME': 'Break-the-Glass',
  'PATIENT.PAT_MRN_ID': '4711',
  'PATIENT.PAT_FIRST_NAME': 'Ada',
  'PATIENT.PAT_LAST_NAME': 'Quill',
  'PATIENT.ADD_LINE_1': '12 Elm St',
  'PATIENT.CITY': 'Springfield',
  'PATIENT.ZIP': '60601',
  'CLARITY_DEP.DEPARTMENT_NAME': 'Oncology',
  'ZC_BTG_REASON.NAME': 'Direct care',
  'EMP.SYSTEM_LOGIN': 'rnurse',
}
const settings = (more: Record<string, unknown> = {}): EpicConfig =>
  parseSettings(epic.config, { dateFormat: 'MM/DD/YYYY', assumedZone: 'America/Chicago', ...more })

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
    file: { kind: 'file' as const, name: 'access.txt', open },
  }
  for await (const page of epic.read(input)) {
    for await (const { record, unreadable } of page.records) found.push(unreadable ?? epic.map(record, config))
  }
  return found
}
const fileOf = (separator: string, header = HEADER) =>
  [header, header.map((name) => ROW[name] ?? '')].map((cells) => cells.join(separator)).join('\r\n')

test.each(['|', '\t'])(
  'a file separated by %j keeps instant, employee, patient and the broken glass',
  async (separator) => {
    const [only] = (await readAll(fileOf(separator))) as [Activity]
    expect(only).toMatchObject({
      at: new Date('2026-03-02T03:15:09.000Z'),
      actor: { scheme: 'user_name', value: 'rnurse' },
      verb: 'view',
      nativeEvent: 'Chart Review accessed',
      object: '4711',
      container: 'Oncology',
      flags: ['break_the_glass'],
      subject: { id: '4711', firstName: 'Ada', lastName: 'Quill', addressLine: '12 Elm St', postalCode: '60601' },
    })
  },
)

test('names are fixed: a missing mandatory column stops the file, a missing optional one does not', async () => {
  const without = (name: string) =>
    fileOf(
      '|',
      HEADER.filter((each) => each !== name),
    )
  await expect(readAll(without('EMP.SYSTEM_LOGIN'))).rejects.toMatchObject({
    code: 'file_header_missing',
    field: 'EMP.SYSTEM_LOGIN',
  })
  expect(await readAll(without('ACCESS_LOG.WORKSTATION_ID'))).toMatchObject([{ type: 'activity' }])
})

test('a comma is no separator of an Epic file', () => {
  expect(() => settings({ separator: ',' })).toThrow(
    expect.objectContaining({ code: 'settings_invalid', field: 'separator' }),
  )
})
