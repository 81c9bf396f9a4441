import { sql } from 'kysely'
import type { Requests } from '../harness/caller.ts'
import { insertConnector } from '../harness/rows.ts'
import { daysAgo } from '../harness/trail.ts'
import { eventually } from '../harness/world.ts'
import type { Installation } from './installation.ts'
import { thiefOf } from './source.ts'

/** For whatever has to come right by itself: time-outs of Temporal pass first. */
export const PATIENT = { timeoutMs: 120_000 }

type Database = Pick<Installation, 't'>

/** Asks for the import of an HR file in which each of these thieves has given notice. Its id. */
export async function importLeavers(it: Database, operator: Requests, names: readonly string[]): Promise<string> {
  const hrId = await insertConnector(it.t, 'hr', {
    assumedZone: 'UTC',
    scenarios: [
      { scenario: 'resignation', columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' } },
    ],
  })
  const leavers = names.map((who) => `${thiefOf(who)},${daysAgo(3).toISOString()},${daysAgo(-20).toISOString()}`)
  const uploaded = await operator.post(`/connectors/${hrId}/files?name=hr.csv`, {
    bytes: ['Email,Notice,LastDay', ...leavers].join('\n'),
  })
  if (uploaded.status !== 202) throw new Error(`the HR file was answered with ${uploaded.status}`)
  return uploaded.body.id
}

export const importRowOf = (it: Database, id: string) =>
  it.t.db.selectFrom('import').selectAll().where('id', '=', id).executeTakeFirstOrThrow()

export const importedOf = (it: Database, id: string) =>
  eventually(() => importRowOf(it, id), { ...PATIENT, until: ({ state }) => state !== 'running' })

/** What an import left behind, apart from ids: counts, and the day-rollups of its people. */
export async function leftByOf(it: Database, importId: string) {
  const { received, stored, duplicate, quarantined, ignored, state } = await importRowOf(it, importId)
  const people = sql`select distinct identity_id from activity where import_id = ${importId}::uuid`
  const { rows: activities } = await sql`
    select count(*)::int as activities, count(distinct source_key)::int as keys
    from activity where import_id = ${importId}::uuid`.execute(it.t.db)
  const { rows: rollups } = await sql`
    select rollup_key, day, count(*)::int as people, sum(count)::int as count
    from indicator_day where identity_id in (${people}) group by 1, 2 order by 1, 2`.execute(it.t.db)
  return { balance: { received, stored, duplicate, quarantined, ignored, state }, activities, rollups }
}
export type Left = Awaited<ReturnType<typeof leftByOf>>
