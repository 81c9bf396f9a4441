import { sql } from 'kysely'
import type { Connection } from '../db/connection.ts'
import type { Severity } from '../domain/alert.ts'
import { type Activation, type Booster, byDayAndIndicator, type Insight, weightOf } from '../domain/score.ts'
import { addDays, dayOf, daysBetween, maxDay, minDay } from '../domain/window.ts'
import { type ActiveIndicator, COUNTS, compilePredicate, rollupKey, SEEN_VALUE } from './compile.ts'
import type { IndicatorDefinition } from './indicator.ts'
import type { PolicyDefinition } from './template.ts'

export interface PersonEvaluation {
  personId: number
  identityIds: number[]
  activation: Activation
  insights: Insight[]
}

/** An indicator as a policy scores with it: its thresholds and its time zone applied (see `pinnedIndicators`). */
export type ScoringIndicator = IndicatorDefinition & Pick<ActiveIndicator, 'timeZone'>

export interface EvaluateInput {
  definition: PolicyDefinition
  /** The pinned indicators by id, the policy's thresholds applied. */
  indicators: ReadonlyMap<string, ScoringIndicator>
  /** People to look at; everybody when absent. */
  personIds?: readonly number[]
  asOf: Date
}

/**
 * People with an open window and their insights in it, from rollups and facts. Whoever is looked at is computed anew
 * over the whole window, so late data lands on the day it belongs to and the order of arrival does not matter.
 */
export async function evaluatePeople(tx: Connection, input: EvaluateInput): Promise<PersonEvaluation[]> {
  const activations = await openWindows(tx, input)
  if (activations.size === 0) return []
  const personIds = [...activations.keys()]
  const identities = await identitiesOf(tx, personIds)
  const indicators = [...input.indicators.values()]
  const rollups = await readRollups(tx, indicators, activations)
  const firsts = await readFirstSeen(tx, indicators, activations)
  const confirmed = await previouslyConfirmed(tx, personIds)
  return personIds.map((personId) => {
    const activation = activations.get(personId) as Activation
    const history = { rollups: rollups.get(personId) ?? new Map(), firsts: firsts.get(personId) ?? EMPTY_FIRSTS }
    return {
      personId,
      identityIds: identities.get(personId) ?? [],
      activation,
      insights: insightsOf(input, activation, history, confirmed.has(personId)),
    }
  })
}

// --- triggers ---------------------------------------------------------------------------------------------------

/** The trigger whose window is open at `asOf`, per person; the earliest one where several are. */
async function openWindows(
  tx: Connection,
  { definition, personIds, asOf }: EvaluateInput,
): Promise<Map<number, Activation>> {
  const { triggers, windows } = definition.settings
  const today = dayOf(asOf)
  if (personIds?.length === 0) return new Map()
  // A day wider than the windows on either side; the windows themselves are compared below, as calendar days.
  const around = (days: number) => new Date(asOf.getTime() + days * DAY_MS)
  let query = tx
    .selectFrom('fact')
    .innerJoin('identity', 'identity.id', 'fact.identity_id')
    .select(['fact.id', 'identity.person_id', 'fact.effective_at', 'fact.last_working_at'])
    .where('fact.kind', '=', 'resignation')
    .where('fact.superseded_at', 'is', null)
    .where('fact.withdrawn', '=', false)
    .where(({ and, eb, or }) =>
      or([
        and([
          eb('fact.effective_at', '>=', around(-windows.activationDays - 1)),
          eb('fact.effective_at', '<=', around(1)),
        ]),
        and([
          eb('fact.last_working_at', '>=', around(-windows.pastTerminationDays - 1)),
          eb('fact.last_working_at', '<=', around(windows.futureTerminationDays + 1)),
        ]),
      ]),
    )
    .orderBy('fact.effective_at')
    .orderBy('fact.id')
  if (personIds) query = query.where(sql<boolean>`identity.person_id = any (${[...personIds]}::bigint[])`)
  const open = new Map<number, Activation>()
  for (const fact of await query.execute()) {
    const noticeDay = dayOf(fact.effective_at)
    const lastDay = fact.last_working_at ? dayOf(fact.last_working_at) : null
    const end = (day: string) => (windows.postTerminationActivity || lastDay === null ? day : minDay(day, lastDay))
    const candidates: Omit<Activation, 'factId'>[] = []
    if (triggers.resignation) {
      candidates.push({
        kind: 'resignation',
        day: noticeDay,
        fromDay: addDays(noticeDay, -windows.pastDays),
        toDay: end(addDays(noticeDay, windows.activationDays)),
      })
    }
    if (triggers.termination && lastDay !== null) {
      candidates.push({
        kind: 'termination',
        day: addDays(lastDay, -windows.futureTerminationDays),
        fromDay: addDays(lastDay, -windows.futureTerminationDays - windows.pastDays),
        toDay: end(addDays(lastDay, windows.pastTerminationDays)),
      })
    }
    const current = candidates.filter(({ day, toDay }) => day <= today && today <= toDay)
    for (const candidate of current) {
      const known = open.get(fact.person_id)
      if (!known) open.set(fact.person_id, { ...candidate, factId: fact.id })
      else {
        // Two windows at once are one longer window, told by the trigger that came first.
        known.fromDay = minDay(known.fromDay, candidate.fromDay)
        known.toDay = maxDay(known.toDay, candidate.toDay)
      }
    }
  }
  return open
}

