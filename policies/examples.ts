import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Connection, Database } from '../db/connection.ts'
import type { Severity } from '../domain/alert.ts'
import { addDays } from '../domain/window.ts'
import { recomputeRollups } from './compile.ts'
import { tierOn } from './evaluate.ts'
import { type ExampleActivity, type IndicatorDefinition, usesPolicyZone } from './indicator.ts'
import { recomputeSeen } from './seen.ts'

export interface ExampleResult {
  indicatorId: string
  example: string
  expected: Severity | null
  found: Severity | null
  passed: boolean
}

/** The day that examples speak of: a Wednesday in the middle of a month. */
export const EXAMPLE_DAY = '2026-04-15'

class RolledBack extends Error {}

/** Runs every example through the same SQL as real activities, each in a transaction that is taken back. Hours are UTC. */
export async function runExamples(db: Database, indicators: Iterable<IndicatorDefinition>): Promise<ExampleResult[]> {
  const results: ExampleResult[] = []
  for (const indicator of indicators) {
    for (const example of indicator.examples) {
      const found = await inTransactionTakenBack(db, async (tx) => {
        const person = await insertSomebody(tx)
        for (const activity of example.activities) await insertActivities(tx, person.identityId, activity)
        if (example.activities.some(({ afterLastDay }) => afterLastDay)) await insertLastDay(tx, person.identityId)
        await sql`create temp table example_day on commit drop as
          select distinct identity_id, (at at time zone 'UTC')::date as day from activity
          where identity_id = ${person.identityId}`.execute(tx)
        await recomputeSeen(tx, 'pg_temp.example_day')
        const inUtc = usesPolicyZone(indicator.where) ? { ...indicator, timeZone: 'UTC' } : indicator
        await recomputeRollups(tx, [inUtc], 'pg_temp.example_day')
        return tierOn(tx, inUtc, person.personId, EXAMPLE_DAY)
      })
      results.push({
        indicatorId: indicator.id,
        example: example.name,
        expected: example.finds,
        found,
        passed: found === example.finds,
      })
    }
  }
  return results
}

async function inTransactionTakenBack<T>(db: Database, work: (tx: Connection) => Promise<T>): Promise<T> {
  let result: T | undefined
  try {
    await db.transaction().execute(async (tx) => {
      result = await work(tx)
      throw new RolledBack()
    })
  } catch (error) {
    if (!(error instanceof RolledBack)) throw error
  }
  return result as T
}

/** A person with one account, for rehearsals: nothing of it can be read back. */
export async function insertSomebody(tx: Connection): Promise<{ personId: number; identityId: number }> {
  const sealedId = uuid()
  await sql`insert into sealed_value (id, purpose, key_id, nonce, ciphertext)
    values (${sealedId}, 'identity', 'example', decode(repeat('00', 12), 'hex'), decode(repeat('00', 16), 'hex'))`.execute(
    tx,
  )
  const person = await tx
    .insertInto('person')
    .values({ uid: uuid(), pseudonym: `example-${sealedId}` })
    .returning('id')
    .executeTakeFirstOrThrow()
  const identity = await tx
    .insertInto('identity')
    .values({ person_id: person.id, scheme: 'address', lookup_key: Buffer.alloc(32, sealedId), sealed_id: sealedId })
    .returning('id')
    .executeTakeFirstOrThrow()
  return { personId: person.id, identityId: identity.id }
}

