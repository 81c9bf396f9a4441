import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import type { Fact, Mapped } from '../../domain/signal.ts'
import { openAccess } from '../access.ts'
import type { SourceRecord } from '../connector.ts'
import { suggestColumns } from '../files/columns.ts'
import { type HrConfig, hr } from './connector.ts'
import { rolesOf } from './scenarios.ts'

const resignation = {
  scenario: 'resignation',
  columns: { person: 'EmailAddress', resignationDate: 'ResignationDate', lastWorkingDate: 'LastWorkingDate' },
}
const settings = (more: Record<string, unknown> = {}): HrConfig =>
  parseSettings(hr.config, { scenarios: [resignation], ...more })

async function* pieces(bytes: Buffer, size = 7): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function readAll(
  bytes: Buffer,
  config: HrConfig,
  size?: number,
): Promise<{ record: SourceRecord; mapped: Mapped }[]> {
  const all: { record: SourceRecord; mapped: Mapped }[] = []
  const input = {
    config,
    position: null,
    until: new Date(),
    seen: async () => new Set<string>(),
    signal: new AbortController().signal,
    access: openAccess(),
    file: { kind: 'file' as const, name: 'leavers.csv', open: () => pieces(bytes, size) },
  }
  for await (const page of hr.read(input)) {
    for await (const record of page.records)
      all.push({ record, mapped: record.unreadable ?? hr.map(record.record, config) })
  }
  return all
}

const header = 'EmailAddress,ResignationDate,LastWorkingDate'
const row = 'søren.åberg@example.com,2026-04-23T15:18:02.4675041+05:30,2026-05-04'

describe('a file of leavers', () => {
  test('keeps person, instants and the absence of a zone', async () => {
    const [only] = await readAll(Buffer.from(`${header}\r\n${row}\r\n`), settings({ assumedZone: 'Europe/Berlin' }))
    expect(only?.mapped).toEqual({
      type: 'fact',
      kind: 'resignation',
      person: { scheme: 'address', value: 'søren.åberg@example.com' },
      naturalKey: 'resignation',
      effectiveAt: new Date('2026-04-23T09:48:02.467Z'),
      lastWorkingAt: new Date('2026-05-03T22:00:00.000Z'),
      zoneAssumed: true,
      attributes: {},
    })
  })

  const utf16 = (text: string, big = false) => {
    const bytes = Buffer.from(`\ufeff${text}`, 'utf16le')
    return big ? bytes.swap16() : bytes
  }
  const text = `${header}\n${row}\n`
  const latin = Buffer.from(text, 'latin1')
  test.each([
    ['UTF-8 with a mark', Buffer.from(`\ufeff${text}`)],
    ['UTF-16 little-endian', utf16(text)],
    ['UTF-16 big-endian', utf16(text, true)],
    ['Windows-1252', latin],
    ['gzip', gzipSync(text)],
    ['semicolons', Buffer.from(text.replaceAll(',', ';'))],
    ['tabs', Buffer.from(text.replaceAll(',', '\t'))],
    ['old Mac line ends', Buffer.from(text.replaceAll('\n', '\r'))],
  ])('is the same person in %s', async (_, bytes) => {
    const found = await readAll(bytes, settings())
    expect(found.map(({ mapped }) => (mapped as Fact).person?.value)).toEqual(['søren.åberg@example.com'])
  })

  test('sets bad rows aside at their line and goes on', async () => {
    const file = [
      header,
      row,
      'lone@example.com,2026-04-23',
      '',
      'not an address,2026-04-23,2026-05-01',
      'a@example.com,2026-02-30,2026-05-01',
      'b@example.com,,2026-05-01',
      'c@example.com,2026-04-01,2026-05-01',
    ].join('\n')
    const found = await readAll(Buffer.from(file), settings())
    expect(
      found.map(({ record, mapped }) => [
        record.line,
        mapped.type === 'rejected' ? [mapped.code, mapped.cell] : 'fact',
      ]),
    ).toEqual([
      [2, 'fact'],
      [3, ['column_count', undefined]],
      [5, ['identifier_invalid', 'EmailAddress']],
      [6, ['date_invalid', 'ResignationDate']],
      [7, ['required_cell_empty', 'ResignationDate']],
      [8, 'fact'],
    ])
  })

  test('is cut into pieces anywhere with the same result', async () => {
    const bytes = Buffer.from(`${header}\n${row}\n"x""y"@example.com,2026-01-01,2026-01-02\nq,"bad\n${row}\n`)
    const whole = await readAll(bytes, settings(), 1_000_000)
    for (const size of [1, 2, 3, 16]) expect(await readAll(bytes, settings(), size)).toEqual(whole)
  })

  test.each([
    ['', 'file_empty'],
    ['\n\n', 'file_empty'],
    ['EmailAddress,ResignationDate\na@example.com,2026-01-01\n', 'file_header_missing'],
    ['EmailAddress,emailaddress,ResignationDate,LastWorkingDate\n', 'file_header_duplicate'],
  ])('that cannot be used stops the import: %j', async (text_, code) => {
    await expect(readAll(Buffer.from(text_), settings())).rejects.toMatchObject({ code })
  })

  test('a cut gzip file stops the import', async () => {
    const bytes = gzipSync(`${header}\n${`${row}\n`.repeat(5_000)}`)
    await expect(readAll(bytes.subarray(0, bytes.length - 20), settings(), 1000)).rejects.toMatchObject({
      code: 'file_unreadable',
    })
  })
})

