import { sql } from 'kysely'
import type { Connection } from './connection.ts'

/** One source of a policy on one day. */
export interface SightRow {
  policyId: string
  /** UTC day. */
  day: string
  /** `activities:<kind>`, `facts:<kind>`, or `policy` for a condition of its own. */
  need: string
  /** Null where no connector brings what is needed, and for the policy itself. */
  connectorId: string | null
  state: SightState
  blindSeconds: number
  reasons: readonly SightReason[]
  /** Of the people and the activities that the policy's sources brought in the days before; null where nothing is known. */
  peopleShare: number | null
  activityShare: number | null
}
export type SightState = 'seen' | 'partly' | 'blind' | 'absent'
export interface SightReason {
  checkId: string
  code: string
  detail: string
  guide: string
}

/** Writes days that are over. What is written stays; a repetition finds it there. */
export async function recordSight(tx: Connection, rows: readonly SightRow[]): Promise<void> {
  if (rows.length === 0) return
  await tx
    .insertInto('policy_sight')
    .values(
      rows.map((row) => ({
        policy_id: row.policyId,
        day: row.day,
        need: row.need,
        connector_id: row.connectorId,
        state: row.state,
        blind_seconds: row.blindSeconds,
        reasons: JSON.stringify(row.reasons),
        people_share: row.peopleShare,
        activity_share: row.activityShare,
      })),
    )
    .onConflict((conflict) => conflict.columns(['policy_id', 'day', 'need', 'connector_id']).doNothing())
    .execute()
}

export async function recordedSight(db: Connection, policyId: string, from: string, to: string): Promise<SightRow[]> {
  const rows = await db
    .selectFrom('policy_sight')
    .selectAll()
    .where('policy_id', '=', policyId)
    .where('day', '>=', from)
    .where('day', '<=', to)
    .orderBy('day')
    .orderBy('need')
    .orderBy('connector_id')
    .execute()
  return rows.map((row) => ({
    policyId: row.policy_id,
    day: row.day,
    need: row.need,
    connectorId: row.connector_id,
    state: row.state as SightState,
    blindSeconds: row.blind_seconds,
    reasons: row.reasons as unknown as SightReason[],
    peopleShare: row.people_share,
    activityShare: row.activity_share,
  }))
}

/** The first day that is not written yet: the one after the last, or that on which the policy was made. */
export async function firstUnrecordedDay(db: Connection, policyId: string): Promise<string> {
  const { rows } = await sql<{ day: string }>`
    select to_char(coalesce(
      (select max(day) + 1 from policy_sight where policy_id = ${policyId}),
      (select (created_at at time zone 'UTC')::date from policy where id = ${policyId})), 'YYYY-MM-DD') as day`.execute(
    db,
  )
  return (rows[0] as { day: string }).day
}

export interface SourceVolume {
  connectorId: string
  people: number
  activities: number
}

/** How much each source brought in a time, and all of them together: one person at two sources is one. */
export async function volumesOf(
  db: Connection,
  connectorIds: readonly string[],
  from: Date,
  to: Date,
): Promise<{ sources: SourceVolume[]; people: number; activities: number }> {
  if (connectorIds.length === 0) return { sources: [], people: 0, activities: 0 }
  const { rows } = await sql<{ connector_id: string | null; people: number; activities: number }>`
    select connector_id, count(distinct person_id)::int as people, sum(n)::float8 as activities
    from (
      select connector_id, identity_id, count(*) as n from activity
      where at >= ${from} and at < ${to} and connector_id = any(${connectorIds}::uuid[]) and superseded_by is null
      group by connector_id, identity_id
    ) as by_account join identity on identity.id = identity_id
    group by grouping sets ((connector_id), ())`.execute(db)
  const total = rows.find(({ connector_id }) => connector_id === null)
  return {
    sources: rows.flatMap(({ connector_id, people, activities }) =>
      connector_id === null ? [] : [{ connectorId: connector_id, people, activities }],
    ),
    people: total?.people ?? 0,
    activities: total?.activities ?? 0,
  }
}
