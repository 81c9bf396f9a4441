import fc from 'fast-check'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { ensureMonths } from '../db/activities.ts'
import { UNTOLD } from '../db/activity-rows.ts'
import type { StagedActivity } from '../db/activity-writer.ts'
import { ImportSession } from '../db/import-session.ts'
import { ACTOR_KINDS, type Activity, AUDIENCES, FINDING_STATES, OUTCOMES } from '../domain/signal.ts'
import { testDatabase } from '../test/harness/database.ts'
import { insertConnector } from '../test/harness/rows.ts'
import { storeActivities } from '../test/harness/storing.ts'
import { type ActiveIndicator, byRollup, COUNTS, compilePredicate } from './compile.ts'
import { insertSomebody } from './examples.ts'
import { type Predicate, usesLastDay } from './indicator.ts'
import { loadIndicators } from './load.ts'
import { Matcher } from './matching.ts'

const KIND = 'custom-file'
const VERBS = ['download', 'delete', 'share_add', 'print', 'permission_policy_change', 'finding', 'view'] as const
const FLAGS = ['secondary', 'public_access_block_off', 'dropbox', 'dismissed'] as const
const NAMES = ['GetObject', 'UploadPartCopy', 'Get\u0000Object', "x'); --"] as const

const text = (field: 'native_event' | 'object_ext' | 'origin_country' | 'category', ...values: string[]) =>
  ({ field, in: values }) satisfies Predicate

/** Every field that an activity tells by itself, alone and joined. */
const CONDITIONS: readonly Predicate[] = [
  { field: 'verb', in: ['download', 'print'] },
  text('native_event', 'GetObject', "x'); --"),
  { field: 'outcome', in: ['success', 'blocked'] },
  { field: 'actor_kind', in: ['user', 'unknown'] },
  { field: 'audience_after', in: ['public', 'domain'] },
  text('object_ext', 'xlsx', 'pst'),
  text('origin_country', 'DE'),
  { field: 'severity', in: ['high'] },
  text('category', 'dlp'),
  { field: 'finding_state', in: ['open'] },
  { field: 'connector_kind', in: [KIND] },
  { field: 'connector_kind', in: ['salesforce'] },
  { field: 'amount', atLeast: 2.5 },
  { field: 'destination_is_external', is: true },
  { field: 'destination_is_external', is: false },
  { field: 'flags', contains: 'secondary' },
  { field: 'size_bytes', atLeast: 1_000 },
  { field: 'hour', zone: 'policy', from: 22, to: 5 },
  { field: 'hour', zone: 'Asia/Kathmandu', from: 9, to: 17 },
  { field: 'weekday', zone: 'policy', in: [6, 7] },
]
const predicate: fc.Arbitrary<Predicate> = fc.letrec<{ any: Predicate }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    { weight: 3, arbitrary: fc.constantFrom(...CONDITIONS) },
    { weight: 1, arbitrary: fc.array(tie('any'), { minLength: 1, maxLength: 3 }).map((all) => ({ all })) },
    { weight: 1, arbitrary: fc.array(tie('any'), { minLength: 1, maxLength: 3 }).map((any) => ({ any })) },
    { weight: 1, arbitrary: tie('any').map((not) => ({ not })) },
  ),
})).any

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const activity = fc.record({
  verb: fc.constantFrom(...VERBS),
  nativeEvent: fc.constantFrom(...NAMES),
  outcome: fc.constantFrom(...OUTCOMES),
  actorKind: fc.constantFrom(...ACTOR_KINDS, 'user' as const, 'user' as const),
  minute: fc.nat(10 * 24 * 60),
  object: maybe(fc.constantFrom('plan.XLSX', 'mail.pst', 'a.b/c', 'plain')),
  country: fc.constantFrom('DE', 'BR', null),
  sizeBytes: maybe(fc.constantFrom(0, 999, 1_000, -1, 1.5, 2 ** 53)),
  audienceAfter: maybe(fc.constantFrom(...AUDIENCES)),
  destinationIsExternal: maybe(fc.boolean()),
  flags: maybe(fc.subarray([...FLAGS])),
  amount: maybe(fc.constantFrom(0, 2.5, 1e300)),
  finding: maybe(
    fc.record({
      severity: fc.constantFrom('informational' as const, 'medium' as const, 'high' as const),
      category: fc.constantFrom('dlp', 'd\u0000lp', 'other'),
      state: fc.constantFrom(...FINDING_STATES),
    }),
  ),
  isRecord: fc.boolean(),
})

type Drawn = typeof activity extends fc.Arbitrary<infer T> ? T : never