test('a membership is one fact per person and group, however the group is written, and can be taken back', async () => {
  const config = settings({
    withdrawnColumn: 'Left',
    scenarios: [{ scenario: 'group_member', columns: { person: 'EmailAddress', group: 'Group' } }],
  })
  const file = [
    'EmailAddress,Group,Left',
    'a@example.com,Priority-Users,',
    'a@example.com,priority-users,yes',
    'a@example.com,Traders,',
    'b@example.com,,',
  ].join('\n')
  const found = (await readAll(Buffer.from(file), config)).map(({ mapped }) => mapped as Fact)
  expect(found.slice(0, 3).map(({ kind, naturalKey, withdrawn }) => [kind, naturalKey, withdrawn ?? false])).toEqual([
    ['group_member', 'group_member/priority-users', false],
    ['group_member', 'group_member/priority-users', true],
    ['group_member', 'group_member/traders', false],
  ])
  expect(found[0]?.attributes).toEqual({ group: 'Priority-Users' })
  expect(found[3]).toMatchObject({ type: 'rejected', code: 'required_cell_empty', cell: 'Group' })
})

test('several scenarios share a file by their identifier column', async () => {
  const config = settings({
    identifierColumn: 'HRScenario',
    withdrawnColumn: 'Withdrawn',
    scenarios: [
      { ...resignation, identifierValue: 'Resignation' },
      {
        scenario: 'performance_review',
        identifierValue: 'Performance review',
        columns: { person: 'EmailAddress', effectiveDate: 'EffectiveDate', rating: 'Rating', remarks: 'Remarks' },
      },
    ],
  })
  const file = [
    'HRScenario,EmailAddress,ResignationDate,LastWorkingDate,EffectiveDate,Rating,Remarks,Withdrawn',
    'resignation,a@example.com,2026-01-01Z,2026-02-01Z,,,,',
    'Performance review,b@example.com,,,2026-03-04T10:00:00Z,2 Below average,talked with them,',
    `Performance review,c@example.com,,,2026-03-04T10:00:00Z,${'x'.repeat(26)},,`,
    'Promotion,d@example.com,,,,,,',
    'Resignation,e@example.com,2026-01-01Z,2026-02-01Z,,,,yes',
  ].join('\n')
  const found = await readAll(Buffer.from(file), config)
  expect(
    found.map(({ mapped }) =>
      mapped.type === 'fact' ? [mapped.kind, mapped.withdrawn ?? false] : (mapped as { code: string }).code,
    ),
  ).toEqual([
    ['resignation', false],
    ['performance_review', false],
    'value_too_long',
    'scenario_unknown',
    ['resignation', true],
  ])
  const review = found[1]?.mapped as Fact
  expect(review.attributes).toEqual({ rating: '2 Below average' })
  expect(review.personal).toEqual({ remarks: 'talked with them' })
  expect(review.naturalKey).toBe('performance_review/2026-03-04')
})

test('a mapping that lacks a mandatory column is refused with its field', () => {
  expect(() =>
    parseSettings(hr.config, { scenarios: [{ scenario: 'resignation', columns: { person: 'Email' } }] }),
  ).toThrow(expect.objectContaining({ code: 'settings_invalid', field: 'scenarios.0.columns.resignationDate' }))
})

test('headers of a sample suggest the mapping', () => {
  expect(
    suggestColumns(rolesOf('employee_profile'), [
      'UserPrincipalName',
      'EmployeeFirstName',
      'EmployeeLastName',
      'Zip Code',
      'Shoe size',
    ]),
  ).toEqual({
    person: 'UserPrincipalName',
    firstName: 'EmployeeFirstName',
    lastName: 'EmployeeLastName',
    zipCode: 'Zip Code',
  })
})
