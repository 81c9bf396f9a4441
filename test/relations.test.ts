import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { evaluatePolicy } from '../activities/evaluation.ts'
import { type Importing, importing } from './harness/importing.ts'
import { namedRollups } from './harness/rollups.ts'
import { insertConnector, insertPolicy } from './harness/rows.ts'

const EHR_SETTINGS = {
  columns: {
    creationTime: 'Time',
    eventName: 'Event',
    patientId: 'MRN',
    patientFirstName: 'First',
    patientLastName: 'Last',
    patientAddressLine1: 'Street',
    patientCity: 'City',
    patientZipCode: 'Zip',
    patientDepartment: 'Dept',
    restrictedReason: 'Reason',
    person: 'Who',
  },
}

let t: Importing
let hr: string
let ehr: string
/** A database of its own, with staff and records to come. */
async function open(): Promise<void> {
  t = await importing()
  hr = await insertConnector(t.t, 'hr', {
    identifierColumn: 'Kind',
    withdrawnColumn: 'Withdrawn',
    scenarios: [
      {
        scenario: 'employee_profile',
        identifierValue: 'profile',
        columns: {
          person: 'Email',
          userName: 'Login',
          firstName: 'First',
          lastName: 'Last',
          addressLine1: 'Street',
          zipCode: 'Zip',
          department: 'Dept',
        },
      },
      {
        scenario: 'resignation',
        identifierValue: 'leaves',
        columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' },
      },
    ],
  })
  ehr = await insertConnector(t.t, 'healthcare', EHR_SETTINGS)
  await insertPolicy(t.t, 'patient-data-misuse', 'Patients')
}
const close = () => t[Symbol.asyncDispose]()

interface Inside {
  login?: string
  first: string
  last: string
  street: string
  zip?: string
  dept?: string
  withdrawn?: boolean
}
const HR_HEADER = 'Kind,Email,Login,First,Last,Street,Zip,Dept,Notice,LastDay,Withdrawn'
const profile = (email: string, { login = '', first, last, street, zip = '60601', dept = '', withdrawn }: Inside) =>
  `profile,${email},${login},${first},${last},${street},${zip},${dept},,,${withdrawn ? 'yes' : ''}`
const leaves = (email: string, lastDay: string, withdrawn = '') =>
  `leaves,${email},,,,,,,2026-03-01T09:00:00Z,${lastDay}T12:00:00Z,${withdrawn}`
/** Blank lines are no rows, but make a file of the same rows another file. */
const blank = (function* () {
  for (let lines = '\n'; ; lines += '\n') yield lines
})()
const fresh = (lines: string[]) => lines.join('\n') + blank.next().value
const tell = (...rows: string[]) => t.send(hr, fresh([HR_HEADER, ...rows]))

interface Patient {
  first?: string
  last?: string
  street?: string
  zip?: string
  dept?: string
  mrn?: string
  day?: string
}
const EHR_HEADER = 'Time,Event,MRN,First,Last,Street,City,Zip,Dept,Reason,Who'
const access = (
  who: string,
  {
    first = 'Pat',
    last = 'Stranger',
    street = '99 Far Rd',
    zip = '60601',
    dept = '',
    mrn = '1',
    day = '2026-03-10',
  }: Patient,
) => `${day}T10:00:00Z,Chart viewed,${mrn},${first},${last},${street},Springfield,${zip},${dept},,${who}`
const touch = (...rows: string[]) => t.send(ehr, fresh([EHR_HEADER, ...rows]))

const nurse: Inside = { first: 'Rita', last: 'Müller', street: '12 Elm St.', zip: '60601-1234', dept: 'Ward 3' }
const NURSE = 'rita.mueller@hosp.example'

/** Indicators of what is found, each with the days. */
async function found(): Promise<Record<string, string[]>> {
  const { rows } = await sql<{ id: string; day: string }>`
    select indicator_id as id, day::text from ${namedRollups()} r
    where indicator_id like 'patient-%' order by 1, 2`.execute(t.t.db)
  const byIndicator: Record<string, string[]> = {}
  for (const { id, day } of rows) {
    if (id === 'patient-bulk-look-up') continue
    const days = byIndicator[id] ?? []
    byIndicator[id] = [...days, day]
  }
  return byIndicator
}
const DAY = ['2026-03-10']