/** The activities of one line of an example, counted back from `EXAMPLE_DAY`. */
export async function insertActivities(tx: Connection, identityId: number, example: ExampleActivity): Promise<void> {
  const day = addDays(EXAMPLE_DAY, -example.daysBefore)
  await sql`select ensure_month(${day}::date)`.execute(tx)
  const at = `${day}T${String(example.hour).padStart(2, '0')}:00:00Z`
  const connectorId = await exampleConnector(tx, example.connectorKind)
  const subject = example.relation === undefined ? null : await insertSubject(tx, identityId, example)
  const finding = example.severity !== undefined
  // The patients of one line are its own, unless another line says the same of them.
  const patients = JSON.stringify([
    example.container,
    example.otherDepartment,
    example.departmentUntold,
    example.alsoTreatedIn,
  ])
  const subjectKey = sql`hashtextextended(${patients}, case when ${example.sameObject} then 0 else n end)`
  await sql`
    insert into activity (identity_id, at, source_key, connector_id, import_id, verb, native_event, outcome, actor_kind,
      container_id, object_key, size_bytes, item_count, origin_network, origin_country, audience_after, destination_is_external, flags,
      amount, severity, category, finding_state, subject_key, subject_name_key, subject_last_name_key,
      subject_address_key, subject_street_key, subject_department_key)
    select ${identityId}, ${at}::timestamptz + n * interval '100 milliseconds', gen_random_uuid(), ${connectorId}::uuid,
      gen_random_uuid(), ${example.verb}, ${example.nativeEvent}, ${example.outcome}, ${example.actorKind},
      abs(hashtext(${example.container})),
      case when ${example.sameObject} then 0 else hashtextextended(${example.container}, n) end,
      ${example.sizeBytes ?? null}::bigint, ${example.itemCount ?? null}::int, ${example.network}::cidr, ${example.country ?? null}, ${example.audienceAfter ?? null},
      ${example.destinationIsExternal ?? null}::boolean, ${example.flags ?? null}::text[],
      ${example.amount ?? null}::float8, ${example.severity ?? null}::text, ${finding ? example.category : null}::text,
      ${finding ? example.findingState : null}::text, ${subject === null ? null : subjectKey}, ${subject?.name ?? null}::bigint,
      ${subject?.lastName ?? null}::bigint, ${subject?.address ?? null}::bigint, ${subject?.street ?? null}::bigint,
      ${subject?.department ?? null}::bigint
    from generate_series(1, ${example.times}::int) n`.execute(tx)
  if (subject === null) return
  const told = [
    subject.department,
    ...(example.alsoTreatedIn ?? []).map((where) => (where === 'own' ? OWN : STRANGERS)),
  ]
  await sql`
    insert into subject_department (subject_key, department_key)
    select distinct ${subjectKey}, department_key
    from generate_series(1, ${example.times}::int) n, unnest(${told}::bigint[]) department_key
    on conflict do nothing`.execute(tx)
}

/** A connector of the kind that the example names, or an id of no connector. */
async function exampleConnector(tx: Connection, kind: string | undefined): Promise<string> {
  const id = uuid()
  if (kind !== undefined) {
    await tx
      .insertInto('connector')
      .values({ id, kind, name: `example ${id}`, state: 'draft', settings: '{}', every_seconds: 3600 })
      .execute()
  }
  return id
}

/** The person was last at work on the day before the example's, by a fact that an import of the example told. */
export async function insertLastDay(tx: Connection, identityId: number): Promise<void> {
  const importId = uuid()
  await tx
    .insertInto('import')
    .values({
      id: importId,
      connector_id: await exampleConnector(tx, 'hr'),
      source: 'request',
      state: 'running',
      nominal_at: new Date(),
    })
    .execute()
  const lastDay = new Date(`${addDays(EXAMPLE_DAY, -1)}T12:00:00Z`)
  await tx
    .insertInto('fact')
    .values({
      id: uuid(),
      identity_id: identityId,
      kind: 'resignation',
      natural_key: 'resignation',
      content_key: uuid(),
      effective_at: lastDay,
      last_working_at: lastDay,
      import_id: importId,
      line: 1,
    })
    .execute()
}

const [OWN, COLLEAGUES, STRANGERS] = [1, 2, 3]

/**
 * A profile of the person and the keys of a record whose owner stands in the asked relation to them: whatever the two
 * share has the same number.
 */
async function insertSubject(
  tx: Connection,
  identityId: number,
  { relation, otherDepartment, departmentUntold }: ExampleActivity,
) {
  const profile = { name_key: OWN, last_name_key: OWN, address_key: OWN, street_key: OWN, department_key: OWN }
  await tx
    .insertInto('profile_key')
    .values({ identity_id: identityId, ...profile })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const department = departmentUntold ? null : otherDepartment ? STRANGERS : OWN
  if (relation === 'colleague') {
    const colleague = await insertSomebody(tx)
    const theirs = {
      name_key: COLLEAGUES,
      last_name_key: COLLEAGUES,
      address_key: COLLEAGUES,
      street_key: COLLEAGUES,
    }
    await tx
      .insertInto('profile_key')
      .values({ identity_id: colleague.identityId, ...theirs })
      .execute()
  }
  const others = relation === 'colleague' ? COLLEAGUES : STRANGERS
  const share = (...relations: ExampleActivity['relation'][]) => (relations.includes(relation) ? OWN : others)
  return {
    name: share('self'),
    lastName: share('self', 'family_name'),
    address: share('self', 'household'),
    street: share('self', 'household', 'neighbour'),
    department,
  }
}
