import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { beforeAll, expect, test } from 'vitest'
import type { z } from 'zod'
import type { Connection } from '../db/connection.ts'
import { type Insight, scoreOf, severityOf } from '../domain/score.ts'
import { addDays } from '../domain/window.ts'
import { testDatabase } from '../test/harness/database.ts'
import { recomputeRollups } from './compile.ts'
import { amount, evaluatePeople, type PersonEvaluation } from './evaluate.ts'
import { EXAMPLE_DAY, insertActivities, insertSomebody } from './examples.ts'
import { exampleActivity } from './indicator.ts'
import {
  activeIndicators,
  definitionFrom,
  loadIndicators,
  loadTemplates,
  pinnedIndicators,
  syncIndicators,
} from './load.ts'
import { recomputeSeen } from './seen.ts'
import type { PolicyDefinition, PolicySettings, PolicyTemplate } from './template.ts'

type Lived = z.input<typeof exampleActivity>

const TODAY = EXAMPLE_DAY
const GB = 1_000_000_000
const template = loadTemplates().get('data-theft-departing-users') as PolicyTemplate
const indicators = loadIndicators()
const definitionWith = (settings: Partial<PolicySettings> = {}) => definitionFrom(template, indicators, settings)

interface Resignation {
  /** Days before today on which notice was given. */
  noticeBefore?: number
  /** Days from today to the last working day. */
  lastDayIn?: number
  withdrawn?: boolean
}

const importId = uuid()
let t: Awaited<ReturnType<typeof testDatabase>>
beforeAll(async () => {
  t = await testDatabase()
  return () => t[Symbol.asyncDispose]()
})

/** Everything in a transaction that is taken back, so that the people of one test are not there in the next. */
async function taken<T>(work: (tx: Connection) => Promise<T>): Promise<T> {
  let result: T | undefined
  const back = new Error('taken back')
  await t.db
    .transaction()
    .execute(async (tx) => {
      // Facts name the import that brought them; these people come from none.
      await sql`set local session_replication_role = replica`.execute(tx)
      result = await work(tx)
      throw back
    })
    .catch((error: unknown) => {
      if (error !== back) throw error
    })
  return result as T
}

/** Somebody who lived through these activities, and gave notice where the story says so. */
async function somebody(
  tx: Connection,
  lived: readonly Lived[],
  resignation: Resignation | null = { noticeBefore: 5, lastDayIn: 20 },
) {
  const person = await insertSomebody(tx)
  for (const each of lived) await insertActivities(tx, person.identityId, exampleActivity.parse(each))
  if (resignation) await insertResignation(tx, person.identityId, resignation)
  await refresh(tx, person.identityId)
  return person
}

async function refresh(tx: Connection, identityId: number): Promise<void> {
  await sql`drop table if exists pg_temp.lived_day`.execute(tx)
  await sql`create temp table lived_day on commit drop as
    select distinct identity_id, (at at time zone 'UTC')::date as day from activity where identity_id = ${identityId}`.execute(
    tx,
  )
  await recomputeSeen(tx, 'pg_temp.lived_day')
  const pinned = await pinnedBy(tx, definitionWith())
  await recomputeRollups(tx, [...pinned.values()], 'pg_temp.lived_day')
}

async function pinnedBy(tx: Connection, definition: PolicyDefinition) {
  await syncIndicators(tx, indicators.values())
  return pinnedIndicators(tx, definition)
}

async function insertResignation(
  tx: Connection,
  identityId: number,
  { noticeBefore = 5, lastDayIn, withdrawn }: Resignation,
) {
  await tx
    .insertInto('fact')
    .values({
      id: uuid(),
      identity_id: identityId,
      kind: 'resignation',
      natural_key: uuid(),
      content_key: uuid(),
      effective_at: new Date(`${addDays(TODAY, -noticeBefore)}T09:00:00Z`),
      last_working_at: lastDayIn === undefined ? null : new Date(`${addDays(TODAY, lastDayIn)}T17:00:00Z`),
      withdrawn: withdrawn ?? false,
      import_id: importId,
      line: 1,
    })
    .execute()
}

async function evaluate(tx: Connection, personIds: number[], settings: Partial<PolicySettings> = {}, day = TODAY) {
  const definition = definitionWith(settings)
  return evaluatePeople(tx, {
    definition,
    indicators: await pinnedBy(tx, definition),
    personIds,
    asOf: new Date(`${day}T23:00:00Z`),
  })
}

