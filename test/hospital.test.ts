import { type RawBuilder, sql } from 'kysely'
import { expect, test } from 'vitest'
import { generateHospital, type HospitalFile } from '../sandbox/organisation/hospital/index.ts'
import { type Importing, importing } from './harness/importing.ts'
import { namedRollups } from './harness/rollups.ts'
import { insertConnector, insertPolicy, personAt } from './harness/rows.ts'

/** Days whose activities the policies look at as of now end today. */
const until = new Date()

async function take(t: Importing, file: HospitalFile) {
  const connectorId = await insertConnector(t.t, file.kind, file.settings)
  const { importId: _, ...balance } = await t.send(connectorId, file.bytes.toString())
  expect(balance).toEqual(file.expected)
}

async function alertsOf(t: Importing, policyId: string) {
  await t.evaluate(policyId, until)
  return t.t.db
    .selectFrom('alert')
    .select(['person_id', 'severity'])
    .where('policy_id', '=', policyId)
    .orderBy('person_id')
    .execute()
}

const personOf = (t: Importing, address: string) => personAt(t.t, address)

async function actsOf(t: Importing, address: string, where: RawBuilder<boolean>): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from activity join identity on identity.id = activity.identity_id
    where identity.person_id = ${await personOf(t, address)} and ${where}`.execute(t.t.db)
  return rows[0]?.n ?? 0
}

const actsAtNight = (t: Importing, address: string) =>
  actsOf(t, address, sql`extract(hour from at at time zone 'UTC') >= 21`)
const restrictedOpened = (t: Importing, address: string) => actsOf(t, address, sql`'break_the_glass' = any(flags)`)

test('the same seed gives the same files, another one others', () => {
  const made = (seed: number) => generateHospital({ seed, until })
  const bytes = ({ hr, accesses, badges }: ReturnType<typeof made>) =>
    [hr, accesses, badges].map((file) => file.bytes.toString('base64'))
  expect(bytes(made(1))).toEqual(bytes(made(1)))
  for (const [n, file] of bytes(made(2)).entries()) expect(file).not.toBe(bytes(made(1))[n])
  expect(made(1).accesses.expected.received).toBeGreaterThan(15_000)
})

test('of a whole hospital two are found: the one who looks up neighbours and colleagues, the one who came back', {
  timeout: 240_000,
}, async () => {
  await using t = await importing()
  const hospital = generateHospital({ seed: 11, until })
  const patients = await insertPolicy(t.t, 'patient-data-misuse', 'Patients')
  const doors = await insertPolicy(t.t, 'physical-access-departing-users', 'Doors')
  // The profiles come last: what they decide is decided then.
  for (const file of [hospital.accesses, hospital.badges, hospital.hr]) await take(t, file)

  const { nosy, intruder, innocent, late } = hospital.expectations
  expect(await alertsOf(t, patients)).toEqual([{ person_id: await personOf(t, nosy.address), severity: 'high' }])
  expect(await alertsOf(t, doors)).toEqual([{ person_id: await personOf(t, intruder.address), severity: 'high' }])
  const met = await sql<{ person_id: number }>`
    select distinct person_id from ${namedRollups()} r join identity on identity.id = identity_id
    where indicator_id in ('patient-household', 'patient-neighbour')`.execute(t.t.db)
  const seen = met.rows.map(({ person_id }) => person_id)
  for (const { address } of innocent.slice(0, 2)) expect(seen).toContain(await personOf(t, address))
  // Whoever works late, or breaks the glass in an emergency, is really there.
  expect(await actsAtNight(t, late.address)).toBeGreaterThan(15)
  expect(await restrictedOpened(t, innocent[2]?.address ?? '')).toBe(2)

  const texts = await sql<{ row: string }>`
    select to_jsonb(a)::text as row from alert a union all select to_jsonb(c)::text from contribution c
    union all select to_jsonb(r)::text from receipt r`.execute(t.t.db)
  for (const { row } of texts.rows) {
    for (const word of hospital.patientStrings()) expect(row.includes(word), word).toBe(false)
  }
})
