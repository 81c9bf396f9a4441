import fc from 'fast-check'
import { type Kysely, sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import { ensureMonths } from '../db/activities.ts'
import { ActivityRows } from '../db/activity-rows.ts'
import type { StagedActivity } from '../db/activity-writer.ts'
import { ImportSession } from '../db/import-session.ts'
import { up } from '../db/migrations/20261129_2130_note_departments_of_patients.ts'
import { type TestDatabase, testDatabase } from '../test/harness/database.ts'
import { storeActivities } from '../test/harness/storing.ts'
import { type ActiveIndicator, rebuildRollups, rollupKey } from './compile.ts'
import { insertSomebody } from './examples.ts'
import { loadIndicators } from './load.ts'
import { TreatmentBook } from './treated.ts'

const indicators: ActiveIndicator[] = [...loadIndicators().values()].filter(({ id }) =>
  ['patient-never-treated', 'patient-bulk-look-up'].includes(id),
)
const NEVER_TREATED = rollupKey(indicators.find(({ id }) => id === 'patient-never-treated') as ActiveIndicator)
const DAYS = ['2026-03-31', '2026-04-01'] as const
/** Where the two people work; nobody works in the third. */
const DEPARTMENTS = ['10', '20', '30'] as const

let t: TestDatabase
let session: ImportSession
let people: number[]
beforeAll(async () => {
  t = await testDatabase()
  session = await ImportSession.open(t.url)
  await ensureMonths(t.db, DAYS)
  people = [(await insertSomebody(t.db)).identityId, (await insertSomebody(t.db)).identityId]
  return async () => {
    await session[Symbol.asyncDispose]()
    await t[Symbol.asyncDispose]()
  }
})
beforeEach(async () => {
  await forget()
  await sql`truncate profile_key`.execute(t.db)
  await t.db
    .insertInto('profile_key')
    .values(people.map((identity_id, n) => ({ identity_id, department_key: Number(DEPARTMENTS[n]) })))
    .execute()
})

const forget = () =>
  sql`truncate activity, activity_correction, indicator_day, identity_seen, subject_department`.execute(t.db)

/** A look at somebody's record. */
interface Look {
  who: number
  day: number
  patient: string | null
  department: string | null
  /** Of which of two imports, under way at once. */
  importOf: number
  /** Place of the look that it corrects. */
  corrects?: number | undefined
}

const sourceIdOf = (n: number) => `look-${n}`
const staged = (look: Look, n: number): StagedActivity => ({
  activity: {
    type: 'activity',
    sourceId: sourceIdOf(n),
    ...(look.corrects === undefined ? {} : { supersedes: sourceIdOf(look.corrects) }),
    actor: { scheme: 'user_name', value: 'nobody' },
    actorKind: 'user',
    at: new Date(Date.parse(`${DAYS[look.day]}T08:00:00Z`) + n * 60_000),
    verb: 'view',
    nativeEvent: 'Chart viewed',
    outcome: 'success',
    object: look.patient ?? 'unnumbered',
  },
  ordinal: 0,
  identityId: people[look.who] as number,
  containerId: null,
  sourceIndex: 0,
  origin: { network: null, country: null },
  subject: {
    id: look.patient,
    name: '5',
    lastName: '5',
    address: null,
    street: null,
    department: look.department,
  },
})

/** Two imports, each with what it remembers. */
const twoImports = () => [0, 1].map(() => ({ connectorId: uuid(), treatments: new TreatmentBook() }))

async function arrive(looks: readonly Look[], chunks: readonly (readonly number[])[], imports = twoImports()) {
  for (const chunk of chunks) {
    for (const [n, { connectorId, treatments }] of imports.entries()) {
      const some = chunk.filter((place) => looks[place]?.importOf === n)
      if (some.length === 0) continue
      await storeActivities(
        session,
        { vault: t.vault, connectorId, treatments, indicators: async () => indicators },
        some.map((place, ordinal) => ({ ...staged(looks[place] as Look, place), ordinal })),
      )
    }
  }
}

/** Looks at patients never treated where the person works, by person and day. */
async function found(): Promise<Record<string, number>> {
  const rows = await t.db
    .selectFrom('indicator_day')
    .select(['identity_id', 'day', 'count'])
    .where('rollup_key', '=', NEVER_TREATED)
    .orderBy('identity_id')
    .orderBy('day')
    .execute()
  return Object.fromEntries(rows.map(({ identity_id, day, count }) => [`${people.indexOf(identity_id)} ${day}`, count]))
}

async function pairs(): Promise<string[]> {
  const { rows } = await sql<{ pair: string }>`
    select concat(subject_key, ' in ', department_key) as pair from subject_department`.execute(t.db)
  return rows.map(({ pair }) => pair).sort()
}

/** The same, told from all looks at once and without a database. */
function expected(looks: readonly Look[]) {
  const corrected = new Set(looks.map(({ corrects }) => corrects))
  const standing = looks.filter((_, n) => !corrected.has(n))
  const toldOf = (patient: string) => standing.filter((look) => look.patient === patient)
  const never = ({ who, patient, department }: Look) => {
    const known = patient === null ? [department] : toldOf(patient).map((look) => look.department)
    return known.some((each) => each !== null) && !known.includes(DEPARTMENTS[who] as string)
  }
  const counts: Record<string, number> = {}
  for (const look of standing.filter(never)) {
    const key = `${look.who} ${DAYS[look.day]}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  const numbered = standing.filter(({ patient }) => patient !== null)
  return {
    counts,
    pairs: [...new Set(numbered.map(({ patient, department }) => `${patient} in ${department ?? ''}`))].sort(),
  }
}

/** Two people, two days, three patients: so that they meet, move and are corrected often. */
const drawn: fc.Arbitrary<Look[]> = fc
  .tuple(
    // A database in which something was corrected counts another way than one in which nothing ever was.
    fc.boolean(),
    fc.array(
      fc.record({
        who: fc.nat(1),
        day: fc.nat(1),
        patient: fc.constantFrom('-7', '2', '9007199254740993', null),
        department: fc.constantFrom(...DEPARTMENTS, '30', '30', null, null),
        importOf: fc.nat(1),
        corrects: fc.option(fc.nat(30), { nil: undefined, freq: 2 }),
      }),
      { minLength: 2, maxLength: 14 },
    ),
  )
  .map(([withCorrections, all]) =>
    all.map((each) => {
      const place = (each.corrects ?? 0) % all.length
      const { who, importOf } = all[place] as Look
      const fits = withCorrections && all[place] !== each && who === each.who && importOf === each.importOf
      return { ...each, corrects: each.corrects !== undefined && fits ? place : undefined }
    }),
  )

function chunksOf(count: number, [ranks, size, repeated]: [number[], number, number]): number[][] {
  const mixed = Array.from({ length: count }, (_, n) => n).sort((a, b) => (ranks[a] ?? 0) - (ranks[b] ?? 0))
  const chunks = Array.from({ length: Math.ceil(count / size) }, (_, n) => mixed.slice(n * size, (n + 1) * size))
  return [...chunks, chunks[repeated % chunks.length] as number[]]
}

test('in any order, cut and repeated, by two imports, corrected or not: found is whom no record that stands joins with the department', async () => {
  const how = fc.tuple(fc.array(fc.nat(), { minLength: 14, maxLength: 14 }), fc.integer({ min: 1, max: 5 }), fc.nat())
  let days = 0
  await fc.assert(
    fc.asyncProperty(drawn, how, async (looks, arrival) => {
      await forget()
      await arrive(looks, chunksOf(looks.length, arrival))
      const told = expected(looks)
      expect(await found()).toEqual(told.counts)
      expect(await pairs()).toEqual(told.pairs)
      // Built anew from what is stored, for whoever enables a policy later.
      await sql`truncate indicator_day`.execute(t.db)
      await rebuildRollups(t.db, indicators)
      expect(await found()).toEqual(told.counts)
      days += Object.keys(told.counts).length
    }),
    { numRuns: Number(process.env['OPENIRM_TREATED_RUNS'] ?? 15), seed: 20260331 },
  )
  expect(days).toBeGreaterThan(12)
}, 240_000)

const look = (more: Partial<Look>): Look => ({
  who: 0,
  day: 0,
  patient: '2',
  department: '30',
  importOf: 0,
  ...more,
})

test('what tells later where a patient is treated changes earlier looks of other people and imports', async () => {
  const looks = [
    look({ who: 0, department: null }),
    look({ who: 1, department: null, importOf: 1 }),
    look({ who: 1, day: 1, department: '30' }),
    look({ who: 1, day: 1, department: '20', importOf: 1 }),
    look({ who: 1, day: 1, department: '10' }),
  ]
  const imports = twoImports()
  await arrive(looks, [[0], [1]], imports)
  expect(await found()).toEqual({})
  await arrive(looks, [[2]], imports)
  expect(await found()).toEqual({ '0 2026-03-31': 1, '1 2026-03-31': 1, '1 2026-04-01': 1 })
  await arrive(looks, [[3]], imports)
  expect(await found()).toEqual({ '0 2026-03-31': 1 })
  await arrive(looks, [[4]], imports)
  expect(await found()).toEqual({})
})

test('a record that was corrected joins nobody with a department any more, unless another says the same', async () => {
  const looks = [
    look({}),
    look({ who: 1, department: '10' }),
    look({ who: 1, day: 1, department: '10', importOf: 1 }),
    look({ who: 1, department: '30', corrects: 1 }),
    look({ who: 1, day: 1, department: '30', importOf: 1, corrects: 2 }),
  ]
  const imports = twoImports()
  await arrive(looks, [[0, 1], [2]], imports)
  expect(await pairs()).toEqual(['2 in 10', '2 in 30'])
  await arrive(looks, [[3]], imports)
  expect(await found()).not.toHaveProperty('0 2026-03-31')
  await arrive(looks, [[4]], imports)
  expect(await pairs()).toEqual(['2 in 30'])
  expect(await found()).toMatchObject({ '0 2026-03-31': 1 })
  // Sent again by an import that remembers nothing.
  const again = imports.map((each) => ({ ...each, treatments: new TreatmentBook() }))
  await arrive(looks, [[1], [2]], again)
  expect(await pairs()).toEqual(['2 in 30'])
})

test('a look and what tells of the treatment, stored at the same moment by two imports, find one another', async () => {
  await using second = await ImportSession.open(t.url)
  await arrive([look({})], [[0]])
  expect(await found()).toEqual({ '0 2026-03-31': 1 })
  let waiting = 0
  let open = () => {}
  const bothStored = new Promise<void>((resolve) => {
    open = resolve
  })
  const stored = async () => {
    waiting += 1
    if (waiting === 2) open()
    await bothStored
  }
  const store = (on: ImportSession, each: Look, n: number) =>
    storeActivities(on, { vault: t.vault, connectorId: uuid(), indicators: async () => indicators, stored }, [
      staged(each, n),
    ])
  await Promise.all([store(session, look({ day: 1 }), 1), store(second, look({ who: 1, department: '10' }), 2)])
  expect(await found()).toEqual({ '1 2026-03-31': 1 })
})

test('the migration finds where the patients were treated of whom something was stored before it', async () => {
  const looks = [
    look({}),
    look({ who: 1, department: '10' }),
    look({ who: 1, department: '20', corrects: 1 }),
    look({ patient: '-7', department: null }),
    look({ patient: null, department: '30' }),
  ]
  await arrive(looks, [[0, 1, 2, 3, 4]])
  const before = expected(looks).pairs
  expect(before).toEqual(['-7 in ', '2 in 20', '2 in 30'])
  await sql`drop table subject_department; drop index activity_subject_key_idx`.execute(t.db)
  await up(t.db as unknown as Kysely<unknown>)
  expect(await pairs()).toEqual(before)
})

test('what another import took away meanwhile is noted again', async () => {
  const imports = twoImports()
  const looks = [0, 1, 0].map((day) => look({ day, department: '10' }))
  await arrive(looks, [[0]], imports)
  await sql`truncate subject_department`.execute(t.db)
  await arrive(looks, [[1]], imports)
  expect(await pairs()).toEqual([])
  await sql`select nextval('seen_revision')`.execute(t.db)
  await arrive(looks, [[2]], imports)
  expect(await pairs()).toEqual(['2 in 10'])
})

test('a book takes every pair once, however alike the keys, until it forgets', () => {
  const book = new TreatmentBook()
  const rows = (...subjects: [string, string | null][]) => {
    const made = new ActivityRows(t.vault, { connectorId: uuid(), importId: uuid(), textsId: null })
    for (const [patient, department] of subjects) made.add(staged(look({ patient, department }), made.count))
    return made.subjects
  }
  book.forgetsAsOf(1)
  const all: [string, string | null][] = [
    '9223372036854775807',
    '9223372036854775806',
    '-9223372036854775808',
    '-1',
    '0',
  ].flatMap((patient) => [null, '10', '20'].map((department): [string, string | null] => [patient, department]))
  expect(book.take(rows(...all, ...all)).departments).toHaveLength(15)
  expect(book.forgetsAsOf(1)).toBe(false)
  expect(book.take(rows(...all, ['-2', null]))).toEqual({ subjects: BigInt64Array.of(-2n), departments: [null] })
  expect(book.forgetsAsOf(2)).toBe(true)
  expect(book.take(rows(...all)).departments).toHaveLength(15)
})
