import fc from 'fast-check'
import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { expect, test } from 'vitest'
import { ensureMonths } from '../db/activities.ts'
import { ImportSession } from '../db/import-session.ts'
import { activitiesOf, type Finding } from '../domain/signal.ts'
import { rollupKey } from '../policies/compile.ts'
import { insertSomebody } from '../policies/examples.ts'
import { type IndicatorDefinition, indicatorSchema } from '../policies/indicator.ts'
import { activeIndicators } from '../policies/load.ts'
import { type Importing, importing } from './harness/importing.ts'
import { insertPolicy } from './harness/rows.ts'
import { storeActivities } from './harness/storing.ts'

const connectorId = uuid()
const TODAY = new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000)
const hours = (count: number) => new Date(TODAY.getTime() + count * 3_600_000)

const ALERT = { verb: 'finding', nativeEvent: 'Suspicious tool', severity: 'high', category: 'defense_evasion' }
const indicator: IndicatorDefinition = indicatorSchema.parse({
  id: 'test-open-alerts',
  version: 1,
  title: 'Open alerts of another product',
  says: 'Another product has {value} open alerts.',
  family: 'security',
  needs: ['custom-file'],
  where: {
    all: [
      { field: 'verb', in: ['finding'] },
      { field: 'finding_state', in: ['open', 'resolved'] },
    ],
  },
  measure: { of: 'count' },
  unit: 'alerts',
  tiers: { low: 1, medium: 2, high: 3 },
  weights: { low: 0.3, medium: 0.5, high: 0.7 },
  innocent: ['A tool that the person was asked to try.'],
  examples: [
    { name: 'open', activities: [ALERT], finds: 'low' },
    { name: 'a false positive', activities: [{ ...ALERT, findingState: 'false_positive' }], finds: null },
  ],
})

type Version = Pick<Finding, 'sourceId' | 'versionAt' | 'state'> & { people: readonly number[] }

/** Stores versions in one chunk, as an import does. */
async function store(
  t: Importing,
  session: ImportSession,
  identities: readonly number[],
  versions: readonly Version[],
) {
  const rows = versions.flatMap(({ people, ...version }, ordinal) =>
    activitiesOf({
      ...version,
      type: 'finding',
      at: hours(10),
      severity: 'high',
      category: 'defense_evasion',
      nativeEvent: 'Suspicious tool',
      product: 'defender_endpoint',
      people: people.map((index) => ({ scheme: 'user_name', value: `user-${index}` })),
    }).map((activity, n) => ({ activity, ordinal, identityId: identities[people[n] as number] as number })),
  )
  return storeActivities(
    session,
    { vault: t.t.vault, connectorId, indicators: activeIndicators },
    rows.map((row) => ({ ...row, containerId: null, sourceIndex: 0, origin: { network: null, country: null } })),
  )
}

async function prepared(t: Importing, people: number) {
  await ensureMonths(t.t.db, [TODAY.toISOString().slice(0, 10)])
  const somebody = []
  for (let n = 0; n < people; n += 1) somebody.push(await insertSomebody(t.t.db))
  const policyId = await insertPolicy(
    t.t,
    'data-leaks',
    'Alerts',
    {
      raiseAt: 40,
      triggers: { indicators: [{ id: indicator.id, tier: 'low' }] },
      indicators: [{ id: indicator.id }],
    },
    [indicator],
  )
  return { policyId, somebody, identities: somebody.map(({ identityId }) => identityId) }
}

const rollups = async (t: Importing) =>
  (
    await sql<{ identity_id: number; count: number }>`
      select identity_id, count::int as count from indicator_day where rollup_key = ${rollupKey(indicator)}::uuid order by 1`.execute(
      t.t.db,
    )
  ).rows

