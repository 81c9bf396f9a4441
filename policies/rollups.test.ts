import fc from 'fast-check'
import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { expect, test } from 'vitest'
import { ensureMonths } from '../db/activities.ts'
import { ImportSession } from '../db/import-session.ts'
import type { Activity } from '../domain/signal.ts'
import { addDays } from '../domain/window.ts'
import { type TestDatabase, testDatabase } from '../test/harness/database.ts'
import { storeActivities } from '../test/harness/storing.ts'
import { type ActiveIndicator, hasRollups, rebuildRollups, rollupKey } from './compile.ts'
import { DayUnderWay } from './day-under-way.ts'
import { insertSomebody } from './examples.ts'
import { loadIndicators } from './load.ts'
import { MeetingBook } from './seen.ts'

const connectorId = uuid()
const indicators: ActiveIndicator[] = [...loadIndicators().values()].map((indicator) =>
  indicator.id === 's3-off-hours' ? { ...indicator, timeZone: 'Asia/Kolkata' } : indicator,
)

const SECRET_READ = rollupKey(indicators.find(({ id }) => id === 'aws-secret-read') as ActiveIndicator)

const REBUILT = indicators.filter(hasRollups).slice(0, 2)

interface Drawn {
  activity: Activity
  who: number
  network: string
  country: string | null
  containerId: number
}

/** Two people, two days around UTC midnight, few values: so that they meet, repeat and correct one another often. */
const drawn: fc.Arbitrary<Drawn[]> = fc
  .array(
    fc.record({
      who: fc.nat(1),
      minute: fc.nat(2 * 24 * 60 - 1),
      verb: fc.constantFrom<Activity['verb']>('download', 'delete', 'list', 'secret_read', 'permission_policy_change'),
      outcome: fc.constantFrom<Activity['outcome']>('success', 'success', 'blocked'),
      actorKind: fc.constantFrom<Activity['actorKind']>('user', 'user', 'service'),
      object: fc.constantFrom('one.csv', 'two.csv', 'three.csv'),
      sizeBytes: fc.option(fc.nat(5_000_000_000), { nil: undefined }),
      external: fc.option(fc.boolean(), { nil: undefined }),
      network: fc.constantFrom('198.51.0.0/16', '203.0.0.0/16'),
      country: fc.constantFrom('DE', 'BR', null),
      containerId: fc.integer({ min: 1, max: 3 }),
      corrects: fc.option(fc.nat(30), { nil: undefined, freq: 3 }),
    }),
    { minLength: 1, maxLength: 30 },
  )
  .map((all) =>
    all.map((each, index) => {
      const corrected = each.corrects === undefined ? undefined : all[each.corrects % all.length]
      const supersedes = corrected && corrected !== each && corrected.who === each.who ? all.indexOf(corrected) : -1
      return {
        who: each.who,
        network: each.network,
        country: each.country,
        containerId: each.containerId,
        activity: {
          type: 'activity',
          sourceId: `event-${index}`,
          ...(supersedes >= 0 ? { supersedes: `event-${supersedes}` } : {}),
          actor: { scheme: 'user_name', value: 'nobody' },
          actorKind: each.actorKind,
          at: new Date(Date.parse('2026-03-31T00:00:00Z') + each.minute * 60_000),
          verb: each.verb,
          nativeEvent: 'Drawn',
          outcome: each.outcome,
          container: `bucket-${each.containerId}`,
          object: each.object,
          ...(each.sizeBytes === undefined ? {} : { sizeBytes: each.sizeBytes }),
          ...(each.external === undefined ? {} : { destinationIsExternal: each.external }),
        } satisfies Activity,
      }
    }),
  )

/** The same activities in another order, cut into chunks, some chunks sent twice. */
const arrival = fc.tuple(fc.array(fc.nat(), { minLength: 30, maxLength: 30 }), fc.integer({ min: 1, max: 7 }), fc.nat())

function chunksOf(all: readonly Drawn[], [order, size, repeated]: [number[], number, number]): Drawn[][] {
  const mixed = all
    .map((each, index) => ({ each, rank: order[index] ?? 0 }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ each }) => each)
  const chunks = Array.from({ length: Math.ceil(mixed.length / size) }, (_, n) => mixed.slice(n * size, (n + 1) * size))
  return [...chunks, chunks[repeated % chunks.length] as Drawn[]]
}