const { raiseAt, severityBands } = template
const judged = (evaluation: PersonEvaluation | undefined) => {
  const score = scoreOf(evaluation?.insights ?? [])
  return { raised: score >= raiseAt, severity: severityOf(score, severityBands), score }
}
const short = ({ indicatorId, day, value, tier }: Insight) => `${day} ${indicatorId} ${value} ${tier}`

/** Working days of the last twelve weeks, today excluded. */
const workingDays = Array.from({ length: 84 }, (_, n) => n + 1).filter(
  (before) => ![0, 6].includes(new Date(`${addDays(TODAY, -before)}T00:00:00Z`).getUTCDay()),
)
/** Handfuls to dozens of reads a day of a few MB each, by day, from the office and now and then from home. */
const ordinaryWork: Lived[] = workingDays.flatMap((daysBefore, n) => [
  { daysBefore, times: 5 + ((n * 17) % 56), sizeBytes: 3_000_000, container: n % 3 === 0 ? 'bucket-b' : 'bucket-a' },
  { daysBefore, verb: 'delete', nativeEvent: 'DeleteObject', times: 1 + (n % 4) },
  ...(n % 5 === 0 ? [{ daysBefore, hour: 19, times: 4, network: '203.0.0.0/16' }] : []),
])

test('an ordinary leaver stays far below the threshold', async () => {
  const { evaluations } = await taken(async (tx) => {
    const person = await somebody(tx, [...ordinaryWork, { times: 60, sizeBytes: 3_000_000 }])
    return { evaluations: await evaluate(tx, [person.personId]) }
  })
  expect(evaluations).toHaveLength(1)
  expect(judged(evaluations[0])).toMatchObject({ raised: false, severity: 'low' })
  expect(judged(evaluations[0]).score).toBeLessThan(20)
})

test('a leaver who read a lot on every day of a long time gives no sign by going on', async () => {
  const analyst: Lived[] = [0, ...workingDays].map((daysBefore, n) => ({
    daysBefore,
    times: 300 + ((n * 37) % 100),
    sizeBytes: 10_000_000,
    hour: n % 2 === 0 ? 23 : 10,
  }))
  const [evaluation] = await taken(async (tx) => evaluate(tx, [(await somebody(tx, analyst)).personId]))
  expect(judged(evaluation)).toMatchObject({ raised: false })
})

test('a leaver with one day of innocent moving stays below the threshold, though it shows', async () => {
  const moving: Lived = { daysBefore: 3, times: 600, sizeBytes: 8_000_000 }
  const [evaluation] = await taken(async (tx) =>
    evaluate(tx, [(await somebody(tx, [...ordinaryWork, moving])).personId]),
  )
  expect(judged(evaluation)).toMatchObject({ raised: false })
  expect(evaluation?.insights.map(({ indicatorId }) => indicatorId)).toEqual([
    's3-above-own-usual',
    's3-bulk-read',
    's3-read-volume',
  ])
})

const theft: Lived[] = [
  { daysBefore: 1, hour: 1, times: 620, sizeBytes: 20_000_000, network: '192.0.0.0/16', container: 'bucket-c' },
  { daysBefore: 1, hour: 2, times: 4, network: '192.0.0.0/16', container: 'bucket-d' },
  {
    hour: 3,
    verb: 'permission_policy_change',
    nativeEvent: 'PutBucketPolicy',
    audienceAfter: 'specific_external',
    destinationIsExternal: true,
  },
]

test('a leaver who reads hundreds of objects and GBs at night from a new network and shares them away lands in high', async () => {
  const [evaluation] = await taken(async (tx) =>
    evaluate(tx, [(await somebody(tx, [...ordinaryWork, ...theft])).personId]),
  )
  const yesterday = addDays(TODAY, -1)
  expect(evaluation?.activation).toMatchObject({
    kind: 'resignation',
    day: addDays(TODAY, -5),
    toDay: addDays(TODAY, 25),
  })
  expect(evaluation?.insights.map(short)).toEqual([
    expect.stringMatching(`${yesterday} s3-above-own-usual .* medium`),
    // 620 + 4 of the night and the ordinary ones of the day
    expect.stringMatching(`${yesterday} s3-bulk-read .* medium`),
    `${yesterday} s3-first-seen-bucket 2 low`,
    `${yesterday} s3-new-network 1 low`,
    `${yesterday} s3-off-hours 624 high`,
    expect.stringMatching(`${yesterday} s3-read-volume .* medium`),
    `${TODAY} s3-external-share 1 low`,
  ])
  expect(judged(evaluation)).toMatchObject({ raised: true, severity: 'high' })
  const bulk = evaluation?.insights.find(({ indicatorId }) => indicatorId === 's3-bulk-read')
  expect(bulk?.boosters).toMatchObject([{ id: 'unusual', weight: 0.05 }])
  expect(bulk?.because).toMatch(/^Read \d+ different files or objects in one day\.$/)
})

