import pg from 'pg'
import { expect, test } from 'vitest'
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

test.each([['23505'], ['42P01'], ['xECONNREFUSED']])('%s is no trouble of the server', (code) =>
  expect(databaseTrouble(withCode(code))).toBeNull(),
)

test('what has no code is none', () => {
  expect(databaseTrouble(new Error('53100'))).toBeNull()
  expect(databaseTrouble(undefined)).toBeNull()
})