async function arrive(t: TestDatabase, session: ImportSession, people: readonly number[], chunks: readonly Drawn[][]) {
  await sql`truncate activity, activity_newest, activity_correction, indicator_day, identity_seen`.execute(t.db)
  const [book, underWay] = [new MeetingBook(), new DayUnderWay()]
  for (const chunk of chunks) {
    const staged = chunk.map(({ activity, who, network, country, containerId }, ordinal) => ({
      activity,
      ordinal,
      identityId: people[who] as number,
      containerId,
      sourceIndex: 0,
      origin: { network, country },
    }))
    await storeActivities(
      session,
      { vault: t.vault, connectorId, indicators: async () => indicators, book, underWay },
      staged,
    )
  }
  return stateOf(t)
}

async function stateOf(t: TestDatabase) {
  const rollups = await sql`select * from indicator_day order by identity_id, day, rollup_key`.execute(t.db)
  const seen = await sql`select * from identity_seen order by identity_id, dimension, value`.execute(t.db)
  return { rollups: rollups.rows, seen: seen.rows }
}

test('any order, cutting and repetition of the same activities ends in the same rollups and first meetings', async () => {
  await using t = await testDatabase()
  await using session = await ImportSession.open(t.url)
  await ensureMonths(t.db, ['2026-03-31', '2026-04-01'])
  const people = [(await insertSomebody(t.db)).identityId, (await insertSomebody(t.db)).identityId]
  let rows = 0
  await fc.assert(
    fc.asyncProperty(drawn, arrival, async (all, how) => {
      const atOnce = await arrive(t, session, people, [all])
      const otherwise = await arrive(t, session, people, chunksOf(all, how))
      expect(otherwise).toEqual(atOnce)
      rows += atOnce.rollups.length
      // Built anew from what is stored, for whoever adds an indicator later.
      await sql`truncate indicator_day`.execute(t.db)
      await rebuildRollups(t.db, REBUILT)
      const kept = new Set(REBUILT.map(rollupKey))
      expect((await stateOf(t)).rollups).toEqual(
        atOnce.rollups.filter((row) => kept.has((row as { rollup_key: string }).rollup_key)),
      )
    }),
    { numRuns: 8, seed: 20260331 },
  )
  expect(rows).toBeGreaterThan(12)
}, 120_000)

const read = (n: number, changes: Partial<Activity> = {}): Drawn => ({
  who: 0,
  network: '198.51.0.0/16',
  country: 'DE',
  containerId: 1,
  activity: {
    type: 'activity',
    sourceId: `read-${n}`,
    actor: { scheme: 'user_name', value: 'nobody' },
    actorKind: 'user',
    at: new Date('2026-03-31T10:00:00Z'),
    verb: 'secret_read',
    nativeEvent: 'GetSecretValue',
    outcome: 'success',
    ...changes,
  },
})

test('a rollup whose only activity was corrected disappears, and so does its first meeting', async () => {
  await using t = await testDatabase()
  await using session = await ImportSession.open(t.url)
  await ensureMonths(t.db, ['2026-03-31'])
  const people = [(await insertSomebody(t.db)).identityId]
  const before = await arrive(t, session, people, [[read(1)]])
  expect(before.rollups).toMatchObject([{ rollup_key: SECRET_READ, count: 1 }])
  expect(before.seen).toHaveLength(4)
  const correction = { ...read(2, { supersedes: 'read-1', outcome: 'failure' }), country: 'FR' }
  const after = await arrive(t, session, people, [[read(1)], [correction]])
  expect(after.rollups).toEqual([])
  expect(after.seen).toMatchObject([
    { dimension: 'any' },
    { dimension: 'container' },
    { dimension: 'country', value: 'FR' },
    { dimension: 'network' },
  ])
})