const DAY_MS = 86_400_000

// --- what is known of people ------------------------------------------------------------------------------------

interface DayTotals {
  count: number
  objects: number
  items: number
  bytes: number
}
/** rollup key → day → totals over the person's identities. */
type Rollups = Map<string, Map<string, DayTotals>>
interface Firsts {
  /** First day of any activity; null when there was none. */
  since: string | null
  /** rollup key → day of the window → values first met that day by an activity that the indicator counts. */
  values: Map<string, Map<string, number>>
}
const EMPTY_FIRSTS: Firsts = { since: null, values: new Map() }

async function identitiesOf(tx: Connection, personIds: readonly number[]): Promise<Map<number, number[]>> {
  const rows = await sql<{ person_id: number; ids: number[] }>`
    select person_id, json_agg(id order by id) as ids from identity
    where person_id = any (${personIds}::bigint[]) group by 1`.execute(tx)
  return new Map(rows.rows.map((row) => [row.person_id, row.ids]))
}

/** Longest baseline that an indicator may ask for. */
const BASELINE_DAYS = 90

async function readRollups(
  tx: Connection,
  indicators: readonly ScoringIndicator[],
  activations: ReadonlyMap<number, Activation>,
): Promise<Map<number, Rollups>> {
  const rows = await sql<{
    person_id: number
    indicator_id: string
    day: string
    count: number
    objects: number
    items: number
    bytes: number
  }>`
    select identity.person_id, r.indicator_id, r.day, sum(r.count) as count, sum(r.objects) as objects,
           sum(r.items) as items, sum(r.bytes) as bytes
    from unnest(${[...activations.keys()]}::bigint[], ${[...activations.values()].map((a) => addDays(a.fromDay, -BASELINE_DAYS))}::date[],
                ${[...activations.values()].map((a) => a.toDay)}::date[]) as asked (person_id, from_day, to_day)
    join identity on identity.person_id = asked.person_id
    join indicator_day r on r.identity_id = identity.id and r.day between asked.from_day and asked.to_day
      and r.indicator_id = any (${indicators.map(rollupKey)}::text[])
    group by 1, 2, 3`.execute(tx)
  const people = new Map<number, Rollups>()
  for (const row of rows.rows) {
    const rollups = getOrMake(people, row.person_id, () => new Map<string, Map<string, DayTotals>>())
    getOrMake(rollups, row.indicator_id, () => new Map<string, DayTotals>()).set(row.day, {
      count: Number(row.count),
      objects: Number(row.objects),
      items: Number(row.items),
      bytes: Number(row.bytes),
    })
  }
  return people
}

async function readFirstSeen(
  tx: Connection,
  indicators: readonly ScoringIndicator[],
  activations: ReadonlyMap<number, Activation>,
): Promise<Map<number, Firsts>> {
  const people = new Map<number, Firsts>()
  const since = await sql<{ person_id: number; day: string }>`
    select identity.person_id, (min(seen.first_at) at time zone 'UTC')::date as day
    from identity join identity_seen seen on seen.identity_id = identity.id and seen.dimension = 'any'
    where identity.person_id = any (${[...activations.keys()]}::bigint[])
    group by 1`.execute(tx)
  for (const row of since.rows) people.set(row.person_id, { since: row.day, values: new Map() })
  for (const indicator of indicators) {
    if (indicator.measure.of !== 'first_seen') continue
    const { dimension } = indicator.measure
    const rows = await sql<{ person_id: number; day: string; n: number }>`
      with first as (
        select asked.person_id, asked.from_day, asked.to_day, seen.value,
               (min(seen.first_at) at time zone 'UTC')::date as day
        from unnest(${[...activations.keys()]}::bigint[], ${[...activations.values()].map((a) => a.fromDay)}::date[],
                    ${[...activations.values()].map((a) => a.toDay)}::date[]) as asked (person_id, from_day, to_day)
        join identity on identity.person_id = asked.person_id
        join identity_seen seen on seen.identity_id = identity.id and seen.dimension = ${dimension}
        group by 1, 2, 3, 4
      )
      select first.person_id, first.day, count(*)::int as n
      from first
      where first.day between first.from_day and first.to_day
        -- met by something that the indicator counts, not by a refused or another kind of activity
        and exists (
          select from identity
          join indicator_day r on r.identity_id = identity.id and r.day = first.day
            and r.indicator_id = ${rollupKey(indicator)}
          join activity a on a.identity_id = identity.id
            and a.at >= first.day::timestamp at time zone 'UTC' and a.at < (first.day + 1)::timestamp at time zone 'UTC'
          where identity.person_id = first.person_id and ${SEEN_VALUE[dimension]} = first.value
            and ${COUNTS} and (${compilePredicate(indicator)})
        )
      group by 1, 2`.execute(tx)
    for (const row of rows.rows) {
      const firsts = getOrMake(people, row.person_id, () => ({ since: null, values: new Map() }) as Firsts)
      getOrMake(firsts.values, rollupKey(indicator), () => new Map<string, number>()).set(row.day, row.n)
    }
  }
  return people
}

