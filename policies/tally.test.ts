import fc from 'fast-check'
import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import { ensureMonths } from '../db/activities.ts'
import { ActivityRows } from '../db/activity-rows.ts'
import type { StagedActivity } from '../db/activity-writer.ts'
import { ImportSession } from '../db/import-session.ts'
import type { Activity } from '../domain/signal.ts'
import { type TestDatabase, testDatabase } from '../test/harness/database.ts'
import { type Storing, storeActivities } from '../test/harness/storing.ts'
import { type ActiveIndicator, recomputeRollups, rollupKey } from './compile.ts'
import { DayUnderWay } from './day-under-way.ts'
import { insertLastDay, insertSomebody } from './examples.ts'
import { loadIndicators } from './load.ts'
import { Matcher } from './matching.ts'
import { PersonDays } from './person-days.ts'
import { MeetingBook } from './seen.ts'
import { TALLY_LIMITS, Tally } from './tally.ts'

const FIRST_DAY = Date.parse('2026-04-29T00:00:00Z')
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

let t: TestDatabase
let session: ImportSession
let people: number[]
beforeAll(async () => {
  t = await testDatabase()
  session = await ImportSession.open(t.url)
  await ensureMonths(t.db, ['2026-04-29', '2026-05-01'])
  people = []
  for (let n = 0; n < 3; n += 1) people.push((await insertSomebody(t.db)).identityId)
  // The first of them has left by then.
  await insertLastDay(t.db, people[0] as number)
  return async () => {
    await session[Symbol.asyncDispose]()
    await t[Symbol.asyncDispose]()
  }
})
const forget = () =>
  sql`truncate activity, activity_newest, activity_correction, indicator_day, identity_seen`.execute(t.db)
beforeEach(async () => {
  await forget()
})

let events = 0
function stage(who: number, ms: number, says: Partial<Activity> = {}): StagedActivity {
  events += 1
  return {
    activity: {
      type: 'activity',
      sourceId: `event-${events}`,
      actor: { scheme: 'user_name', value: 'nobody' },
      actorKind: 'user',
      at: new Date(FIRST_DAY + ms),
      verb: 'download',
      nativeEvent: 'GetObject',
      outcome: 'success',
      ...says,
    },
    ordinal: 0,
    identityId: people[who] as number,
    containerId: null,
    sourceIndex: 0,
    origin: { network: null, country: null },
  }
}

const rollups = async () =>
  (await sql`select * from indicator_day order by identity_id, day, rollup_key`.execute(t.db)).rows

/** All anew, from what is stored. */
async function countedByDatabase(indicators: readonly ActiveIndicator[]) {
  await t.db.transaction().execute(async (tx) => {
    await sql`create temp table stored_day on commit drop as
      select distinct identity_id, (at at time zone 'UTC')::date as day from activity`.execute(tx)
    await sql`truncate indicator_day`.execute(tx)
    await recomputeRollups(tx, indicators, 'pg_temp.stored_day')
  })
  return rollups()
}

/** Two connectors, three people, three days over the end of a month; what comes together is of one transaction. */
const arrivals = fc.array(
  fc.record({
    connector: fc.constantFrom(0, 0, 0, 0, 1),
    importOf: fc.nat(1),
    records: fc.array(
      fc.record({
        who: fc.nat(2),
        minute: fc.nat(3 * 24 * 60 - 1),
        verb: fc.constantFrom<Activity['verb']>('download', 'delete', 'secret_read', 'share_add', 'physical_access'),
        outcome: fc.constantFrom<Activity['outcome']>('success', 'success', 'blocked'),
        actorKind: fc.constantFrom<Activity['actorKind']>('user', 'user', 'service'),
        object: fc.option(fc.constantFrom('one.csv', 'two.csv'), { nil: undefined }),
        sizeBytes: fc.option(fc.nat(5_000_000_000), { nil: undefined }),
        itemCount: fc.option(fc.nat(40), { nil: undefined }),
        amount: fc.option(fc.integer({ min: -5, max: 5 }), { nil: undefined, freq: 2 }),
        destinationIsExternal: fc.option(fc.boolean(), { nil: undefined }),
      }),
      { minLength: 1, maxLength: 12 },
    ),
  }),
  { minLength: 2, maxLength: 6 },
)

