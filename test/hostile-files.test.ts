import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gzipBomb } from './harness/gzip-bomb.ts'
import { heldDuring } from './harness/held.ts'
import { type Importing, importing } from './harness/importing.ts'
import { insertConnector } from './harness/rows.ts'

/** Files as nobody should send them, through the import as it is: what is good in them is stored, the rest is told. */
let t: Importing
beforeAll(async () => {
  t = await importing()
}, 60_000)
afterAll(() => t[Symbol.asyncDispose](), 60_000)

const MEGABYTE = 1 << 20
const HEADER = 'id,user,at,size,path'
const csv = () =>
  insertConnector(t.t, 'custom-file', {
    columns: { person: 'user', at: 'at', size: 'size', object: 'path' },
    eventIdColumns: ['id'],
    verb: 'download',
    encoding: 'utf-8',
  })

const row = (id: string, changed: { user?: string; at?: string; size?: string; path?: string } = {}): string => {
  const { user = 'a@example.com', at = '2026-03-02T10:00:00Z', size = '7', path = '/x.pdf' } = changed
  return [id, user, at, size, path].join(',')
}

async function quarantineOf(importId: string) {
  const rows = await t.t.db
    .selectFrom('quarantined_row')
    .select(['line', 'code', 'cell'])
    .where('import_id', '=', importId)
    .orderBy('line')
    .execute()
  return rows.map(({ line, code, cell }) => [line, code, cell])
}

test('a file with every fault at once loses its bad rows and no other', async () => {
  const lines: (string | Buffer)[] = [
    HEADER,
    row('1'),
    row('2', { path: 'a\u0000b' }),
    Buffer.concat([Buffer.from('3,a@example.com,2026-03-02T10:00:00Z,7,'), Buffer.from([0xff, 0xfe, 0x41])]),
    '4,"a@example.com,2026-03-02T10:00:00Z,7,/x',
    row('5', { path: 'a"b' }),
    '6,a@example.com,2026-03-02T10:00:00Z,7',
    `${row('7')},more`,
    row('8', { at: '0000-01-01T00:00:00Z' }),
    row('9', { at: '9999-12-31T23:59:59Z' }),
    row('10', { size: '1e999' }),
    row('11', { path: '"=HYPERLINK(""http://x"")"' }),
    row('12', { path: '@SUM(1)' }),
    row('13', { path: 'x'.repeat(3 * MEGABYTE) }),
    row('14', { path: '"two\nlines"' }),
    row('1'),
    row('15', { user: 'søren@example.com' }),
  ]
  const ends = ['\n', '\r\n', '\r']
  const bytes = Buffer.concat(
    lines.flatMap((line, index) => [Buffer.from(line), Buffer.from(ends[index % ends.length] as string)]),
  )
  const balance = await t.send(await csv(), bytes)
  expect(await quarantineOf(balance.importId)).toEqual([
    [3, 'encoding_invalid', 'path'],
    [4, 'encoding_invalid', 'path'],
    [5, 'quote_unbalanced', null],
    [6, 'quote_unbalanced', null],
    [7, 'column_count', null],
    [8, 'column_count', null],
    [9, 'date_invalid', 'at'],
    [10, 'date_invalid', 'at'],
    [11, 'number_invalid', 'size'],
    [14, 'row_too_long', null],
  ])
  expect(balance).toMatchObject({ received: 16, stored: 5, duplicate: 1, quarantined: 10, ignored: 0 })
})

test('a file that is cut short keeps its whole rows', async () => {
  const balance = await t.send(await csv(), `${HEADER}\n${row('1')}\n${row('2')}\n${row('3').slice(0, 12)}`)
  expect(balance).toMatchObject({ received: 3, stored: 2, quarantined: 1 })
  expect(await quarantineOf(balance.importId)).toEqual([[4, 'column_count', null]])
})

test('a header alone is an import of nothing', async () => {
  expect(await t.send(await csv(), `${HEADER}\n`)).toMatchObject({ received: 0, stored: 0 })
})

describe('a file that cannot be used as a whole is refused with its reason', () => {
  test.each([
    ['empty', '', 'file_empty'],
    ['of blank lines', '\r\n\n\r', 'file_empty'],
    ['with two columns of one name', `${HEADER},ID\n`, 'file_header_duplicate'],
    ['without a mapped column', 'id,user,at\n', 'file_header_missing'],
    [
      'with twelve thousand columns',
      `${Array.from({ length: 12_000 }, (_, n) => `c${n}`).join(',')}\n`,
      'file_unreadable',
    ],
    ['with ten million columns', `${','.repeat(10_000_000)}\n`, 'file_header_missing'],
    ['a cut gzip', gzipSync(`${HEADER}\n${row('1')}\n`.repeat(9)).subarray(0, 40), 'file_unreadable'],
    ['of nothing but blanks, a gzip bomb', gzipBomb('', ' ', 96), 'file_empty'],
  ])('%s', async (_, content, code) => {
    await expect(t.send(await csv(), await content)).rejects.toMatchObject({ code })
  })
})

test('a gzip bomb behind good rows is stopped within bounded memory', async () => {
  const bomb = await gzipBomb(`${HEADER}\n${row('1')}\n`, 'x', 400)
  const held = await heldDuring(async () => {
    await expect(t.send(await csv(), bomb)).rejects.toMatchObject({ code: 'body_too_large' })
  })
  expect(held).toBeLessThan(100)
})

test('thirty rows of a megabyte of columns are told apart and held only for a while', async () => {
  const wide = `${','.repeat(900_000)}\n`
  const balance = await t.send(await csv(), `${HEADER}\n${wide.repeat(30)}${row('1')}\n`)
  expect(balance).toMatchObject({ received: 31, stored: 1, quarantined: 30 })
}, 120_000)

test('lines of JSON that lie are set aside, those around them are stored', async () => {
  const connectorId = await insertConnector(t.t, 'custom-file', {
    format: 'json_lines',
    columns: { person: 'u', at: 't', size: 'n' },
    verb: 'view',
    eventIdColumns: ['id'],
  })
  const good = (id: number) => `{"id":${id},"u":"a@example.com","t":"2026-03-02T00:00:00Z"}`
  const lines = [
    good(1),
    '{"id":2,"u":"a@example.com","u":"b@example.com","t":"2026-03-02T00:00:00Z"}',
    `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`,
    '['.repeat(200_000),
    '{"id":5,"u":"a@example.com","t":"2026-03-02T00:00:00Z","n":1e999}',
    '{"id":6,"u":{"x":1},"t":"2026-03-02T00:00:00Z"}',
    `{"id":7,"x":"${'y'.repeat(2 * MEGABYTE)}"}`,
    '{"__proto__":{"u":"evil@example.com"},"id":8,"t":"2026-03-02T00:00:00Z"}',
    good(9),
  ]
  const balance = await t.send(connectorId, lines.join('\n'))
  expect(await quarantineOf(balance.importId)).toEqual([
    [2, 'json_invalid', null],
    [3, 'json_invalid', null],
    [4, 'json_invalid', null],
    [5, 'number_invalid', 'n'],
    [6, 'required_cell_empty', 'u'],
    [7, 'row_too_long', null],
    [8, 'required_cell_empty', 'u'],
  ])
  expect(balance).toMatchObject({ received: 9, stored: 2, quarantined: 7 })
})