test('the same deeds without notice given are nobody’s business', async () => {
  const evaluations = await taken(async (tx) =>
    evaluate(tx, [(await somebody(tx, [...ordinaryWork, ...theft], null)).personId]),
  )
  expect(evaluations).toEqual([])
})

test('a machine account that reads everything at night gives no sign', async () => {
  const backup: Lived[] = [0, 1, 2].map((daysBefore) => ({
    daysBefore,
    hour: 2,
    times: 5000,
    sizeBytes: GB,
    actorKind: 'service',
  }))
  const [evaluation] = await taken(async (tx) => evaluate(tx, [(await somebody(tx, backup)).personId]))
  expect(evaluation?.insights).toEqual([])
})

test('windows open and close on the days that the settings say', async () => {
  const openOn = (resignation: Resignation, settings: Partial<PolicySettings>, offset: number) =>
    taken(async (tx) => {
      const person = await somebody(tx, [], resignation)
      const [evaluation] = await evaluate(tx, [person.personId], settings, addDays(TODAY, offset))
      return evaluation
        ? { kind: evaluation.activation.kind, from: evaluation.activation.fromDay, to: evaluation.activation.toDay }
        : null
    })
  const windows = {
    ...template.windows,
    activationDays: 10,
    pastDays: 30,
    futureTerminationDays: 5,
    pastTerminationDays: 3,
  }
  const settings = { windows }
  const notice = { noticeBefore: 0 }
  const whole = { kind: 'resignation', from: addDays(TODAY, -30), to: addDays(TODAY, 10) }
  expect(await openOn(notice, settings, -1)).toBeNull()
  expect(await openOn(notice, settings, 0)).toEqual(whole)
  expect(await openOn(notice, settings, 10)).toEqual(whole)
  expect(await openOn(notice, settings, 11)).toBeNull()
  // Notice long ago, however long: the last working day opens a window of its own.
  const longNotice = { noticeBefore: 700, lastDayIn: 5 }
  const end = { kind: 'termination', from: addDays(TODAY, -30), to: addDays(TODAY, 8) }
  expect(await openOn(longNotice, settings, -1)).toBeNull()
  expect(await openOn(longNotice, settings, 0)).toEqual(end)
  expect(await openOn(longNotice, settings, 8)).toEqual(end)
  expect(await openOn(longNotice, settings, 9)).toBeNull()
  expect(
    await openOn(longNotice, { ...settings, triggers: { ...template.triggers, termination: false } }, 0),
  ).toBeNull()
  const cutOff = { windows: { ...windows, postTerminationActivity: false } }
  expect(await openOn(longNotice, cutOff, 5)).toMatchObject({ to: addDays(TODAY, 5) })
  expect(await openOn(longNotice, cutOff, 6)).toBeNull()
  expect(await openOn({ ...notice, withdrawn: true }, settings, 0)).toBeNull()
})

test('what arrives late counts on its own day, and only days of the window count', async () => {
  const share = (daysBefore: number): Lived => ({ daysBefore, verb: 'share_add', destinationIsExternal: true })
  const { early, late } = await taken(async (tx) => {
    const person = await somebody(tx, [share(0), share(96), share(95)], { noticeBefore: 5 })
    const early = await evaluate(tx, [person.personId])
    await insertActivities(tx, person.identityId, exampleActivity.parse({ ...share(4), times: 5 }))
    await refresh(tx, person.identityId)
    return { early, late: await evaluate(tx, [person.personId]) }
  })
  expect(early[0]?.insights.map(short)).toEqual([
    `${addDays(TODAY, -95)} s3-external-share 1 low`,
    `${TODAY} s3-external-share 1 low`,
  ])
  expect(late[0]?.insights.map(short)).toEqual([
    `${addDays(TODAY, -95)} s3-external-share 1 low`,
    `${addDays(TODAY, -4)} s3-external-share 5 medium`,
    `${TODAY} s3-external-share 1 low`,
  ])
  expect(late[0]?.insights.map(({ boosters }) => boosters.map(({ id, because }) => `${id}: ${because}`))).toEqual([
    ['repeated: Seen on 3 days of the window.'],
    expect.arrayContaining(['repeated: Seen on 3 days of the window.']),
    ['repeated: Seen on 3 days of the window.'],
  ])
})