function stage(drawn: Drawn, ordinal: number, identityId: number): StagedActivity {
  const { minute, country, isRecord, ...says } = drawn
  const told = Object.fromEntries(Object.entries(says).filter(([, value]) => value !== undefined)) as typeof says
  const keys = { name: null, lastName: null, address: null, street: null, department: null }
  return {
    activity: {
      type: 'activity',
      sourceId: `event-${ordinal}`,
      actor: { scheme: 'user_name', value: 'nobody' },
      // From a Friday on, with a clock change in Berlin.
      at: new Date(Date.parse('2026-03-27T00:00:00Z') + minute * 60_000),
      ...told,
    } as Activity,
    ordinal,
    identityId,
    containerId: null,
    sourceIndex: 0,
    origin: { network: null, country },
    ...(isRecord ? { subject: { ...keys, id: '7' } } : {}),
  }
}

test('what is told of an activity before it is stored is what its predicates’ SQL tells of it then', async () => {
  await using t = await testDatabase()
  await using session = await ImportSession.open(t.url)
  await ensureMonths(t.db, ['2026-03-27', '2026-04-01'])
  const { identityId } = await insertSomebody(t.db)
  const connectorId = await insertConnector(t, KIND, {
    columns: { person: 'user', at: 'at' },
    verb: 'view',
    eventIdColumns: ['id'],
  })
  const builtIn = [...loadIndicators().values()]
    .filter(({ where }) => !usesLastDay(where))
    .map((indicator) => ({ ...indicator, timeZone: 'Europe/Berlin' }))
  let held = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(activity, { minLength: 20, maxLength: 60 }),
      fc.array(predicate, { minLength: 5, maxLength: 20 }),
      async (drawn, predicates) => {
        await sql`truncate activity, activity_newest`.execute(t.db)
        const indicators: ActiveIndicator[] = [
          ...builtIn,
          ...predicates.map((where, n) => ({
            id: `drawn-${n}`,
            version: 1,
            where,
            measure: { of: 'count' as const },
            timeZone: 'Europe/Berlin',
          })),
        ]
        const staged = drawn.map((each, n) => stage(each, n, identityId))
        await storeActivities(session, { vault: t.vault, connectorId, indicators: async () => [] }, staged)
        const counted = [...byRollup(indicators).values()]
        const { rows } = await sql<{ ordinal: number; places: number[] }>`
          select texts_index as ordinal, array_remove(array[${sql.join(
            counted.map((each, n) => sql`case when ${COUNTS} and ${compilePredicate(each)} then ${sql.lit(n)} end`),
          )}], null) as places from activity a`.execute(t.db)
        expect(rows).toHaveLength(staged.length)
        const matcher = new Matcher(indicators, KIND)
        await matcher.learn(
          t.db,
          staged.map(({ activity: { at } }) => at),
        )
        for (const { ordinal, places } of rows) {
          const hits = matcher.hitsOf(staged[ordinal] as StagedActivity)
          // Whose record it was is known of by the database alone.
          if (hits === UNTOLD && staged[ordinal]?.subject !== undefined) continue
          expect([ordinal, hits === UNTOLD ? 'untold' : matcher.placesOf(hits)]).toEqual([ordinal, places])
          held += places.length
        }
      },
    ),
    { numRuns: 25 },
  )
  expect(held).toBeGreaterThan(500)
}, 120_000)

test('of what compares with what is known of people only the database can tell, where something else does not decide', () => {
  const asks = (where: Predicate): ActiveIndicator => ({ id: 'asks', version: 1, where, measure: { of: 'count' } })
  const said = (where: Predicate, isRecord = true) => {
    const looked = stage({ ...(fc.sample(activity, 1)[0] as Drawn), isRecord, verb: 'view', actorKind: 'user' }, 0, 1)
    const matcher = new Matcher([asks(where)], KIND)
    const hits = matcher.hitsOf(looked)
    return hits === UNTOLD ? 'untold' : matcher.placesOf(hits).length === 1
  }
  const known = (holds: boolean): Predicate => ({ field: 'connector_kind', in: [holds ? KIND : 'another'] })
  for (const unknown of [
    { field: 'relation', in: ['self'] },
    { field: 'other_department', is: true },
    { field: 'never_in_department', is: true },
  ] satisfies Predicate[]) {
    expect([said(unknown), said({ not: unknown }), said(unknown, false), said({ not: unknown }, false)]).toEqual([
      'untold',
      'untold',
      false,
      true,
    ])
    for (const holds of [true, false]) {
      expect(said({ all: [unknown, known(holds)] })).toBe(holds ? 'untold' : false)
      expect(said({ any: [unknown, known(holds)] })).toBe(holds ? true : 'untold')
    }
  }
  expect(said({ field: 'after_last_day', is: true }, false)).toBe('untold')
  // Of a zone whose clock was not asked for.
  expect(said({ field: 'hour', zone: 'Europe/Berlin', from: 1, to: 2 })).toBe('untold')
  expect(
    said({
      all: [
        { field: 'verb', in: ['print'] },
        { field: 'after_last_day', is: true },
      ],
    }),
  ).toBe(false)
})
