import { sql } from 'kysely'
import type { Connection } from '../db/connection.ts'
import { SEVERITIES } from '../domain/alert.ts'
import { flagsOfChoice } from '../domain/dlp-policy.ts'
import type { Activation } from '../domain/score.ts'
import { addDays, dayOf, maxDay, minDay } from '../domain/window.ts'
import { COUNTS, compilePredicate, hasRollups, rollupKey } from './compile.ts'
import type { EvaluateInput } from './evaluate.ts'
import { measure, NO_HISTORY, readHistories, type ScoringIndicator, tierOf, type Window } from './history.ts'

const DAY_MS = 86_400_000

/**
 * The trigger whose window is open at `asOf`, per person. Windows that are open at once are one longer window, told by
 * the trigger that came first. People outside the policy's groups are not active, whatever happened.
 */
export async function openWindows(tx: Connection, input: EvaluateInput): Promise<Map<number, Activation>> {
  if (input.personIds?.length === 0) return new Map()
  const found = [...(await byFacts(tx, input)), ...(await byIndicators(tx, input))].sort(
    (a, b) =>
      compare(a.activation.day, b.activation.day) ||
      compare(a.activation.kind, b.activation.kind) ||
      compare(sourceOf(a), sourceOf(b)),
  )
  const open = new Map<number, Activation>()
  for (const { personId, activation } of found) {
    const known = open.get(personId)
    if (!known) open.set(personId, { ...activation })
    else {
      known.fromDay = minDay(known.fromDay, activation.fromDay)
      known.toDay = maxDay(known.toDay, activation.toDay)
    }
  }
  const { groups } = input.definition.settings
  if (groups.length === 0 || open.size === 0) return open
  const members = await membersOf(tx, [...open.keys()], groups)
  return new Map([...open].filter(([personId]) => members.has(personId)))
}

