import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import type { Activity, Mapped } from '../../domain/signal.ts'
import { openAccess } from '../access.ts'
import { suggestColumns } from '../files/columns.ts'
import { connectorKind } from '../kinds.ts'
import { ROLES } from '../mapping/roles.ts'
import type { CustomFileConfig } from './config.ts'

const kind = connectorKind('custom-file')

const columns = { person: 'User', at: 'Time', action: 'Action', object: 'Path', container: 'Share', size: 'Bytes' }
const settings = (more: Record<string, unknown> = {}): CustomFileConfig =>
  parseSettings(kind.config, {
    columns: { ...columns, items: 'Items', outcome: 'Result', ip: 'IP', userAgent: 'Agent' },
    verbs: { FileDownloaded: 'download', deleted: 'delete', heartbeat: 'ignore' },
    eventIdColumns: ['Id'],
    ...more,
  })

async function readAll(text: string | Buffer, config: CustomFileConfig): Promise<[number, Mapped][]> {
  const found: [number, Mapped][] = []
  const input = {
    config,
    position: null,
    until: new Date(),
    seen: async () => new Set<string>(),
    signal: new AbortController().signal,
    access: openAccess(),
    file: {
      kind: 'file' as const,
      name: 'log.csv',
      async *open() {
        yield Buffer.from(text)
      },
    },
  }
  for await (const page of kind.read(input)) {
    for await (const record of page.records)
      found.push([record.line, record.unreadable ?? kind.map(record.record, config)])
  }
  return found
}

const HEADER = 'Id,User,Time,Action,Share,Path,Bytes,Items,Result,IP,Agent'
const ROW =
  'e-1,søren.åberg@example.com,2026-03-02T02:32:15.250-07:00,FileDownloaded,Finance,"Q1, ""final"".xlsx",2048,3,OK,198.51.100.7,Explorer'

test('a row keeps its instant, person, object and amounts', async () => {
  const [[line, mapped]] = (await readAll(`${HEADER}\n${ROW}\n`, settings({ sizeUnit: 'KiB' }))) as [[number, Mapped]]
  expect(line).toBe(2)
  expect(mapped).toEqual({
    type: 'activity',
    sourceId: 'e-1',
    actor: { scheme: 'address', value: 'søren.åberg@example.com' },
    actorKind: 'user',
    at: new Date('2026-03-02T09:32:15.250Z'),
    verb: 'download',
    nativeEvent: 'FileDownloaded',
    outcome: 'success',
    container: 'Finance',
    object: 'Q1, "final".xlsx',
    sizeBytes: 2048 * 1024,
    itemCount: 3,
    originIp: '198.51.100.7',
    userAgent: 'Explorer',
    raw: {
      id: 'e-1',
      user: 'søren.åberg@example.com',
      time: '2026-03-02T02:32:15.250-07:00',
      action: 'FileDownloaded',
      share: 'Finance',
      path: 'Q1, "final".xlsx',
      bytes: '2048',
      items: '3',
      result: 'OK',
      ip: '198.51.100.7',
      agent: 'Explorer',
    },
  })
})

test('a JSON line says the same by paths', async () => {
  const config = settings({
    format: 'json_lines',
    columns: { person: 'actor.upn', at: 'when', action: 'op', object: 'targets.0.path', size: 'n', items: 'a.b' },
    eventIdColumns: ['id', 'part'],
  })
  const event = { id: 7, part: 1, actor: { upn: 'b@example.com' }, when: '2026-03-02T09:00:00Z', op: 'deleted' }
  const found = await readAll(
    `${JSON.stringify({ ...event, targets: [{ path: '/x/y.pdf' }], n: 12, 'a.b': 2 })}\n\n${JSON.stringify(event)}\n`,
    config,
  )
  expect(found.map(([line]) => line)).toEqual([1, 3])
  expect(found[0]?.[1]).toMatchObject({
    sourceId: '7\u001f1',
    actor: { scheme: 'address', value: 'b@example.com' },
    at: new Date('2026-03-02T09:00:00Z'),
    verb: 'delete',
    object: '/x/y.pdf',
    sizeBytes: 12,
    itemCount: 2,
  })
  expect(found[1]?.[1]).not.toHaveProperty('object')
})

describe('what a record is', () => {
  const row = (action: string) => ROW.replace('FileDownloaded', action)
  const verbOf = async (action: string, more: Record<string, unknown> = {}) =>
    (await readAll(`${HEADER}\n${row(action)}\n`, settings(more))).map(([, mapped]) =>
      mapped.type === 'activity' ? [mapped.verb, mapped.nativeEvent] : mapped,
    )

  test('is said by the table, without case', async () => {
    expect(await verbOf('DELETED')).toEqual([['delete', 'DELETED']])
    expect(await verbOf('heartbeat')).toMatchObject([{ type: 'ignored' }])
  })

  test('is decided by the setting where the table is silent', async () => {
    expect(await verbOf('Frobbed')).toEqual([['other', 'Frobbed']])
    expect(await verbOf('Frobbed', { verb: 'view' })).toEqual([['view', 'Frobbed']])
    expect(await verbOf('Frobbed', { otherActions: 'ignore' })).toMatchObject([{ type: 'ignored' }])
    expect(await verbOf('Frobbed', { otherActions: 'reject' })).toMatchObject([
      { code: 'value_unknown', cell: 'Action' },
    ])
  })

  test('is a constant where no column says it', async () => {
    expect(await verbOf('x', { columns: { person: 'User', at: 'Time' }, verbs: {}, verb: 'print' })).toEqual([
      ['print', 'print'],
    ])
  })
})

