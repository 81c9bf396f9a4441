import fc from 'fast-check'
import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { beforeAll, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../test/harness/database.ts'
import { type ActiveIndicator, COUNTS, compilePredicate, recomputeRollups, rollupKey } from './compile.ts'
import { insertSomebody } from './examples.ts'
import type { Predicate } from './indicator.ts'

/** People by their accounts' places. */
const PEOPLE = [[0, 1], [2, 3], [4]] as const
const personOf = (account: number) => PEOPLE.findIndex((accounts) => (accounts as readonly number[]).includes(account))
const DAYS = ['2026-03-30', '2026-03-31', '2026-04-01'] as const

/** Few keys, so that they meet often, and often none. */
const key = fc.option(fc.integer({ min: 1, max: 3 }))
const forms = { name_key: key, last_name_key: key, address_key: key, street_key: key, department_key: key }
const profile = fc.record(forms)
type Profile = typeof profile extends fc.Arbitrary<infer P> ? P : never
const look = fc.record({ account: fc.nat(4), day: fc.nat(2), subject_key: key, ...forms })
type Look = typeof look extends fc.Arbitrary<infer L> ? L : never
const hospital = fc.record({
  profiles: fc.array(fc.option(profile), { minLength: 5, maxLength: 5 }),
  notices: fc.array(fc.record({ account: fc.nat(4), lastDay: fc.option(fc.nat(2)), withdrawn: fc.boolean() }), {
    maxLength: 4,
  }),
  looks: fc.array(look, { minLength: 1, maxLength: 40 }),
})
type Hospital = typeof hospital extends fc.Arbitrary<infer H> ? H : never

/** What each predicate says of a look, from nothing but what is in the hospital's books. */
const SAYS: readonly [Predicate, (h: Hospital, look: Look) => boolean][] = [
  relation('self', (p, l) => same(p, l, 'name_key') && (same(p, l, 'address_key') || lacks(p, l))),
  relation('household', (p, l) => same(p, l, 'address_key') && p.name_key !== l.name_key),
  relation(
    'family_name',
    (p, l) => same(p, l, 'last_name_key') && p.name_key !== l.name_key && p.address_key !== l.address_key,
  ),
  relation('neighbour', (p, l) => same(p, l, 'street_key') && p.address_key !== l.address_key),
  [
    { field: 'relation', in: ['colleague'] },
    (h, l) =>
      l.last_name_key !== null &&
      h.profiles.some(
        (p, n) =>
          p !== null &&
          personOf(n) !== personOf(l.account) &&
          same(p, l, 'name_key') &&
          (same(p, l, 'address_key') || lacks(p, l)),
      ),
  ],
  [{ field: 'other_department', is: true }, isElsewhere],
  [{ field: 'never_in_department', is: true }, isOfNobodyThere],
  [{ not: { field: 'never_in_department', is: true } }, (h, l) => !isOfNobodyThere(h, l)],
  [
    { field: 'after_last_day', is: true },
    (h, l) =>
      h.notices.some(
        ({ account, lastDay, withdrawn }) =>
          !withdrawn && lastDay !== null && personOf(account) === personOf(l.account) && l.day > lastDay,
      ),
  ],
]

function relation(
  name: 'self' | 'household' | 'family_name' | 'neighbour',
  is: (profile: Profile, look: Look) => boolean,
): (typeof SAYS)[number] {
  const says = (h: Hospital, l: Look) => l.last_name_key !== null && own(h, l).some((p) => is(p, l))
  return [{ field: 'relation', in: [name] }, says]
}

function own({ profiles }: Hospital, { account }: Look): Profile[] {
  return profiles.filter((p, n): p is Profile => p !== null && personOf(n) === personOf(account))
}

function same(profile: Profile, look: Look, form: keyof Profile): boolean {
  return profile[form] !== null && profile[form] === look[form]
}

function lacks(profile: Profile, look: Look): boolean {
  return profile.address_key === null || look.address_key === null
}

function departments(h: Hospital, l: Look): number[] {
  return own(h, l).flatMap(({ department_key }) => department_key ?? [])
}

function isElsewhere(h: Hospital, l: Look): boolean {
  const mine = departments(h, l)
  return l.department_key !== null && mine.length > 0 && !mine.includes(l.department_key)
}

function isOfNobodyThere(h: Hospital, l: Look): boolean {
  if (l.last_name_key === null) return false
  if (l.subject_key === null) return isElsewhere(h, l)
  const mine = departments(h, l)
  const met = h.looks.filter(({ subject_key }) => subject_key === l.subject_key).map((each) => each.department_key)
  return mine.length > 0 && met.some((each) => each !== null) && !met.some((each) => mine.includes(each as number))
}

const indicators = SAYS.map(
  ([where], n): ActiveIndicator => ({ id: `says-${n}`, version: 1, where, measure: { of: 'count' } }),
)

let t: TestDatabase
const accounts: number[] = []
beforeAll(async () => {
  t = await testDatabase()
  for (const day of DAYS) await sql`select ensure_month(${day}::date)`.execute(t.db)
  for (const held of PEOPLE) {
    const { personId, identityId } = await insertSomebody(t.db)
    accounts.push(identityId)
    if (held.length === 1) continue
    const { identityId: further } = await insertSomebody(t.db)
    await t.db.updateTable('identity').set({ person_id: personId }).where('id', '=', further).execute()
    accounts.push(further)
  }
  return () => t[Symbol.asyncDispose]()
})

async function store({ profiles, notices, looks }: Hospital): Promise<void> {
  await sql`truncate activity, indicator_day, subject_department, profile_key`.execute(t.db)
  await sql`delete from fact`.execute(t.db)
  const rows = profiles.flatMap((p, n) => (p === null ? [] : [{ ...p, identity_id: accounts[n] }]))
  await sql`insert into profile_key select * from jsonb_populate_recordset(null::profile_key, ${JSON.stringify(rows)})`.execute(
    t.db,
  )
  const connectorId = uuid()
  await sql`insert into connector (id, kind, name, state, settings, every_seconds) values (${connectorId}, 'hr', ${connectorId}, 'draft', '{}', 60)`.execute(
    t.db,
  )
  const importId = uuid()
  await sql`insert into import (id, connector_id, source, state, nominal_at) values (${importId}, ${connectorId}, 'request', 'running', now())`.execute(
    t.db,
  )
  for (const [n, { account, lastDay, withdrawn }] of notices.entries()) {
    await sql`
      insert into fact (id, identity_id, kind, natural_key, content_key, effective_at, last_working_at, withdrawn, import_id, line)
      values (${uuid()}, ${accounts[account]}, 'resignation', ${n}, ${uuid()}, now(),
              ${lastDay === null ? null : `${DAYS[lastDay]}T23:00:00Z`}, ${withdrawn}, ${importId}, ${n})`.execute(t.db)
  }
  const activities = looks.map(({ account, day, subject_key, ...of }, n) => ({
    identity_id: accounts[account],
    at: `${DAYS[day]}T10:00:00Z`,
    source_key: uuid(),
    connector_id: connectorId,
    import_id: importId,
    verb: 'view',
    native_event: 'Chart viewed',
    outcome: 'success',
    actor_kind: 'user',
    object_key: n,
    subject_key,
    ...Object.fromEntries(Object.entries(of).map(([form, value]) => [`subject_${form}`, value])),
  }))
  await sql`insert into activity select * from jsonb_populate_recordset(null::activity, ${JSON.stringify(activities)})`.execute(
    t.db,
  )
  await sql`
    insert into subject_department
    select distinct subject_key, subject_department_key from activity where subject_key is not null`.execute(t.db)
}

test('what is known of a person once says the same as what each activity asks anew, and both what the books say', async () => {
  await fc.assert(
    fc.asyncProperty(hospital, async (drawn) => {
      await store(drawn)
      await t.db.transaction().execute(async (tx) => {
        await sql`
          create temp table looked_day on commit drop as
          select identity_id, (at at time zone 'UTC')::date as day from activity`.execute(tx)
        await recomputeRollups(tx, indicators, 'pg_temp.looked_day')
      })
      const rollups = await sql<{ key: string; n: number }>`
        select rollup_key as key, sum(count)::int as n from indicator_day group by 1`.execute(t.db)
      const counted = new Map(rollups.rows.map(({ key: rollup, n }) => [rollup, n]))
      for (const [n, indicator] of indicators.entries()) {
        const [where, says] = SAYS[n] as (typeof SAYS)[number]
        const { rows } = await sql<{ n: number }>`
          select count(*)::int as n from activity a where ${COUNTS} and ${compilePredicate(indicator)}`.execute(t.db)
        const expected = drawn.looks.filter((each) => says(drawn, each)).length
        expect({ where, once: counted.get(rollupKey(indicator)) ?? 0, anew: rows[0]?.n }).toEqual({
          where,
          once: expected,
          anew: expected,
        })
      }
    }),
    { numRuns: 100 },
  )
}, 60_000)
