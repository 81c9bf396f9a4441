import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { sql } from 'kysely'
import pg from 'pg'
import { expect, test } from 'vitest'
import { createDatabase, createPool } from './connection.ts'
import { ImportSession } from './import-session.ts'
import { databaseTrouble } from './trouble.ts'

const withCode = (code: string) => Object.assign(new pg.DatabaseError('whatever it says', 0, 'error'), { code })

test.each([
  ['53100', 'database_full'],
  ['53300', 'database_unavailable'],
  ['57P01', 'database_unavailable'],
  ['08006', 'database_unavailable'],
  ['ECONNREFUSED', 'database_unavailable'],
])('%s is %s, may be tried later and says what to do', (code, known) => {
  const error = databaseTrouble(withCode(code))
  expect(error).toMatchObject({ code: known, retryable: true, fix: expect.stringMatching(/\w/) })
  expect(error?.message).not.toContain('whatever')
})

test('a row that breaks a named rule of its table is refused for good; a trigger that compares rows is not', () => {
  const refused = Object.assign(withCode('23514'), { table: 'import', constraint: 'import_balance' })
  expect(databaseTrouble(refused)).toMatchObject({ code: 'row_refused', retryable: false, fix: expect.any(String) })
  expect(databaseTrouble(refused)?.message).toContain('import_balance')
  expect(databaseTrouble(withCode('23514'))).toBeNull()
})

test.each([['23505'], ['42P01'], ['xECONNREFUSED']])('%s is no trouble of the server', (code) =>
  expect(databaseTrouble(withCode(code))).toBeNull(),
)

test('what has no code is none', () => {
  expect(databaseTrouble(new Error('53100'))).toBeNull()
  expect(databaseTrouble(undefined)).toBeNull()
})

test('a server that hangs up before it says anything cannot be reached, whoever calls', async () => {
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `postgres://somebody:secret@127.0.0.1:${(server.address() as AddressInfo).port}/openirm`
  const db = createDatabase(createPool(url))
  try {
    const errors = await Promise.all([
      sql`select 1`.execute(db).catch((error: unknown) => error),
      ImportSession.open(url).catch((error: unknown) => error),
    ])
    for (const error of errors) expect(databaseTrouble(error)).toMatchObject({ code: 'database_unavailable' })
  } finally {
    await db.destroy()
    server.close()
  }
})
