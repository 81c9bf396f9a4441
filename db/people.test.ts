import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { testDatabase } from '../test/harness/database.ts'
import { type IdentityCache, identifierText, resolveIdentities } from './people.ts'
import { openSealed } from './vault.ts'

const account = (n: number) => ({ scheme: 'address' as const, value: `dana.smith-${n}@example.com` })
const accounts = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => account(from + n))

test('imports that meet the same new accounts at once agree on one identity of each', async () => {
  await using t = await testDatabase()
  const met = await Promise.all(
    [accounts(0, 300), accounts(100, 400), accounts(0, 400).reverse(), accounts(250, 260)].map(async (asked) => {
      const cache: IdentityCache = new Map()
      await resolveIdentities(t.db, t.vault, asked, cache)
      expect(cache.size).toBe(asked.length)
      return cache
    }),
  )
  const all = new Map(met.flatMap((cache) => [...cache]))
  for (const cache of met) for (const [text, id] of cache) expect(all.get(text)).toBe(id)

  const stored = await t.db
    .selectFrom('identity')
    .innerJoin('person', 'person.id', 'identity.person_id')
    .select(['identity.id', 'identity.sealed_id', 'person.id as person', 'person.pseudonym'])
    .execute()
  expect(stored).toHaveLength(400)
  expect(new Set(stored.map(({ person }) => person)).size).toBe(400)
  const opened = await openSealed(
    t.db,
    t.vault,
    stored.map(({ sealed_id }) => sealed_id),
  )
  for (const { id, sealed_id } of stored)
    expect(all.get(identifierText(JSON.parse(String(opened.get(sealed_id)))))).toBe(id)
  const counted = await sql<Record<string, number>>`
    select (select count(*)::int from person) as people,
           (select count(*)::int from sealed_value where purpose = 'identity') as sealed,
           (select count(distinct person_id)::int from name_token) as named`.execute(t.db)
  expect(counted.rows[0]).toEqual({ people: 400, sealed: 400, named: 400 })
})