describe('whose record it was', () => {
  beforeAll(open, 60_000)
  afterAll(close)
  const forget = () =>
    sql`truncate fact, profile_key, activity, indicator_day, identity_seen, subject_department cascade`.execute(t.t.db)
  // One after the other in one database: each begins without records and profiles, as those of its second half do.
  beforeEach(forget)

  const bob: Inside = { first: 'Bob', last: 'Kowalski', street: '7 Lake Dr', zip: '60602' }
  test.each<[string, Patient, Record<string, string[]>]>([
    ['a stranger', {}, {}],
    [
      'oneself, spelt otherwise',
      { first: 'RITA', last: 'Muller', street: '12 ELM STREET', zip: '60601' },
      { 'patient-self': DAY },
    ],
    ['somebody of the same name elsewhere', { first: 'Rita', last: 'Müller', street: '3 Oak Ave' }, {}],
    ['the household', { first: 'Tom', last: 'Quill', street: '12 Elm Street' }, { 'patient-household': DAY }],
    [
      'the household of the same name',
      { first: 'Tom', last: 'Müller', street: '12 Elm Street' },
      { 'patient-household': DAY },
    ],
    ['the family name', { first: 'Tom', last: 'Müller', street: '3 Oak Ave' }, { 'patient-family-name': DAY }],
    ['a neighbour', { first: 'Tom', last: 'Quill', street: '14 Elm St' }, { 'patient-neighbour': DAY }],
    ['the same street in another town', { first: 'Tom', last: 'Quill', street: '14 Elm St', zip: '90210' }, {}],
    [
      'a colleague',
      { first: 'Bob', last: 'Kowalski', street: '7 Lake Drive', zip: '60602' },
      { 'patient-colleague': DAY },
    ],
    ['somebody of a colleague’s name elsewhere', { first: 'Bob', last: 'Kowalski', street: '1 Hill Ct' }, {}],
    ['the own department', { dept: 'ward 3' }, {}],
    ['another department', { dept: 'Oncology' }, { 'patient-never-treated': DAY }],
    [
      'somebody without a number in another department',
      { mrn: '', dept: 'Oncology' },
      { 'patient-never-treated': DAY },
    ],
    ['nobody knows which department', { dept: '' }, {}],
  ])('%s, whichever arrives first', async (_, patient, expected) => {
    const profiles = [profile(NURSE, nurse), profile('bob@hosp.example', bob)]
    await tell(...profiles)
    await touch(access(NURSE, patient))
    expect(await found()).toEqual(expected)
    // The same the other way round, in days of their own.
    await forget()
    await touch(access(NURSE, patient))
    await tell(...profiles)
    expect(await found()).toEqual(expected)
  })
})