test('of the versions of a finding the newest counts, for everybody whom it names, in whatever order they come', {
  timeout: 120_000,
}, async () => {
  await using t = await importing()
  await using session = await ImportSession.open(t.t.url)
  const { identities } = await prepared(t, 3)
  const states = fc.constantFrom<Finding['state']>('open', 'resolved', 'false_positive')
  const drawn = fc.array(
    fc.record({
      sourceId: fc.constantFrom('alert-1', 'alert-2'),
      hour: fc.nat(5),
      state: states,
      people: fc.subarray([0, 1, 2], { minLength: 1 }),
    }),
    { minLength: 1, maxLength: 10 },
  )
  let counted = 0
  await fc.assert(
    fc.asyncProperty(drawn, fc.infiniteStream(fc.nat()), fc.integer({ min: 1, max: 4 }), async (all, ranks, size) => {
      // One version is written once: what it says does not change.
      const versions = [...new Map(all.map((each) => [`${each.sourceId}/${each.hour}`, each])).values()].map(
        ({ hour, ...each }) => ({ ...each, versionAt: hours(hour) }),
      )
      const newest = new Map<string, Version>()
      for (const version of versions) {
        const known = newest.get(version.sourceId)
        if (!known || known.versionAt < version.versionAt) newest.set(version.sourceId, version)
      }
      const expected = identities.flatMap((identity_id, index) => {
        const count = [...newest.values()].filter(
          ({ state, people }) => state !== 'false_positive' && people.includes(index),
        ).length
        return count === 0 ? [] : [{ identity_id, count }]
      })
      await sql`truncate activity, indicator_day, identity_seen`.execute(t.t.db)
      const mixed = versions
        .map((version) => ({ version, rank: ranks.next().value as number }))
        .sort((a, b) => a.rank - b.rank)
        .map(({ version }) => version)
      let stored = 0
      for (let from = 0; from < mixed.length; from += size)
        stored += await store(t, session, identities, mixed.slice(from, from + size))
      expect(stored).toBe(versions.length)
      expect(await rollups(t)).toEqual(expected)
      // Sent again, nothing is stored and nothing changes.
      expect(await store(t, session, identities, mixed)).toBe(0)
      expect(await rollups(t)).toEqual(expected)
      counted += expected.length
    }),
    { numRuns: 25, seed: 20260310 },
  )
  expect(counted).toBeGreaterThan(20)
})

test('two imports that bring two versions at the same moment leave the newer one', { timeout: 60_000 }, async () => {
  await using t = await importing()
  await using first = await ImportSession.open(t.t.url)
  await using second = await ImportSession.open(t.t.url)
  const { identities } = await prepared(t, 1)
  for (let round = 0; round < 10; round += 1) {
    const version = { sourceId: `alert-${round}`, people: [0] }
    await Promise.all([
      store(t, first, identities, [{ ...version, versionAt: hours(1), state: 'open' }]),
      store(t, second, identities, [{ ...version, versionAt: hours(2), state: 'false_positive' }]),
    ])
  }
  expect(await rollups(t)).toEqual([])
})

test('a finding that its source closes as a false positive takes its share of the score back, by a version that says so', {
  timeout: 60_000,
}, async () => {
  await using t = await importing()
  await using session = await ImportSession.open(t.t.url)
  const { policyId, identities, somebody } = await prepared(t, 1)
  const [person] = somebody
  let looks = 0
  const look = async () => {
    looks += 1
    // As of one instant a policy is evaluated once.
    await t.evaluate(policyId, new Date(hours(22).getTime() + looks * 1000))
    return t.t.db
      .selectFrom('alert')
      .innerJoin('alert_version', 'alert_version.alert_id', 'alert.id')
      .select(['alert.person_id', 'alert_version.version', 'alert_version.change', 'alert_version.score'])
      .orderBy('alert_version.version')
      .execute()
  }
  const open = { versionAt: hours(1), state: 'open' as const, people: [0] }
  await store(t, session, identities, [
    { ...open, sourceId: 'alert-1' },
    { ...open, sourceId: 'alert-2' },
  ])
  const raised = { person_id: person?.personId, version: 1, change: 'created', score: 50 }
  expect(await look()).toEqual([raised])
  await store(t, session, identities, [
    { sourceId: 'alert-1', versionAt: hours(3), state: 'false_positive', people: [0] },
  ])
  expect(await look()).toEqual([raised, { ...raised, version: 2, change: 'rescored', score: 30 }])
  // An older version that comes late changes nothing.
  await store(t, session, identities, [{ sourceId: 'alert-1', versionAt: hours(2), state: 'open', people: [0] }])
  expect(await look()).toHaveLength(2)
})