test.each([
  [{ User: '' }, 'required_cell_empty', 'User'],
  [{ User: 'nobody' }, 'identifier_invalid', 'User'],
  [{ Time: 'yesterday' }, 'date_invalid', 'Time'],
  [{ Time: '0000-01-01T00:00:00Z' }, 'date_invalid', 'Time'],
  [{ Time: '9999-12-31T23:59:59Z' }, 'date_invalid', 'Time'],
  [{ Bytes: '1e999' }, 'number_invalid', 'Bytes'],
  [{ Bytes: '-1' }, 'number_invalid', 'Bytes'],
  [{ Items: '1.5' }, 'number_invalid', 'Items'],
  [{ IP: '300.1.1.1' }, 'field_invalid', 'IP'],
  [{ Id: '' }, 'event_id_missing', 'Id'],
  [{ Path: 'x'.repeat(8_001) }, 'value_too_long', 'Path'],
  [{ Path: 'a\u0000b' }, 'encoding_invalid', 'Path'],
])('a bad cell sets its row aside with cell and code: %j', async (changed, code, cell) => {
  const names = HEADER.split(',')
  const good = ['e', 'a@example.com', '2026-03-02', 'deleted', 's', 'p', '1', '1', 'ok', '::1', 'x']
  const bad = names.map((name, index) => (changed as Record<string, string>)[name] ?? good[index]).join(',')
  const found = await readAll([HEADER, good, bad, good].join('\n'), settings())
  expect(found.map(([line, { type }]) => [line, type])).toEqual([
    [2, 'activity'],
    [3, 'rejected'],
    [4, 'activity'],
  ])
  expect(found[1]?.[1]).toMatchObject({ code, cell })
})

test('a date without a zone is read in the assumed one, and says so', async () => {
  const text = `${HEADER}\n${ROW.replace('.250-07:00', '')}\n`
  const [[, mapped]] = (await readAll(text, settings({ assumedZone: 'Asia/Tokyo' }))) as [[number, Activity]]
  expect([mapped.at.toISOString(), mapped.zoneAssumed]).toEqual(['2026-03-01T17:32:15.000Z', true])
})

test('without id columns the whole record names the event', async () => {
  const other = ROW.replace('2048', '2049')
  const found = await readAll(gzipSync([HEADER, ROW, other, ROW].join('\n')), settings({ eventIdColumns: [] }))
  const ids = found.map(([, mapped]) => (mapped as Activity).sourceId)
  expect(ids[0]).toBe(ids[2])
  expect(ids[0]).not.toBe(ids[1])
})

test('JSON lines that cannot be trusted are set aside at their line', async () => {
  const deep = `${'{"a":'.repeat(70)}1${'}'.repeat(70)}`
  const good = '{"u":"a@example.com","t":"2026-03-02T00:00:00Z","q":"\\":"}'
  const lines = [
    good,
    '{"u":"a@example.com","u":"b@example.com","t":"2026-03-02T00:00:00Z"}',
    deep,
    '[1,2]',
    '{"u":',
    `${'['.repeat(100_000)}`,
    '{"u" : "c@example.com", "t" : "2026-03-02T00:00:00Z"}',
    '{"u":"a@example.com","t":"2026-03-02T00:00:00Z","n":1e999}',
  ]
  const config = settings({
    format: 'json_lines',
    columns: { person: 'u', at: 't', size: 'n' },
    verb: 'view',
    verbs: {},
    eventIdColumns: [],
  })
  const found = await readAll(lines.join('\n'), config)
  expect(found.map(([line, mapped]) => [line, mapped.type === 'rejected' ? mapped.code : mapped.type])).toEqual([
    [1, 'activity'],
    [2, 'json_invalid'],
    [3, 'json_invalid'],
    [4, 'json_invalid'],
    [5, 'json_invalid'],
    [6, 'json_invalid'],
    [7, 'activity'],
    [8, 'number_invalid'],
  ])
})

test.each([
  [{ columns: { at: 'Time' } }, 'columns.person'],
  [{ columns: { ...columns, colour: 'X' } }, 'columns.colour'],
  [{ columns: { person: 'User', at: 'Time' }, verbs: {} }, 'verb'],
  [{ columns: { person: 'User', at: 'Time' }, verb: 'view' }, 'columns.action'],
  [{ assumedZone: 'Middle/Earth' }, 'assumedZone'],
])('a mapping that cannot work is refused with its field: %j', (more, field) => {
  expect(() => settings(more)).toThrow(expect.objectContaining({ code: 'settings_invalid', field }))
})

test('a file without a mapped column stops the import', async () => {
  await expect(readAll(`${HEADER.replace('Bytes', 'Size')}\n${ROW}\n`, settings())).rejects.toMatchObject({
    code: 'file_header_missing',
    field: 'Bytes',
  })
})

test('headers of a sample suggest the mapping', () => {
  expect(suggestColumns(ROLES, ['Event Id', 'User_Email', 'Timestamp', 'Operation', 'File Name', 'Client IP'])).toEqual(
    {
      person: 'User_Email',
      at: 'Timestamp',
      action: 'Operation',
      object: 'File Name',
      ip: 'Client IP',
    },
  )
})
