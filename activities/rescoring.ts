import { sql } from 'kysely'
import type { Contribution } from '../db/alerts.ts'
import type { Connection } from '../db/connection.ts'
import type { Insight } from '../domain/score.ts'
import { addDays, maxDay, minDay } from '../domain/window.ts'

interface Rescored {
  personId: number
  identityIds: readonly number[]
  before: readonly Contribution[]
  after: readonly Insight[]
  scores: { before: number; after: number }
  /** When the version before was made. */
  since: Date
}

/** Why the score of an open alert was computed anew, in words that name nobody. */
export async function explainRescoring(tx: Connection, rescored: Rescored): Promise<string> {
  const { before, after, scores } = rescored
  const lost = before.filter((insight) => isLess(insight, after))
  const gained = after.filter((insight) => isLess(insight, before))
  const closed = await findingsClosed(tx, rescored.identityIds, lost)
  const reasons = [
    ...(gained.length > 0 ? [`${insights(gained.length)} joined or grew`] : []),
    ...(lost.length > 0 ? [`${insights(lost.length)} ended or shrank`] : []),
    ...(closed > 0 ? [`its source closed ${closed === 1 ? 'a finding' : `${closed} findings`} as harmless`] : []),
    ...(await movesSince(tx, rescored)),
  ]
  const moved =
    scores.after < scores.before
      ? 'The score fell'
      : scores.after > scores.before
        ? 'The score rose'
        : 'The score stays'
  if (reasons.length === 0) reasons.push('its window, or what it is compared with, changed')
  const figures = scores.after === scores.before ? `at ${scores.after}` : `from ${scores.before} to ${scores.after}`
  return `${moved} ${figures}: ${reasons.join('; ')}.`
}

/** Accounts that came to the person or left, as far as they did since the version before. */
async function movesSince(tx: Connection, { personId, since }: Rescored): Promise<string[]> {
  const moves = await sql<{ came: number; went: number }>`
    select count(distinct identity_id) filter (where to_person = ${personId})::int as came,
           count(distinct identity_id) filter (where from_person = ${personId})::int as went
    from identity_move where ${personId} in (from_person, to_person) and created_at >= ${since}`.execute(tx)
  const { came = 0, went = 0 } = moves.rows[0] ?? {}
  const accounts = (count: number) => (count === 1 ? '1 account' : `${count} accounts`)
  return [
    ...(came > 0 ? [`${accounts(came)} joined this person`] : []),
    ...(went > 0 ? [`${accounts(went)} went to another person`] : []),
  ]
}

const insights = (count: number): string => (count === 1 ? '1 insight' : `${count} insights`)

/** Whether the others have nothing of the same indicator and day, or a lower value. */
const isLess = (insight: Insight, others: readonly Insight[]): boolean =>
  !others.some(
    ({ indicatorId, day, value }) =>
      indicatorId === insight.indicatorId && day === insight.day && value >= insight.value,
  )

/** Findings of the lost evidence whose newest version is one that counts no longer. */
async function findingsClosed(
  tx: Connection,
  identityIds: readonly number[],
  lost: readonly Contribution[],
): Promise<number> {
  const [first, ...rest] = lost.map(({ day }) => day)
  const keys = lost.flatMap(({ evidence }) => evidence.flatMap(({ sourceKeys }) => sourceKeys))
  if (first === undefined || keys.length === 0) return 0
  const inDays = (activity: 'counted' | 'newest') => sql`
    ${sql.ref(`${activity}.at`)} >= ${rest.reduce(minDay, first)}::date::timestamp at time zone 'UTC'
    and ${sql.ref(`${activity}.at`)} < ${addDays(rest.reduce(maxDay, first), 1)}::date::timestamp at time zone 'UTC'`
  const found = await sql<{ n: number }>`
    select count(distinct newest.version_key)::int as n
    from activity counted
    join activity newest on newest.identity_id = counted.identity_id
      and newest.connector_id = counted.connector_id and newest.version_key = counted.version_key and newest.superseded_by is null
    where counted.identity_id = any (${[...identityIds]}::bigint[])
      and ${inDays('counted')} and ${inDays('newest')}
      and counted.source_key = any (${keys}::uuid[]) and counted.superseded_by is not null
      and (newest.finding_state = 'false_positive'
        or newest.flags && array['dismissed', 'classification_informational_expected_activity'])`.execute(tx)
  return found.rows[0]?.n ?? 0
}