test('a first meeting counts only where the indicator itself saw it', async () => {
  const known: Lived = { daysBefore: 30 }
  const refused: Lived[] = [
    known,
    { times: 1 },
    { network: '203.0.0.0/16', outcome: 'blocked' },
    { container: 'bucket-x', verb: 'upload' },
    { container: 'bucket-y', verb: 'upload' },
  ]
  const [evaluation] = await taken(async (tx) => evaluate(tx, [(await somebody(tx, refused)).personId]))
  expect(evaluation?.insights).toEqual([])
})

test('somebody with two accounts is one person: their days add up and a place known to either is not new', async () => {
  const [evaluation] = await taken(async (tx) => {
    const main = await somebody(tx, [
      { daysBefore: 30, container: 'bucket-a' },
      { times: 100, container: 'bucket-a' },
    ])
    const other = await somebody(
      tx,
      [
        { daysBefore: 40, container: 'bucket-b' },
        { times: 100, container: 'bucket-b', network: '198.51.0.0/16' },
      ],
      null,
    )
    await tx.updateTable('identity').set({ person_id: main.personId }).where('id', '=', other.identityId).execute()
    return evaluate(tx, [main.personId])
  })
  expect(evaluation?.identityIds).toHaveLength(2)
  expect(evaluation?.insights.filter(({ indicatorId }) => indicatorId === 's3-bulk-read').map(short)).toEqual([
    `${TODAY} s3-bulk-read 200 low`,
  ])
  expect(evaluation?.insights.map(({ indicatorId }) => indicatorId)).not.toContain('s3-first-seen-bucket')
})

test('thresholds of the policy go before those of the indicator, and the zone of the policy is applied', async () => {
  const definition = definitionFrom(template, indicators, {
    timeZone: 'America/New_York',
    indicators: [{ id: 's3-bulk-read', tiers: { low: 5, medium: 8, high: 12 } }, { id: 's3-off-hours' }],
  })
  const pinned = await taken((tx) => pinnedBy(tx, definition))
  expect(pinned.get('s3-bulk-read')).toMatchObject({ tiers: { low: 5, medium: 8, high: 12 } })
  expect(pinned.get('s3-bulk-read')).not.toHaveProperty('timeZone')
  expect(pinned.get('s3-off-hours')).toMatchObject({ timeZone: 'America/New_York' })
})

test('rollups are kept for what enabled policies score with, once per indicator, version and zone', async () => {
  const active = await taken(async (tx) => {
    await syncIndicators(tx, indicators.values())
    for (const [name, state, zone] of [
      ['one', 'enabled', 'UTC'],
      ['two', 'enabled', 'Asia/Tokyo'],
      ['three', 'disabled', 'Asia/Seoul'],
    ] as const) {
      const id = uuid()
      const definition = definitionFrom(template, indicators, {
        timeZone: zone,
        indicators: [{ id: 's3-bulk-read' }, { id: 's3-off-hours' }],
      })
      await tx.insertInto('policy').values({ id, template: template.id, name, state, version: 1 }).execute()
      await tx
        .insertInto('policy_version')
        .values({ policy_id: id, version: 1, definition: JSON.stringify(definition), sha256: '', note: '' })
        .execute()
    }
    return activeIndicators(tx)
  })
  expect(active.map(({ id, timeZone }) => [id, timeZone])).toEqual([
    ['s3-bulk-read', undefined],
    ['s3-off-hours', 'Asia/Tokyo'],
    ['s3-off-hours', 'UTC'],
  ])
})

test('amounts are worded for readers', () => {
  expect([
    amount(12_345, 'objects'),
    amount(0, 'bytes'),
    amount(999, 'bytes'),
    amount(12_400_000_000, 'bytes'),
  ]).toEqual(['12,345 objects', '0 bytes', '999 bytes', '12.4 GB'])
})
