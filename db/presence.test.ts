import { expect, test } from 'vitest'
import { testDatabase } from '../test/harness/database.ts'
import { eventually } from '../test/harness/world.ts'
import { claimKey, type KeyedRequest, keepAnswer, releaseKey } from './idempotency.ts'
import { Presence } from './presence.ts'
import { createStaff } from './staff.ts'

test('a key outlives neither its process nor the connection by which the process says that it lives', async () => {
  await using t = await testDatabase()
  const staffId = await createStaff(t.db, { name: 'Somebody', roles: ['analyst'] })
  const request = (holder: number | null): KeyedRequest => ({
    staffId,
    key: 'one',
    operation: 'escalateAlert',
    digest: 'd',
    holder,
  })
  const claim = (holder: number | null) => claimKey(t.db, request(holder)).catch(({ code }: { code: string }) => code)
  await using second = await Presence.open(t.url)

  const first = await Presence.open(t.url)
  const lost = first.id
  expect(await claim(lost)).toBeNull()
  expect(await claim(second.id)).toBe('request_in_progress')
  // As after a restart of PostgreSQL.
  await t.pool.query(
    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid::bigint = $1",
    [lost],
  )
  await eventually(async () => first.id, { until: (id) => id !== null && id !== lost })
  expect(await claim(first.id)).toBeNull()
  // What the first call leaves behind is no longer its own.
  await releaseKey(t.db, request(lost))
  expect(await claim(second.id)).toBe('request_in_progress')

  await first[Symbol.asyncDispose]()
  expect(first.id).toBeNull()
  expect(await claim(second.id)).toBeNull()
  await keepAnswer(t.db, request(second.id), { status: 200, body: {}, headers: {} })
  expect(await claim(null)).toEqual({ status: 200, body: {}, headers: {} })
  await second[Symbol.asyncDispose]()
  expect(await claim(null)).toEqual({ status: 200, body: {}, headers: {} })
})