test('rollups that are counted before their rows can be read are those that the database counts of all rows', async () => {
  const indicators: ActiveIndicator[] = [...loadIndicators().values()].map((each) => ({
    ...each,
    timeZone: 'Asia/Kolkata',
  }))
  const connectors = [uuid(), uuid()]
  let counted = 0
  await fc.assert(
    fc.asyncProperty(arrivals, async (all) => {
      await forget()
      // In order of time or not: both happen.
      const imports = [0, 1, 2, 3].map(() => ({ book: new MeetingBook(), underWay: new DayUnderWay() }))
      for (const { connector, importOf, records } of all) {
        const staged = records.map(({ who, minute, ...says }, ordinal) => {
          const told = Object.fromEntries(Object.entries(says).filter(([, value]) => value !== undefined))
          return { ...stage(who, minute * 60_000, told), ordinal }
        })
        const connectorId = connectors[connector] as string
        const storing = { vault: t.vault, connectorId, indicators: async () => indicators }
        await storeActivities(session, { ...storing, ...imports[2 * connector + importOf] }, staged)
      }
      const arrived = await rollups()
      counted += arrived.length
      expect(arrived).toEqual(await countedByDatabase(indicators))
    }),
    { numRuns: 30 },
  )
  expect(counted).toBeGreaterThan(100)
}, 120_000)

const ASKED: ActiveIndicator = {
  id: 'of-another-kind',
  version: 1,
  where: { field: 'connector_kind', in: ['another'] },
  measure: { of: 'count' },
}
/** It takes the connector for another one: what it tells, and the database does not, shows who has counted. */
const telling = () => new Matcher([ASKED], 'another')

/** Stores activities as an import of a connector, and returns how many each person was counted for by the import itself. */
async function store(
  activities: readonly StagedActivity[],
  storing: Partial<Storing> & { connectorId: string },
): Promise<(number | undefined)[]> {
  await storeActivities(
    session,
    { vault: t.vault, indicators: async () => [ASKED], matcher: telling(), ...storing },
    activities.map((each, ordinal) => ({ ...each, ordinal })),
  )
  const rows = await t.db
    .selectFrom('indicator_day')
    .select(['identity_id', sql<number>`sum(count)::int`.as('count')])
    .where('rollup_key', '=', rollupKey(ASKED))
    .groupBy('identity_id')
    .execute()
  return people.map((id) => rows.find(({ identity_id }) => identity_id === id)?.count)
}

const another = uuid()

test('a day of which nobody has stored anything is counted by the import, a day that others have begun by the database', async () => {
  const connectorId = uuid()
  expect(await store([stage(0, 0), stage(0, HOUR_MS), stage(1, DAY_MS)], { connectorId })).toEqual([2, 1, undefined])
  // The second day is begun, by another connector or an import of before; the third is not, whose month is another one.
  for (const each of [another, connectorId])
    expect(await store([stage(2, DAY_MS + HOUR_MS)], { connectorId: each })).toEqual([2, 1, undefined])
  expect(await store([stage(2, 2 * DAY_MS)], { connectorId })).toEqual([2, 1, 1])
})

test('an import goes on counting within the day in which its last transaction ended, whom it had not met there', async () => {
  const underWay = new DayUnderWay()
  const connectorId = uuid()
  await store([stage(0, 0), stage(0, DAY_MS)], { connectorId, underWay })
  // What is stored already of the first person is left to the database, which takes nothing of this away.
  const met = await store([stage(0, DAY_MS + 1), stage(1, DAY_MS + 1)], { connectorId, underWay })
  expect(met).toEqual([2, 1, undefined])
  expect(await store([stage(1, DAY_MS + 2), stage(2, DAY_MS + 2)], { connectorId, underWay })).toEqual([2, 1, 1])
})