interface Found {
  personId: number
  activation: Activation
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const sourceOf = ({ activation }: Found): string => activation.factId ?? activation.indicatorId ?? ''

/** The window that a trigger's own day opens: so many days after it, and the past before it. */
const around = ({ definition }: EvaluateInput, day: string): Pick<Activation, 'day' | 'fromDay' | 'toDay'> => {
  const { windows } = definition.settings
  return { day, fromDay: addDays(day, -windows.pastDays), toDay: addDays(day, windows.activationDays) }
}

async function byFacts(tx: Connection, input: EvaluateInput): Promise<Found[]> {
  const { triggers, windows } = input.definition.settings
  const { asOf, personIds } = input
  const kinds = [
    ...(triggers.resignation || triggers.termination ? ['resignation'] : []),
    ...(triggers.accountDeleted ? ['account_deleted'] : []),
    ...triggers.stressors,
  ]
  if (kinds.length === 0) return []
  const today = dayOf(asOf)
  // A day wider than the windows on either side; the windows themselves are compared below, as calendar days.
  const days = (count: number) => new Date(asOf.getTime() + count * DAY_MS)
  let query = tx
    .selectFrom('fact')
    .innerJoin('identity', 'identity.id', 'fact.identity_id')
    .select(['fact.id', 'fact.kind', 'identity.person_id', 'fact.effective_at', 'fact.last_working_at'])
    .where('fact.kind', 'in', kinds)
    .where('fact.superseded_at', 'is', null)
    .where('fact.withdrawn', '=', false)
    .where(({ and, eb, or }) =>
      or([
        and([eb('fact.effective_at', '>=', days(-windows.activationDays - 1)), eb('fact.effective_at', '<=', days(1))]),
        and([
          eb('fact.last_working_at', '>=', days(-windows.pastTerminationDays - 1)),
          eb('fact.last_working_at', '<=', days(windows.futureTerminationDays + 1)),
        ]),
      ]),
    )
  if (personIds) query = query.where(sql<boolean>`identity.person_id = any (${[...personIds]}::bigint[])`)
  const found: Found[] = []
  for (const fact of await query.execute()) {
    const lastDay = fact.last_working_at ? dayOf(fact.last_working_at) : null
    const end = (day: string) => (windows.postTerminationActivity || lastDay === null ? day : minDay(day, lastDay))
    const since = around(input, dayOf(fact.effective_at))
    const candidates: Activation[] = []
    if (fact.kind !== 'resignation') {
      const kind = fact.kind === 'account_deleted' ? 'account_deleted' : 'stressor'
      candidates.push({ kind, factId: fact.id, ...since })
    } else if (triggers.resignation) {
      candidates.push({ kind: 'resignation', factId: fact.id, ...since, toDay: end(since.toDay) })
    }
    if (fact.kind === 'resignation' && triggers.termination && lastDay !== null) {
      candidates.push({
        kind: 'termination',
        factId: fact.id,
        day: addDays(lastDay, -windows.futureTerminationDays),
        fromDay: addDays(lastDay, -windows.futureTerminationDays - windows.pastDays),
        toDay: end(addDays(lastDay, windows.pastTerminationDays)),
      })
    }
    for (const activation of candidates) {
      if (activation.day <= today && today <= activation.toDay) found.push({ personId: fact.person_id, activation })
    }
  }
  return found
}

/** Insights of the policy's own indicators that reach the tier of a trigger, on days whose window is still open. */
async function byIndicators(tx: Connection, input: EvaluateInput): Promise<Found[]> {
  const { triggers, windows } = input.definition.settings
  const chosen = triggers.indicators.flatMap(({ id, tier, dlpPolicies = [] }) => {
    const indicator = input.indicators.get(id)
    return indicator ? [{ indicator, atLeast: SEVERITIES.indexOf(tier), dlpPolicies }] : []
  })
  if (chosen.length === 0) return []
  const today = dayOf(input.asOf)
  const window = { fromDay: addDays(today, -windows.activationDays), toDay: today }
  const indicators = chosen.map(({ indicator }) => indicator)
  const candidates = input.personIds ?? (await peopleWith(tx, indicators, window))
  const histories = await readHistories(tx, indicators, new Map(candidates.map((personId) => [personId, window])))
  const found: Found[] = []
  for (const { indicator, atLeast, dlpPolicies } of chosen) {
    const ofPolicies = dlpPolicies.length > 0 ? await findingsOf(tx, indicator, dlpPolicies, candidates, window) : null
    for (const personId of candidates) {
      for (const [day, { value: whole }] of measure(indicator, window, histories.get(personId) ?? NO_HISTORY)) {
        const value = ofPolicies ? (ofPolicies.get(`${personId} ${day}`) ?? 0) : whole
        const tier = tierOf(value, indicator.tiers)
        if (tier === null || SEVERITIES.indexOf(tier) < atLeast) continue
        found.push({ personId, activation: { kind: 'indicator', indicatorId: indicator.id, ...around(input, day) } })
      }
    }
  }
  return found
}

/** How many findings of an indicator came from these DLP policies, by person and day: rollups know no policies. */
async function findingsOf(
  tx: Connection,
  indicator: ScoringIndicator,
  dlpPolicies: readonly string[],
  personIds: readonly number[],
  { fromDay, toDay }: Window,
): Promise<Map<string, number>> {
  const { rows } = await sql<{ of: string; findings: number }>`
    select identity.person_id || ' ' || (a.at at time zone 'UTC')::date as of, count(*)::int as findings
    from identity join activity a on a.identity_id = identity.id
    where identity.person_id = any (${[...personIds]}::bigint[])
      and a.at >= ${fromDay}::date::timestamp at time zone 'UTC'
      and a.at < (${toDay}::date + 1)::timestamp at time zone 'UTC'
      and a.flags && ${flagsOfChoice(dlpPolicies)}::text[] and ${COUNTS} and ${compilePredicate(indicator)}
    group by 1`.execute(tx)
  return new Map(rows.map(({ of, findings }) => [of, findings]))
}

/** Everybody of whom one of the indicators may say something in the window. */
async function peopleWith(
  tx: Connection,
  indicators: readonly ScoringIndicator[],
  { fromDay, toDay }: Window,
): Promise<number[]> {
  const keys = indicators.filter(hasRollups).map(rollupKey)
  const dimensions = indicators.flatMap(({ measure: how }) => (how.of === 'first_seen' ? [how.dimension] : []))
  const rows = await sql<{ person_id: number }>`
    select identity.person_id from indicator_day r join acting_identity identity on identity.id = r.identity_id
    where r.day between ${fromDay}::date and ${toDay}::date and r.rollup_key = any (${keys}::uuid[])
    union
    select identity.person_id from identity_seen seen join acting_identity identity on identity.id = seen.identity_id
    where seen.dimension = any (${dimensions}::text[])
      and (seen.first_at at time zone 'UTC')::date between ${fromDay}::date and ${toDay}::date
    order by 1`.execute(tx)
  return rows.rows.map((row) => row.person_id)
}

async function membersOf(
  tx: Connection,
  personIds: readonly number[],
  groups: readonly string[],
): Promise<Set<number>> {
  const rows = await sql<{ person_id: number }>`
    select distinct identity.person_id from fact join identity on identity.id = fact.identity_id
    where fact.kind = 'group_member' and fact.superseded_at is null and not fact.withdrawn
      and lower(fact.attributes ->> 'group') = any (${groups.map((group) => group.trim().toLowerCase())}::text[])
      and identity.person_id = any (${personIds}::bigint[])`.execute(tx)
  return new Set(rows.rows.map((row) => row.person_id))
}
