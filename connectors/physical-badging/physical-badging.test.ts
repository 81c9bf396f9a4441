import { readFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import type { Activity, Mapped } from '../../domain/signal.ts'
import { openAccess } from '../access.ts'
import type { BadgeConfig } from './config.ts'
import { physicalBadging } from './connector.ts'

const settings = (more: Record<string, unknown> = {}): BadgeConfig => parseSettings(physicalBadging.config, more)

async function readAll(content: string | Buffer, config = settings()): Promise<Mapped[]> {
  async function* open() {
    const bytes = Buffer.from(content)
    for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
  }
  const found: Mapped[] = []
  const input = {
    config,
    position: null,
    until: new Date(),
    seen: async () => new Set<string>(),
    signal: new AbortController().signal,
    access: openAccess(),
    file: { kind: 'file' as const, name: 'badges.json', open },
  }
  for await (const page of physicalBadging.read(input)) {
    for await (const { record, unreadable } of page.records)
      found.push(unreadable ?? physicalBadging.map(record, config))
  }
  return found
}

const event = (more: Record<string, unknown> = {}) => ({
  UserId: 's.vault@example.com',
  AssetId: 'DC1-CAGE-7',
  AssetName: 'Data centre 1, cage 7',
  EventTime: '2026-03-01T22:14:09',
  AccessStatus: 'Failed',
  ...more,
})

test("Microsoft's own sample keeps its instants, people and doors", async () => {
  const sample = readFileSync(path.join(import.meta.dirname, 'records/sample_data_set.json'))
  expect(sample.subarray(0, 3)).toEqual(Buffer.from([0xef, 0xbb, 0xbf]))
  const found = (await readAll(sample)) as Activity[]
  expect(found).toMatchObject([
    {
      actor: { scheme: 'address', value: 'tifc@a830edad9050849EQTPWBJZXODQ.onmicrosoft.com' },
      at: new Date('2019-07-04T01:57:49.000Z'),
      verb: 'physical_access',
      nativeEvent: 'Failed',
      outcome: 'failure',
      container: 'Mid-Sec-7',
      object: 'Main Building 1st Floor Mid Section',
    },
    { at: new Date('2019-07-04T02:57:49.000Z'), outcome: 'success' },
  ])
  expect(found[0]?.raw).toMatchObject({ SourceSystem: 'Lenel' })
})

test('a time with and without Z is the same instant, unless the settings assume another zone', async () => {
  const found = (await readAll(JSON.stringify([event(), event({ EventTime: '2026-03-01T22:14:09Z' })]))) as Activity[]
  expect(found.map(({ at }) => at.toISOString())).toEqual(['2026-03-01T22:14:09.000Z', '2026-03-01T22:14:09.000Z'])
  expect(found.map(({ zoneAssumed }) => zoneAssumed ?? false)).toEqual([true, false])
  expect(found[0]?.sourceId).toBe(found[1]?.sourceId)
  const [berlin] = (await readAll(JSON.stringify(event()), settings({ assumedZone: 'Europe/Berlin' }))) as Activity[]
  expect(berlin?.at.toISOString()).toBe('2026-03-01T21:14:09.000Z')
})

test.each([
  ['an array', JSON.stringify([event()])],
  ['a single object', JSON.stringify(event())],
  ['gzip', gzipSync(JSON.stringify([event()]))],
  ['Latin-1', Buffer.from(JSON.stringify([event({ AssetName: 'Gebäude' })]), 'latin1')],
  ['CSV', `UserId,AssetId,AssetName,EventTime,AccessStatus\n${Object.values(event()).map((cell) => `"${cell}"`)}\n`],
  ['names in another case', JSON.stringify(event()).replaceAll('UserId', 'userID')],
])('the same event arrives as %s', async (_, content) => {
  const [found] = (await readAll(content)) as Activity[]
  expect(found).toMatchObject({ actor: { value: 's.vault@example.com' }, container: 'DC1-CAGE-7', outcome: 'failure' })
})

test('priority assets are flagged, whatever their case', async () => {
  const config = settings({ priorityAssets: ['dc1-cage-7 '] })
  const found = (await readAll(JSON.stringify([event(), event({ AssetId: 'LOBBY' })]), config)) as Activity[]
  expect(found.map(({ flags }) => flags)).toEqual([['priority_asset'], undefined])
})

test('bad records are set aside with their field, and the rest goes on', async () => {
  const records = [
    event({ UserId: 'badge 4711' }),
    event({ AssetId: '' }),
    event({ EventTime: 'at night' }),
    event({ AccessStatus: 'Perhaps' }),
    { UserId: 's.vault@example.com' },
    event(),
  ]
  const found = await readAll(JSON.stringify(records))
  expect(found.map((mapped) => (mapped.type === 'rejected' ? [mapped.code, mapped.cell] : mapped.type))).toEqual([
    ['identifier_invalid', 'UserId'],
    ['required_cell_empty', 'AssetId'],
    ['date_invalid', 'EventTime'],
    ['value_unknown', 'AccessStatus'],
    ['required_cell_empty', 'AssetId'],
    'activity',
  ])
})

test('employee numbers name people where the settings say so', async () => {
  const [found] = (await readAll(
    JSON.stringify(event({ UserId: 4711 })),
    settings({ personScheme: 'employee_number' }),
  )) as Activity[]
  expect(found?.actor).toEqual({ scheme: 'employee_number', value: '4711' })
})

test('100,000 records in one request are read as a stream', async () => {
  const many = Array.from({ length: 100_000 }, (_, n) => event({ AssetId: `DOOR-${n}` }))
  const found = await readAll(JSON.stringify(many))
  expect(found).toHaveLength(100_000)
  expect(found.every(({ type }) => type === 'activity')).toBe(true)
})

test('a CSV file without a mandatory column is not read at all', async () => {
  await expect(readAll('UserId,AssetId,EventTime\na@example.com,1,2026-03-01\n')).rejects.toMatchObject({
    code: 'file_header_missing',
    field: 'AccessStatus',
  })
})

test('events of one file may write the names of their fields in several ways', async () => {
  const event = {
    UserId: 'ann@example.com',
    AssetId: 'DOOR-1',
    EventTime: '2026-03-02T08:00:00',
    AccessStatus: 'Success',
  }
  const written = (spell: (name: string) => string) =>
    Object.fromEntries(Object.entries(event).map(([name, value]) => [spell(name), value]))
  const asSet = (name: string) => name
  const ways = [asSet, (name: string) => name.toUpperCase(), (name: string) => name.toLowerCase()]
  const found = await readAll(JSON.stringify([...ways, ...ways].map(written)))
  expect(found.map((each) => ({ ...each, raw: undefined }))).toEqual(
    Array.from(found, () => expect.objectContaining({ type: 'activity', container: 'DOOR-1', outcome: 'success' })),
  )
  expect(found).toHaveLength(6)
})