describe('over a database of its own', () => {
  beforeEach(open, 60_000)
  afterEach(close)

  test('a profile that changes or is withdrawn changes what was found', async () => {
    await touch(access(NURSE, { first: 'Tom', last: 'Quill', street: '14 Elm St' }))
    await tell(profile(NURSE, nurse))
    expect(await found()).toEqual({ 'patient-neighbour': DAY })
    await tell(profile(NURSE, { ...nurse, street: '14 Elm Street' }))
    expect(await found()).toEqual({ 'patient-household': DAY })
    await tell(profile(NURSE, { ...nurse, street: '14 Elm Street', withdrawn: true }))
    expect(await found()).toEqual({})
  })

  test('a colleague who joins or leaves the staff changes what was found of others', async () => {
    const bob: Inside = { first: 'Bob', last: 'Kowalski', street: '7 Lake Dr' }
    await touch(access(NURSE, { first: 'Bob', last: 'Kowalski', street: '7 Lake Dr' }))
    expect(await found()).toEqual({})
    await tell(profile('bob@hosp.example', bob))
    expect(await found()).toEqual({ 'patient-colleague': DAY })
    await tell(profile('bob@hosp.example', { ...bob, first: 'Robert' }))
    expect(await found()).toEqual({})
  })

  test('an account that is joined later is judged by the profile of its person', async () => {
    const patient = { first: 'Tom', last: 'Quill', street: '12 Elm St' }
    await touch(access('rmueller', patient), access('rmueller', { ...nurse, dept: 'Ward 3', mrn: '2' }))
    await tell(profile(NURSE, nurse))
    // Until somebody says whose account it is, the record of the nurse is that of somebody who works here.
    expect(await found()).toEqual({ 'patient-colleague': DAY })
    await tell(profile(NURSE, { ...nurse, login: 'rmueller' }))
    expect(await found()).toEqual({ 'patient-household': DAY, 'patient-self': DAY })
  })

  test('what comes after the last working day is told by whichever arrives last, and follows its corrections', async () => {
    const days = ['2026-03-20', '2026-03-21', '2026-03-25']
    await touch(...days.map((day, n) => access(NURSE, { day, mrn: `${n}` })))
    expect(await found()).toEqual({})
    await tell(leaves(NURSE, '2026-03-20'))
    expect(await found()).toEqual({ 'patient-after-termination': days.slice(1) })
    await tell(leaves(NURSE, '2026-03-24'))
    expect(await found()).toEqual({ 'patient-after-termination': days.slice(2) })
    await tell(leaves(NURSE, '2026-03-10'))
    expect(await found()).toEqual({ 'patient-after-termination': days })
    await tell(leaves(NURSE, '2026-03-10', 'yes'))
    expect(await found()).toEqual({})
    await touch(access(NURSE, { day: '2026-03-26', mrn: '9' }))
    await tell(leaves(NURSE, '2026-03-24'))
    expect(await found()).toEqual({ 'patient-after-termination': ['2026-03-25', '2026-03-26'] })
  })

  test('profiles and records that arrive at the same moment find one another', { timeout: 60_000 }, async () => {
    const people = Array.from({ length: 6 }, (_, n) => `person-${n}@hosp.example`)
    const household = (n: number): Inside => ({ first: `F${n}`, last: `L${n}`, street: `${n + 1} Main St` })
    for (let round = 0; round < 6; round += 1) {
      await Promise.all([
        tell(profile(people[round] as string, household(round))),
        touch(
          access(people[round] as string, {
            first: 'Tom',
            last: 'Quill',
            street: `${round + 1} Main St`,
            mrn: `${round}`,
          }),
        ),
        touch(access('else@hosp.example', { ...household(round), mrn: `c${round}` })),
      ])
    }
    const { rows } = await sql<{ id: string; n: number }>`
    select indicator_id as id, count(distinct identity_id)::int as n, sum(objects)::int as objects from ${namedRollups()} r
    where indicator_id in ('patient-household', 'patient-colleague') group by 1 order by 1`.execute(t.t.db)
    expect(rows).toEqual([
      { id: 'patient-colleague', n: 1, objects: 6 },
      { id: 'patient-household', n: 6, objects: 6 },
    ])
  })

  test('an alert follows what tells later, in any import, where the patients were treated', async () => {
    const policyId = (await t.t.db.selectFrom('policy').select('id').executeTakeFirstOrThrow()).id
    const evaluate = (minute: number) =>
      evaluatePolicy(t.deps)({ policyId, asOf: `2026-03-11T08:0${minute}:00Z`, everybody: false })
    const other = await insertConnector(t.t, 'healthcare', EHR_SETTINGS)
    const alerts = () => t.t.db.selectFrom('alert').select(['version', 'score']).execute()
    await tell(profile(NURSE, nurse))
    const neighbours = [1, 2, 3].map((n) => ({ first: 'Tom', last: `Quill ${n}`, street: `${n} Elm St`, mrn: `n${n}` }))
    const strangers = Array.from({ length: 60 }, (_, n) => ({ last: `Stranger ${n}`, mrn: `s${n}` }))
    const family = { first: 'Tom', last: 'Quill', street: '12 Elm St', mrn: 'h' }
    await touch(...[...neighbours, ...strangers, family].map((patient) => access(NURSE, patient)))
    await evaluate(0)
    // Nothing tells where any of them was treated.
    expect(await found()).not.toHaveProperty('patient-never-treated')
    expect(await alerts()).toEqual([])
    const treated = (dept: string) =>
      t.send(
        other,
        fresh([
          EHR_HEADER,
          ...strangers.map((each) => access('else@hosp.example', { ...each, dept, day: '2026-01-05' })),
        ]),
      )
    await treated('Oncology')
    expect(await found()).toMatchObject({ 'patient-never-treated': DAY })
    expect(await evaluate(1)).toMatchObject({ alertsCreated: [expect.anything()] })
    const [raised] = await alerts()
    await treated('Ward 3')
    expect(await found()).not.toHaveProperty('patient-never-treated')
    expect(await evaluate(2)).toMatchObject({ alertsCreated: [], alertsUpdated: [expect.anything()] })
    const [lowered] = await alerts()
    expect(lowered?.version).toBe(2)
    expect(lowered?.score).toBeLessThan(raised?.score ?? 0)
    // The other way round, of somebody else: the treatment was told first.
    await touch(...strangers.map((patient) => access('carl@hosp.example', patient)))
    await tell(profile('carl@hosp.example', { first: 'Carl', last: 'Iyer', street: '1 Hill Ct', dept: 'Ward 9' }))
    expect(await found()).toMatchObject({ 'patient-never-treated': DAY })
    await tell(profile('carl@hosp.example', { first: 'Carl', last: 'Iyer', street: '1 Hill Ct', dept: 'Oncology' }))
    expect(await found()).not.toHaveProperty('patient-never-treated')
  })

  /** Everything that two people, five patients and their facts can be told by, a message each. */
  const MESSAGES = [
    { hr: profile(NURSE, { ...nurse, login: 'rmueller' }) },
    { hr: profile('bob@hosp.example', { first: 'Bob', last: 'Kowalski', street: '14 Elm St', dept: 'Oncology' }) },
    { hr: leaves('bob@hosp.example', '2026-03-09') },
    { ehr: access('rmueller', { first: 'Tom', last: 'Quill', street: '12 Elm St', mrn: '1' }) },
    { ehr: access(NURSE, { first: 'Bob', last: 'Kowalski', street: '14 Elm Street', dept: 'Oncology', mrn: '2' }) },
    { ehr: access('bob@hosp.example', { first: 'Rita', last: 'Müller', street: '12 Elm Street', mrn: '3' }) },
    {
      ehr: access('bob@hosp.example', {
        first: 'Rita',
        last: 'Müller',
        street: '12 Elm Street',
        mrn: '3',
        day: '2026-03-09',
      }),
    },
    // Somebody whom both departments treat, told last of the nurse's by somebody of neither; and one whom only one treats.
    { ehr: access(NURSE, { last: 'Mover', dept: 'Oncology', mrn: '4' }) },
    { ehr: access('bob@hosp.example', { last: 'Mover', mrn: '4' }) },
    { ehr: access('else@hosp.example', { last: 'Mover', dept: 'Ward 3', mrn: '4', day: '2026-02-01' }) },
    { ehr: access(NURSE, { last: 'Stayer', mrn: '5', day: '2026-03-12' }) },
    { ehr: access('else@hosp.example', { last: 'Stayer', dept: 'Oncology', mrn: '5', day: '2026-02-01' }) },
  ]

  test('any order, cutting and repetition of profiles, leavers and records ends in the same findings', {
    timeout: 240_000,
  }, async () => {
    const state = async () =>
      (
        await sql`
        select indicator_id as indicator, day::text, sum(count)::int as count, sum(objects)::int as objects
        from ${namedRollups()} r group by 1, 2 order by 1, 2`.execute(t.t.db)
      ).rows
    const arrive = async (order: readonly number[], size: number) => {
      await sql`truncate fact, profile_key, activity, indicator_day, identity_seen, subject_department, identity, person cascade`.execute(
        t.t.db,
      )
      for (let from = 0; from < order.length; from += size) {
        const some = order.slice(from, from + size).map((index) => MESSAGES[index] as (typeof MESSAGES)[number])
        const facts = some.flatMap(({ hr: row }) => row ?? [])
        const records = some.flatMap(({ ehr: row }) => row ?? [])
        if (facts.length > 0) await tell(...facts)
        if (records.length > 0) await touch(...records)
      }
      return state()
    }
    const inOrder = await arrive(
      MESSAGES.map((_, n) => n),
      MESSAGES.length,
    )
    expect(inOrder).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ indicator: 'patient-household', day: '2026-03-10' }),
        expect.objectContaining({ indicator: 'patient-after-termination', day: '2026-03-10' }),
        expect.objectContaining({ indicator: 'patient-never-treated', day: '2026-03-12', count: 1 }),
      ]),
    )
    const indexes = MESSAGES.map((_, n) => n)
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(indexes, { minLength: indexes.length }),
        fc.array(fc.constantFrom(...indexes), { maxLength: 3 }),
        fc.integer({ min: 1, max: 4 }),
        async (order, again, size) => {
          expect(await arrive([...order, ...again], size)).toEqual(inOrder)
        },
      ),
      { numRuns: 12, seed: 20260310 },
    )
  })

  test('no word of a patient is kept in clear', async () => {
    await tell(profile(NURSE, nurse))
    await touch(
      access(NURSE, { first: 'Zebulon', last: 'Quillfeather', street: '4711 Wisteria Ln', mrn: 'MRN.123456' }),
      access(NURSE, { first: 'Zebulon', last: '', street: '4711 Wisteria Ln' }),
    )
    const tables = await sql<{ name: string }>`
    select quote_ident(table_name) as name from information_schema.tables
    where table_schema = 'public' and table_type = 'BASE TABLE'`.execute(t.t.db)
    let rows = 0
    for (const { name } of tables.rows) {
      const kept = await sql<{ row: string }>`select t::text as row from ${sql.raw(name)} t`.execute(t.t.db)
      rows += kept.rows.length
      for (const { row } of kept.rows) expect(row, name).not.toMatch(/zebulon|quillfeather|wisteria|123456|rita|elm/i)
    }
    expect(rows).toBeGreaterThan(50)
  })
})
