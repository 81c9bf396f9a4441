import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, expect, test } from 'vitest'
import { verifyAudit, verifyImports, verifyReceipts } from '../../db/verify.ts'
import { hashOf, Random } from '../../sandbox/organisation/random.ts'
import { importedOf, PATIENT } from '../crash/importing.ts'
import { type Installation, install, VICTIMS, type Victim } from '../crash/installation.ts'
import type { Answer, Requests } from '../harness/caller.ts'
import { insertPolicy } from '../harness/rows.ts'
import { DAY_MS } from '../harness/trail.ts'
import { eventually } from '../harness/world.ts'
import { LATE_DAYS_BACK, type YearSource, yearOf } from './year-source.ts'

/**
 * A year of a trail is read backwards in parallel pieces while live imports run and further files arrive, and worker, API,
 * PostgreSQL or Temporal is killed at random moments; in the end everything that the source holds is stored once, and the
 * rollups are those of a year that nobody disturbed.
 */
const KILLS = Number(process.env['OPENIRM_ENDURANCE_KILLS'] ?? 20)
const SEED = Number(process.env['OPENIRM_ENDURANCE_SEED'] ?? 1)
const DAYS = Number(process.env['OPENIRM_ENDURANCE_DAYS'] ?? 365)
const PARALLEL = 4
const LOOK_EVERY_MS = 250

let it: Installation
const sources: YearSource[] = []
afterAll(async () => {
  await it?.[Symbol.asyncDispose]()
  for (const source of sources) await source[Symbol.asyncDispose]()
})

test(`${KILLS} kills of ${DAYS} days that are read backwards beside live imports leave what none does`, async () => {
  it = await install({ ownTemporal: true })
  const operator = await it.as('operator', 'admin')
  await insertPolicy(it.t, 'data-theft-departing-users', 'Leavers')
  const midnight = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS)

  const startedAt = Date.now()
  const undisturbed = await yearOf('nobody', DAYS, midnight, it)
  sources.push(undisturbed)
  const expected = await read(undisturbed, operator, async () => {})
  const usualMs = Date.now() - startedAt
  console.log(`undisturbed: ${usualMs} ms, ${JSON.stringify(expected.rows)}, ${expected.liveImports} live imports`)

  const random = new Random(SEED, hashOf('year'))
  const hits = new Map<Victim, number>()
  let nextKillAt = 0
  const later = () => Date.now() + random.whole(0, Math.round((1.2 * usualMs) / KILLS))
  let killed = 0
  const disturbed = await yearOf('somebody', DAYS, midnight, it)
  sources.push(disturbed)
  const left = await read(disturbed, operator, async ({ done, running }) => {
    nextKillAt ||= later()
    if (killed === KILLS || Date.now() < nextKillAt) return
    const victim = random.pick([...VICTIMS, 'temporal'] as const)
    await it.kill(victim)
    await it.startAgain(victim)
    killed += 1
    hits.set(victim, (hits.get(victim) ?? 0) + 1)
    console.log(`kill ${killed}: ${victim}, ${done} pieces read and ${running} under way`)
    nextKillAt = later()
  })
  expect(killed).toBe(KILLS)
  console.log(
    `disturbed: ${Date.now() - startedAt - usualMs} ms, ${JSON.stringify([...hits])}, ${JSON.stringify(left.rows)}`,
  )
  expect(left.rollups).toEqual(expected.rollups)
  expect(left.rollups.length).toBeGreaterThan(DAYS)
  for (const verify of [verifyReceipts, verifyAudit, verifyImports]) {
    expect([verify.name, (await verify(it.t.db)).untruth]).toEqual([verify.name, null])
  }
})