test('values in predicates are bound, never pasted', async () => {
  await using t = await testDatabase()
  await using session = await ImportSession.open(t.url)
  await ensureMonths(t.db, ['2026-03-31'])
  const people = [(await insertSomebody(t.db)).identityId]
  const name = `x'); drop table indicator_day; --`
  const hostile: ActiveIndicator = {
    id: 'hostile',
    version: 1,
    where: { all: [{ field: 'native_event', in: [name, '$1', '\\'] }, { not: { field: 'flags', contains: `'{}"` } }] },
    measure: { of: 'count' },
  }
  await arrive(t, session, people, [[read(1, { nativeEvent: name }), read(2)]])
  await rebuildRollups(t.db, [hostile])
  const rows = await t.db
    .selectFrom('indicator_day')
    .select('count')
    .where('rollup_key', '=', rollupKey(hostile))
    .execute()
  expect(rows).toEqual([{ count: 1 }])
})

test('two imports that touch one day at the same time leave the rollup of both', async () => {
  await using t = await testDatabase()
  await using first = await ImportSession.open(t.url)
  await using second = await ImportSession.open(t.url)
  await ensureMonths(t.db, ['2026-03-31'])
  const { identityId } = await insertSomebody(t.db)
  const bothStored = barrier(2)
  // Of two connectors: chunks of one are merged one after the other.
  const store = (session: ImportSession, n: number) =>
    storeActivities(
      session,
      { vault: t.vault, connectorId: uuid(), indicators: async () => indicators, stored: bothStored },
      [{ ...read(n), ordinal: 0, identityId, sourceIndex: 0, origin: { network: null, country: null } }],
    )
  await Promise.all([store(first, 1), store(second, 2)])
  expect(await t.db.selectFrom('indicator_day').select(['rollup_key', 'count']).execute()).toEqual([
    { rollup_key: SECRET_READ, count: 2 },
  ])
})

/** Returns when so many have called. */
function barrier(callers: number): () => Promise<void> {
  let open = () => {}
  const promise = new Promise<void>((resolve) => {
    open = resolve
  })
  let waiting = 0
  return () => {
    waiting += 1
    if (waiting === callers) open()
    return promise
  }
}

test('hours are those of the zone that the policy is set to, on both sides of a clock change', async () => {
  await using t = await testDatabase()
  await using session = await ImportSession.open(t.url)
  const people = [(await insertSomebody(t.db)).identityId]
  const offHours = indicators.find(({ id }) => id === 's3-off-hours') as ActiveIndicator
  // Berlin: 22:30 in winter time is 21:30 UTC, in summer time 20:30 UTC; the clocks change on 2026-03-29.
  const instants = ['2026-03-28T21:30:00Z', '2026-03-28T20:30:00Z', '2026-03-29T20:30:00Z']
  await ensureMonths(t.db, ['2026-03-28'])
  await arrive(t, session, people, [
    instants.map((at, n) =>
      read(n, { verb: 'download', at: new Date(at), object: `object-${n}`, container: 'bucket' }),
    ),
  ])
  await rebuildRollups(t.db, [{ ...offHours, timeZone: 'Europe/Berlin' }])
  const rows = await t.db
    .selectFrom('indicator_day')
    .selectAll()
    .where('rollup_key', '=', rollupKey({ ...offHours, timeZone: 'Europe/Berlin' }))
    .orderBy('day')
    .execute()
  expect(rows.map(({ day, objects }) => ({ day, objects }))).toEqual([
    { day: '2026-03-28', objects: 1 },
    { day: addDays('2026-03-28', 1), objects: 1 },
  ])
})

test('indicators that count the same activities share their rollups; other zones, predicates and what is first seen do not', () => {
  const [where, other]: ActiveIndicator['where'][] = [
    { field: 'hour', from: 20, to: 6, zone: 'policy' },
    { field: 'hour', from: 20, to: 7, zone: 'policy' },
  ]
  const key = (changes: Partial<ActiveIndicator>) =>
    rollupKey({ where: structuredClone(where) as ActiveIndicator['where'], measure: { of: 'count' }, ...changes })
  expect(key({ measure: { of: 'bytes' } })).toBe(key({}))
  const apart = [
    key({}),
    key({ timeZone: 'Asia/Tokyo' }),
    key({ where: other as ActiveIndicator['where'] }),
    key({ measure: { of: 'first_seen', dimension: 'country', historyDays: 30 } }),
    key({ measure: { of: 'first_seen', dimension: 'network', historyDays: 30 } }),
  ]
  expect(new Set(apart).size).toBe(apart.length)
})
