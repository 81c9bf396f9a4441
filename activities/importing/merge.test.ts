import { Readable } from 'node:stream'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { openFileImport } from '../../db/imports.ts'
import { HR_SETTINGS } from '../../test/any-order/records.ts'
import { type Importing, importing } from '../../test/harness/importing.ts'
import { insertConnector, insertPolicy } from '../../test/harness/rows.ts'
import { runImport } from '../imports.ts'

const LOG_SETTINGS = {
  columns: { person: 'user', at: 'time', action: 'action', object: 'file', size: 'bytes' },
  verbs: { get: 'download' },
  eventIdColumns: ['id'],
}

interface Row {
  at: string
  user?: string
}

const logOf = (rows: readonly Row[]): string =>
  [
    'id,user,time,action,file,bytes',
    ...rows.map(({ at, user = 'ann@example.com' }, n) => `${n},${user},${at},get,plan-${n % 3}.xlsx,900000000`),
  ].join('\n')

/** So many rows, a second apart. */
const rowsOn = (day: string, count: number): Row[] =>
  Array.from({ length: count }, (_, n) => ({ at: `${day}T10:00:${String(n).padStart(2, '0')}Z` }))

async function start(chunkRecords: number, kind = 'custom-file', settings: Record<string, unknown> = LOG_SETTINGS) {
  const i = await importing()
  i.deps.chunkRecords = chunkRecords
  await insertPolicy(i.t, 'data-theft-departing-users', 'leavers')
  const connectorId = await insertConnector(i.t, kind, settings)
  return { i, connectorId }
}

async function begin({ t, deps }: Importing, connectorId: string, content: string): Promise<string> {
  const spooled = await deps.spool.put(Readable.from([Buffer.from(content)]), deps.maxFileBytes)
  const opened = { connectorId, source: 'upload', ...spooled, fileName: 'test', nominalAt: new Date() } as const
  return (await openFileImport(t.db, t.vault, opened)).importId
}

const run = ({ deps }: Importing, importId: string) =>
  runImport(deps, importId, { signal: new AbortController().signal, heartbeat: () => {} })

/** The numbers of the first chunks. */
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1)

/** The chunks that hold records, by the transaction that stored them. */
async function transactions({ t }: Importing): Promise<number[][]> {
  const { rows } = await sql<{ chunks: number[] }>`
    select array_agg(number order by number) as chunks from import_chunk where received > 0
    group by xmin::text order by 1`.execute(t.db)
  return rows.map(({ chunks }) => chunks)
}

const rollups = async ({ t }: Importing) =>
  (
    await sql`select day, rollup_key, count, objects, items, bytes, first_at, last_at from indicator_day
    order by rollup_key, day`.execute(t.db)
  ).rows

test('chunks that come quickly are committed together, so many at most', async () => {
  const { i, connectorId } = await start(2)
  await using _ = i
  const balance = await i.send(connectorId, logOf(rowsOn('2026-03-02', 52)))
  expect(balance).toMatchObject({ received: 52, stored: 52 })
  expect(await transactions(i)).toEqual([upTo(24), [25, 26]])
})

test('where a day ends behind the fourth chunk the transaction ends, and before a month that has no table yet', async () => {
  const { i, connectorId } = await start(2)
  await using _ = i
  const days = ['2026-03-29', '2026-03-30', '2026-03-31', '2026-04-01'].flatMap((day, n) =>
    rowsOn(day, n === 0 ? 3 : 8),
  )
  await i.send(connectorId, logOf(days))
  // Chunk 2 holds the end of the first day, 6 that of the second; with 10 comes the next month.
  expect(await transactions(i)).toEqual([
    [1, 2, 3, 4, 5, 6],
    [7, 8, 9],
    [10, 11, 12, 13, 14],
  ])
})

test('what is committed together is counted as if every chunk had been committed by itself, repetitions and all', async () => {
  const rows = ['2026-03-02', '2026-03-03'].flatMap((day) => rowsOn(day, 11))
  const content = `${logOf(rows)}\n${logOf(rows).split('\n').slice(8, 15).join('\n')}`
  const found = []
  for (const chunkRecords of [1, 3, 1_000]) {
    const { i, connectorId } = await start(chunkRecords)
    await using _ = i
    const { importId: _id, ...balance } = await i.send(connectorId, content)
    expect(balance).toMatchObject({ received: 29, stored: 22, duplicate: 7 })
    const seen = await sql`select dimension, value, first_at from identity_seen order by 1, 2`.execute(i.t.db)
    found.push([await rollups(i), seen.rows])
  }
  expect(found[0]?.[0]?.length).toBeGreaterThan(0)
  expect(found[1]).toEqual(found[0])
  expect(found[2]).toEqual(found[0])
})

test('a transaction that fails leaves none of its chunks, and the import goes on behind the one before it', async () => {
  const { i, connectorId } = await start(2)
  await using _ = i
  const content = logOf(rowsOn('2026-03-02', 60))
  const importId = await begin(i, connectorId, content)
  await sql`
    create function refuse() returns trigger language plpgsql as $$
    begin
      if new.number = 27 then raise exception 'refused' using errcode = '57P01'; end if;
      return new;
    end $$`.execute(i.t.db)
  await sql`create trigger refuse before insert on import_chunk for each row execute function refuse()`.execute(i.t.db)
  await expect(run(i, importId)).rejects.toThrow()
  expect(await transactions(i)).toEqual([upTo(24)])
  const half = await i.t.db.selectFrom('import').selectAll().where('id', '=', importId).executeTakeFirstOrThrow()
  expect(half).toMatchObject({ chunks: 24, received: 48, stored: 48, state: 'running' })
  await sql`drop trigger refuse on import_chunk`.execute(i.t.db)
  expect(await run(i, importId)).toMatchObject({ received: 60, stored: 60, duplicate: 0 })

  const other = await start(1_000)
  await using _other = other.i
  await other.i.send(other.connectorId, content)
  expect(await rollups(i)).toEqual(await rollups(other.i))
})

test('chunks with facts are committed one by one: their lock keeps everybody else waiting', async () => {
  const [profiles] = HR_SETTINGS.scenarios
  const { i, connectorId } = await start(1, 'hr', { ...HR_SETTINGS, scenarios: [profiles] })
  await using _ = i
  const columns = Object.values(profiles?.columns ?? {})
  const profile = (n: number) => columns.map((column) => (column === 'Email' ? `p${n}@example.com` : `${column}${n}`))
  const lines = [1, 2, 3].map((n) => ['Profile', ...profile(n)].join(','))
  const balance = await i.send(connectorId, [['Record', ...columns].join(','), ...lines].join('\n'))
  expect(balance).toMatchObject({ received: 3, stored: 3 })
  expect(await transactions(i)).toEqual([[1], [2], [3]])
})