/** Reads a source to its end, and holds what is stored against what has arrived there. */
async function read(
  source: YearSource,
  operator: Requests,
  disturb: (progress: { done: number; running: number }) => Promise<void>,
) {
  const { connectorId, from, to } = source
  const begun = await insist(operator, `/connectors/${connectorId}/backfills`, {
    json: { from: from.toISOString(), to: to.toISOString(), parallel: PARALLEL, requestsPerSecond: 1_000 },
  })
  const ask = () => operator.get(`/backfills/${begun.body.id}`)
  let liveImports = 0
  let backfill = begun.body
  while (backfill.state === 'running') {
    if (source.arrive(backfill.progress.done / backfill.progress.pieces, await newestDone(backfill.id))) {
      await insist(operator, `/connectors/${connectorId}/imports`)
      liveImports += 1
    }
    await disturb(backfill.progress)
    await sleep(LOOK_EVERY_MS)
    backfill = (
      await eventually(() => ask().catch(() => null), { ...PATIENT, until: (given) => given?.status === 200 })
    )?.body
  }
  expect(backfill.state).toBe('completed')
  expect(source.arrive(1, true)).toBe(false)
  // Whatever is under way ends, then one more import meets what came last.
  await allEnded(connectorId)
  const { body } = await insist(operator, `/connectors/${connectorId}/imports`)
  await importedOf(it, body.id)
  await allEnded(connectorId)

  const { rows, ...statement } = backfill.statement
  expect(statement).toEqual({ pieces: DAYS, done: DAYS, setAside: [], late: source.late, gaps: [], error: null })
  const imports = await it.t.db
    .selectFrom('import')
    .select((eb) => [
      eb.fn.sum<number>('received').as('received'),
      eb.fn.sum<number>('stored').as('stored'),
      eb.fn.sum<number>('duplicate').as('duplicate'),
      sql<number>`sum(quarantined + ignored)::int`.as('others'),
      sql<number>`(count(*) filter (where state <> 'completed'))::int`.as('incomplete'),
    ])
    .where('connector_id', '=', connectorId)
    .executeTakeFirstOrThrow()
  const total = [...source.arrived.values()].reduce((sum, count) => sum + count, 0)
  expect(imports).toMatchObject({ stored: total, others: 0, incomplete: 0 })
  expect(imports.received).toBe(imports.stored + imports.duplicate)
  expect(await storedBy(connectorId)).toEqual({ activities: total, keys: total })
  expect(await storedDays(connectorId)).toEqual(daysOf(source))
  return { rollups: await rollupsOf(connectorId), rows: { total, ...imports, backfill: rows }, liveImports }
}

/** Whether the days have been read on which something arrives late; a kill may have thrown them back. */
async function newestDone(backfillId: string): Promise<boolean> {
  const pieces = await it.t.db
    .selectFrom('backfill_piece')
    .select('state')
    .where('backfill_id', '=', backfillId)
    .orderBy('from_at', 'desc')
    .limit(LATE_DAYS_BACK)
    .execute()
  return pieces.every(({ state }) => state === 'done')
}

const underWay = (connectorId: string) =>
  it.t.db
    .selectFrom('import')
    .select('id')
    .where('connector_id', '=', connectorId)
    .where('state', '=', 'running')
    .execute()
const allEnded = (connectorId: string) =>
  eventually(() => underWay(connectorId), { ...PATIENT, until: (rows) => rows.length === 0 })

/** Every record has an id of its own: as many keys as records are all of them, and no other. */
const storedBy = (connectorId: string) =>
  it.t.db
    .selectFrom('activity')
    .select([sql<number>`count(*)::int`.as('activities'), sql<number>`count(distinct source_key)::int`.as('keys')])
    .where('connector_id', '=', connectorId)
    .executeTakeFirstOrThrow()

/** Numbers of what single people did on single days, by day; who they are is sealed. */
async function storedDays(connectorId: string): Promise<string[]> {
  const { rows } = await sql<{ day: string; counts: number[] }>`
    select day, array_agg(count order by count) as counts
    from (select (at at time zone 'UTC')::date::text as day, identity_id, count(*)::int as count
          from activity where connector_id = ${connectorId}::uuid group by 1, 2) person_day
    group by 1 order by 1`.execute(it.t.db)
  return rows.map(({ day, counts }) => `${day} ${counts}`)
}

function daysOf({ arrived }: YearSource): string[] {
  const days = new Map<string, number[]>()
  for (const [of, count] of arrived) {
    const day = of.split(' ')[1] as string
    days.set(day, [...(days.get(day) ?? []), count])
  }
  return [...days].sort().map(([day, counts]) => `${day} ${counts.sort((a, b) => a - b)}`)
}

async function rollupsOf(connectorId: string) {
  const people = sql`select distinct identity_id from activity where connector_id = ${connectorId}::uuid`
  const { rows } = await sql`
    select rollup_key, day::text, count(*)::int as people, sum(count)::int as count
    from indicator_day where identity_id in (${people}) group by 1, 2 order by 1, 2`.execute(it.t.db)
  return rows
}

/** Asks under one key until it is answered with what was asked for. */
async function insist(operator: Requests, path: string, { json }: { json?: unknown } = {}): Promise<Answer> {
  const key = randomUUID()
  const given = await eventually(() => operator.post(path, { key, ...(json ? { json } : {}) }).catch(() => null), {
    ...PATIENT,
    until: (answer) => answer?.status === 202,
  })
  expect(given?.status, JSON.stringify(given?.body)).toBe(202)
  return given as Answer
}