async function previouslyConfirmed(tx: Connection, personIds: readonly number[]): Promise<Set<number>> {
  const rows = await sql<{ person_id: number }>`
    select distinct person_id from case_file
    where person_id = any (${personIds}::bigint[]) and resolution = 'confirmed_violation'`.execute(tx)
  return new Set(rows.rows.map((row) => row.person_id))
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

// --- insights ---------------------------------------------------------------------------------------------------

interface History {
  rollups: Rollups
  firsts: Firsts
}

type Draft = Omit<Insight, 'boosters' | 'weight'> & { unusual: Booster | null }

/** The tier that one indicator finds for somebody on one day; null for none. What the examples of its file are run by. */
export async function tierOn(
  tx: Connection,
  indicator: ScoringIndicator,
  personId: number,
  day: string,
): Promise<Severity | null> {
  const window: Activation = { kind: 'resignation', factId: '', day, fromDay: day, toDay: day }
  const activations = new Map([[personId, window]])
  const rollups = (await readRollups(tx, [indicator], activations)).get(personId) ?? new Map()
  const firsts = (await readFirstSeen(tx, [indicator], activations)).get(personId) ?? EMPTY_FIRSTS
  for (const [on, { value }] of measure(indicator, window, { rollups, firsts })) {
    if (on === day) return tierOf(value, indicator.tiers)
  }
  return null
}

function insightsOf(input: EvaluateInput, activation: Activation, history: History, wasConfirmed: boolean): Insight[] {
  const { boosters } = input.definition.settings
  const drafts: Draft[] = []
  for (const indicator of input.indicators.values()) {
    for (const [day, measured] of measure(indicator, activation, history)) {
      const tier = tierOf(measured.value, indicator.tiers)
      if (tier === null) continue
      drafts.push({
        indicatorId: indicator.id,
        indicatorVersion: indicator.version,
        day,
        value: measured.value,
        unit: indicator.unit,
        tier,
        baseWeight: indicator.weights[tier],
        because: word(indicator, day, measured),
        unusual: unusualBooster(input, indicator, day, history),
      })
    }
  }
  const daysOf = new Map<string, number>()
  for (const { indicatorId } of drafts) daysOf.set(indicatorId, (daysOf.get(indicatorId) ?? 0) + 1)
  return drafts
    .map(({ unusual, ...draft }) => {
      const found: Booster[] = []
      if (unusual) found.push(unusual)
      const days = daysOf.get(draft.indicatorId) ?? 0
      if (days >= boosters.repeated.days) {
        found.push({ id: 'repeated', weight: boosters.repeated.weight, because: `Seen on ${days} days of the window.` })
      }
      if (wasConfirmed) {
        found.push({
          id: 'previously_confirmed',
          weight: boosters.previouslyConfirmed.weight,
          because: 'An earlier case was resolved as a confirmed violation.',
        })
      }
      return { ...draft, boosters: found, weight: weightOf(draft.baseWeight, found) }
    })
    .sort(byDayAndIndicator)
}

export const tierOf = (value: number, tiers: ScoringIndicator['tiers']): Severity | null =>
  value >= tiers.high ? 'high' : value >= tiers.medium ? 'medium' : value >= tiers.low ? 'low' : null

interface Measured {
  value: number
  usual: number | null
}

/** What an indicator measured on each day of the window. */
function* measure(
  indicator: ScoringIndicator,
  window: Pick<Activation, 'fromDay' | 'toDay'>,
  history: History,
): Generator<[string, Measured]> {
  const { measure: how } = indicator
  const inWindow = (day: string) => day >= window.fromDay && day <= window.toDay
  if (how.of === 'first_seen') {
    for (const [day, value] of history.firsts.values.get(rollupKey(indicator)) ?? []) {
      if (inWindow(day) && historyDays(history, day) >= how.historyDays) yield [day, { value, usual: null }]
    }
    return
  }
  for (const [day, totals] of history.rollups.get(rollupKey(indicator)) ?? []) {
    if (!inWindow(day)) continue
    if (how.of === 'times_usual') {
      const usual = ownMean(history, indicator, how.base, day, how.days)
      if (totals[how.base] < how.floor || usual === null || historyDays(history, day) < how.historyDays) continue
      // Somebody with next to nothing on an ordinary day is compared with one a day, not with zero.
      yield [day, { value: oneDecimal(totals[how.base] / Math.max(usual, 1)), usual: oneDecimal(usual) }]
    } else {
      const usual = how.unlessUsual ? ownHabit(history, indicator, how.of, day, how.unlessUsual.days) : null
      if (how.unlessUsual && usual !== null && totals[how.of] < how.unlessUsual.times * usual) continue
      yield [day, { value: totals[how.of], usual: usual === null ? null : oneDecimal(usual) }]
    }
  }
}

const oneDecimal = (value: number): number => Math.round(value * 10) / 10

const historyDays = (history: History, day: string): number =>
  history.firsts.since === null ? 0 : daysBetween(history.firsts.since, day)

/** The person's own daily mean over the days before, days without activity included; null without any day before. */
function ownMean(
  history: History,
  indicator: ScoringIndicator,
  base: keyof DayTotals,
  day: string,
  days: number,
): number | null {
  const span = Math.min(days, historyDays(history, day))
  if (span < 1) return null
  const from = addDays(day, -span)
  let sum = 0
  for (const [other, totals] of history.rollups.get(rollupKey(indicator)) ?? []) {
    if (other >= from && other < day) sum += totals[base]
  }
  return sum / span
}

/** So many days of doing a thing make a habit. */
const HABIT_DAYS = 2

/**
 * What is ordinary for this person on a day on which they do it: the mean over such days before, so that work of every
 * second night is known as such; over all days before while there were too few. Null without any day before.
 */
function ownHabit(
  history: History,
  indicator: ScoringIndicator,
  base: keyof DayTotals,
  day: string,
  days: number,
): number | null {
  const from = addDays(day, -days)
  const before = [...(history.rollups.get(rollupKey(indicator)) ?? [])].filter(([on]) => on >= from && on < day)
  if (before.length < HABIT_DAYS) return ownMean(history, indicator, base, day, days)
  return before.reduce((sum, [, totals]) => sum + totals[base], 0) / before.length
}

function unusualBooster(
  input: EvaluateInput,
  indicator: ScoringIndicator,
  day: string,
  history: History,
): Booster | null {
  const { unusual } = input.definition.settings.boosters
  const { measure: how } = indicator
  // An indicator that already compares with the usual would count the same thing twice.
  if (how.of === 'first_seen' || how.of === 'times_usual' || historyDays(history, day) < unusual.historyDays)
    return null
  const mean = ownMean(history, indicator, how.of, day, 30)
  const value = history.rollups.get(rollupKey(indicator))?.get(day)?.[how.of] ?? 0
  if (mean === null || value < unusual.times * Math.max(mean, 1)) return null
  return {
    id: 'unusual',
    weight: unusual.weight,
    because: `This person's own daily mean before was ${oneDecimal(mean)} ${indicator.unit}.`,
  }
}

const GROUPED = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const BYTE_UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB']

/** A value for reading, with its unit: `1,234 objects`, `12.3 GB`. The exact one is in the insight's `value`. */
export function amount(value: number, unit: string): string {
  if (unit !== 'bytes') return `${GROUPED.format(value)} ${unit}`
  const power = Math.min(Math.max(Math.floor(Math.log10(Math.max(value, 1)) / 3), 0), BYTE_UNITS.length - 1)
  return `${GROUPED.format(value / 1000 ** power)} ${BYTE_UNITS[power]}`
}

function word(indicator: ScoringIndicator, day: string, { value, usual }: Measured): string {
  const figure = (number: number) => (indicator.unit === 'bytes' ? amount(number, 'bytes') : GROUPED.format(number))
  const filled: Record<string, string> = {
    value: figure(value),
    unit: indicator.unit,
    usual: usual === null ? 'not known' : figure(usual),
    day,
    zone: indicator.timeZone ?? 'UTC',
  }
  return indicator.says.replace(/\{(\w+)\}/g, (_, name: string) => filled[name] ?? '')
}
