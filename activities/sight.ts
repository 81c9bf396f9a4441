import { type BlindTime, blindTimes } from '../db/blindness.ts'
import type { Connection } from '../db/connection.ts'
import { type SightRow, volumesOf } from '../db/sight.ts'
import { addDays } from '../domain/window.ts'
import { brings, needsOf } from './needs.ts'

const DAY_MS = 86_400_000
const DAY_SECONDS = 86_400
/** What a source brings is learned from so many days before. */
const BASELINE_DAYS = 7

const startOf = (day: string): Date => new Date(`${day}T00:00:00.000Z`)

/** Every UTC day from one to another, both included. */
export function daysFrom(from: string, to: string): string[] {
  const days: string[] = []
  for (let day = from; day <= to; day = addDays(day, 1)) days.push(day)
  return days
}

interface Source {
  need: string
  connectorId: string
  activatedAt: Date
}

/**
 * What a policy saw of each of its sources on a UTC day, as far as the day has come. A source that nobody connected is
 * `absent`; the shares say how much of what the policy's sources brought in the week before came from one that is blind.
 */
export async function sightOfDay(
  db: Connection,
  policy: { id: string; template: string },
  day: string,
  now = new Date(),
): Promise<SightRow[]> {
  const from = startOf(day)
  const to = new Date(Math.min(from.getTime() + DAY_MS, now.getTime()))
  const { needs, sources } = await sourcesOf(db, policy.template, to)
  const times = await blindTimes(db, policy.id, from, to)
  const whole = { from, to }
  const at = { policyId: policy.id, day, whole }
  const rows: SightRow[] = sources.map(({ need, connectorId, activatedAt }) => {
    const own = times.filter((time) => time.connectorId === connectorId)
    const before = activatedAt > from ? [{ from, to: activatedAt }] : []
    return rowOf({ ...at, need, connectorId }, own, [...before, ...clipped(own, whole)])
  })
  const ownTimes = times.filter(({ connectorId }) => connectorId === null)
  if (ownTimes.length > 0)
    rows.push(rowOf({ ...at, need: 'policy', connectorId: null }, ownTimes, clipped(ownTimes, whole)))
  for (const need of needs) {
    if (sources.some((source) => source.need === need)) continue
    rows.push({
      policyId: policy.id,
      day,
      need,
      connectorId: null,
      state: 'absent',
      blindSeconds: DAY_SECONDS,
      reasons: [],
      peopleShare: null,
      activityShare: null,
    })
  }
  return withShares(db, rows, from)
}

/** The connectors that bring what a template needs, in use at an instant. */
async function sourcesOf(db: Connection, template: string, at: Date): Promise<{ needs: string[]; sources: Source[] }> {
  const needs = needsOf(template)
  const connectors = await db
    .selectFrom('connector')
    .select(['id', 'kind', 'activated_at'])
    .where('state', 'in', ['active', 'paused'])
    .where('activated_at', '<', at)
    .orderBy('id')
    .execute()
  return {
    needs,
    sources: needs.flatMap((need) =>
      connectors
        .filter(({ kind }) => brings(kind, need))
        .map(({ id, activated_at }) => ({ need, connectorId: id, activatedAt: activated_at as Date })),
    ),
  }
}

interface Span {
  from: Date
  to: Date
}

const clipped = (times: readonly BlindTime[], { from, to }: Span): Span[] =>
  times.map(({ fromAt, toAt }) => ({
    from: fromAt < from ? from : fromAt,
    to: toAt === null || toAt > to ? to : toAt,
  }))

/** Seconds that any of the spans covers: what two reasons blind at once is blind once. */
function coveredSeconds(spans: readonly Span[]): number {
  let covered = 0
  let reached = Number.NEGATIVE_INFINITY
  for (const { from, to } of [...spans].sort((a, b) => a.from.getTime() - b.from.getTime())) {
    const start = Math.max(from.getTime(), reached)
    if (to.getTime() > start) covered += to.getTime() - start
    reached = Math.max(reached, to.getTime())
  }
  return Math.round(covered / 1000)
}

interface Looked extends Pick<SightRow, 'policyId' | 'day' | 'need' | 'connectorId'> {
  /** As much of the day as has come. */
  whole: Span
}

/** What was seen of one source: blind in these spans, for the reasons of these times. */
function rowOf({ whole, ...of }: Looked, times: readonly BlindTime[], spans: readonly Span[]): SightRow {
  const blindSeconds = coveredSeconds(spans)
  const state = blindSeconds === 0 ? 'seen' : blindSeconds >= coveredSeconds([whole]) ? 'blind' : 'partly'
  return {
    ...of,
    state,
    blindSeconds,
    reasons: times.map(({ checkId, code, detail, guide }) => ({ checkId, code, detail, guide })),
    peopleShare: null,
    activityShare: null,
  }
}

/** Only what is blind is weighed. */
async function withShares(db: Connection, rows: SightRow[], day: Date): Promise<SightRow[]> {
  const isWeighed = ({ state, connectorId }: SightRow) =>
    connectorId !== null && (state === 'partly' || state === 'blind')
  if (!rows.some(isWeighed)) return rows
  const connectorIds = [...new Set(rows.flatMap(({ connectorId }) => connectorId ?? []))]
  const volumes = await volumesOf(db, connectorIds, new Date(day.getTime() - BASELINE_DAYS * DAY_MS), day)
  if (volumes.activities === 0) return rows
  return rows.map((each) => {
    if (!isWeighed(each)) return each
    const own = volumes.sources.find(({ connectorId }) => connectorId === each.connectorId)
    return {
      ...each,
      peopleShare: (own?.people ?? 0) / volumes.people,
      activityShare: (own?.activities ?? 0) / volumes.activities,
    }
  })
}

/** Whether a policy saw: what nobody connected does not count while something else brings the same kind of signal. */
export function sightOf(rows: readonly SightRow[]): 'seeing' | 'partly' | 'blind' {
  const groups = new Map<string, SightRow[]>()
  for (const each of rows) {
    const [group = ''] = each.need.split(':')
    groups.set(group, [...(groups.get(group) ?? []), each])
  }
  const counted = [...groups.values()].flatMap((group) => {
    const connected = group.filter(({ state }) => state !== 'absent')
    return connected.length > 0 ? connected : group
  })
  if (counted.every(({ state }) => state === 'seen')) return 'seeing'
  return counted.every(({ state }) => state === 'blind' || state === 'absent') ? 'blind' : 'partly'
}