test('it no longer does once anybody else has stored something of that day, an earlier record of its own connector too', async () => {
  for (const [connectorId, ms] of [
    [another, DAY_MS + HOUR_MS],
    [undefined, DAY_MS],
  ] as const) {
    await forget()
    const underWay = new DayUnderWay()
    const own = uuid()
    await store([stage(0, DAY_MS + 10)], { connectorId: own, underWay })
    await store([stage(2, ms)], { connectorId: connectorId ?? own })
    expect(await store([stage(1, DAY_MS + 20)], { connectorId: own, underWay })).toEqual([1, undefined, undefined])
  }
})

test('what another connector stores meanwhile is counted with it', async () => {
  await using other = await ImportSession.open(t.url)
  const stored = async () => {
    const storing = { vault: t.vault, connectorId: another, indicators: async () => [ASKED] }
    await storeActivities(other, storing, [stage(0, HOUR_MS)])
  }
  expect(await store([stage(0, 0), stage(1, 0)], { connectorId: uuid(), stored })).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})

test('indicators that changed since an activity was told of are counted by the database', async () => {
  const changed: ActiveIndicator = { ...ASKED, where: { field: 'verb', in: ['download'] } }
  expect(await store([stage(0, 0)], { connectorId: uuid(), indicators: async () => [changed] })).toEqual([
    undefined,
    undefined,
    undefined,
  ])
  expect(await rollups()).toMatchObject([{ rollup_key: rollupKey(changed), count: 1 }])
})

test('more than a number can hold exactly is summed up by the database', async () => {
  const most = Number.MAX_SAFE_INTEGER
  const downloads: ActiveIndicator = { ...ASKED, where: { field: 'verb', in: ['download'] } }
  const matcher = new Matcher([downloads], 'none')
  const sizes = [most, most, 1].map((sizeBytes, n) => stage(0, n, { sizeBytes }))
  await store(sizes, { connectorId: uuid(), indicators: async () => [downloads], matcher })
  const { rows } = await sql`select bytes::text from indicator_day`.execute(t.db)
  expect(rows).toEqual([{ bytes: String(2n ** 54n - 1n) }])
})

test('more rollups and objects than there is room for at first are all counted', async () => {
  const indicators = Array.from(
    { length: 400 },
    (_, n): ActiveIndicator => ({ ...ASKED, where: { field: 'size_bytes', atLeast: n } }),
  )
  const matcher = new Matcher(indicators, 'none')
  const looks = people.flatMap((_, who) =>
    ['one.csv', 'two.csv', 'one.csv'].map((object, n) => stage(who, n, { object, sizeBytes: 1_000 })),
  )
  await storeActivities(
    session,
    { vault: t.vault, connectorId: uuid(), indicators: async () => indicators, matcher },
    looks.map((each, ordinal) => ({ ...each, ordinal })),
  )
  const counted = await rollups()
  expect(counted).toHaveLength(people.length * indicators.length)
  expect(counted[0]).toMatchObject({ count: 3, objects: 2 })
  expect(counted).toEqual(await countedByDatabase(indicators))
})

test('a tally gives up where it would hold too much, and where its rows were told of for other rollups', () => {
  const matcher = telling()
  const other = new Matcher([{ ...ASKED, where: { field: 'verb', in: ['download'] } }], 'none')
  const isCounted = (matchers: readonly Matcher[], limits: Partial<typeof TALLY_LIMITS> = {}) => {
    const tally = new Tally({ ...TALLY_LIMITS, ...limits })
    const days = new PersonDays()
    for (const [who, each] of matchers.entries()) {
      const rows = new ActivityRows(t.vault, { connectorId: another, importId: uuid(), textsId: null })
      const staged = stage(who, 0, { object: 'one.csv' })
      rows.add({ ...staged, hits: each.hitsOf(staged) })
      const stored = { rows, order: rows.inOrder() }
      tally.take(stored, each, days.take(stored), days, () => true)
    }
    return matchers.map((_, place) => tally.isCounted(place))
  }
  expect(isCounted([matcher, telling()])).toEqual([true, true])
  expect(isCounted([matcher, other])).toEqual([false, false])
  for (const limit of ['rollups', 'objects', 'personDays'])
    expect(isCounted([matcher, matcher], { [limit]: 1 })).toEqual([false, false])
})
