import { sql } from 'kysely'
import type { Connection } from '../db/connection.ts'
import type { Severity } from '../domain/alert.ts'
import { type Activation, type Booster, byDayAndIndicator, type Insight, weightOf } from '../domain/score.ts'
import { rollupKey } from './compile.ts'
import {
  type History,
  historyDays,
  type Measured,
  measure,
  NO_HISTORY,
  oneDecimal,
  ownMean,
  readHistories,
  type ScoringIndicator,
  tierOf,
} from './history.ts'
import type { PolicyDefinition } from './template.ts'
import { openWindows } from './triggers.ts'

export interface PersonEvaluation {
  personId: number
  identityIds: number[]
  activation: Activation
  insights: Insight[]
}

/** What an open alert was last computed on. */
export interface Continuing {
  activation: Activation
  /** True when an account has left the person since: what opened the window may have left with it. */
  partedSince: boolean
}

export interface EvaluateInput {
  definition: PolicyDefinition
  /** The pinned indicators by id, the policy's thresholds applied. */
  indicators: ReadonlyMap<string, ScoringIndicator>
  /** People to look at; everybody when absent. */
  personIds?: readonly number[]
  /** People with an open alert and what it was raised on: what joins or leaves its window still counts. */
  continuing?: ReadonlyMap<number, Continuing>
  asOf: Date
}

/**
 * People with an open window and their insights in it, from rollups and facts. Whoever is looked at is computed anew
 * over the whole window, so late data lands on the day it belongs to and the order of arrival does not matter.
 */
export async function evaluatePeople(tx: Connection, input: EvaluateInput): Promise<PersonEvaluation[]> {
  const activations = await openWindows(tx, input)
  const ended = new Set<number>()
  for (const [personId, { activation, partedSince }] of input.continuing ?? []) {
    if (activations.has(personId)) continue
    activations.set(personId, activation)
    if (partedSince && !(await stillOpens(tx, input, personId, activation))) ended.add(personId)
  }
  if (activations.size === 0) return []
  const personIds = [...activations.keys()]
  const identities = await identitiesOf(tx, personIds)
  const histories = await readHistories(tx, [...input.indicators.values()], activations)
  const confirmed = await previouslyConfirmed(tx, personIds)
  return [...activations].map(([personId, activation]) => ({
    personId,
    identityIds: identities.get(personId) ?? [],
    activation,
    insights: ended.has(personId)
      ? []
      : insightsOf(input, activation, histories.get(personId) ?? NO_HISTORY, confirmed.has(personId)),
  }))
}

/** Whether what opened a window is still the person's: a fact of their accounts, a day of their activity. */
async function stillOpens(
  tx: Connection,
  { indicators }: EvaluateInput,
  personId: number,
  { factId, indicatorId, day }: Activation,
): Promise<boolean> {
  if (factId) {
    const fact = await tx
      .selectFrom('fact')
      .innerJoin('identity', 'identity.id', 'fact.identity_id')
      .select('fact.id')
      .where('fact.id', '=', factId)
      .where('identity.person_id', '=', personId)
      .executeTakeFirst()
    return fact !== undefined
  }
  const indicator = indicators.get(indicatorId ?? '')
  return indicator === undefined || (await tierOn(tx, indicator, personId, day)) !== null
}

async function identitiesOf(tx: Connection, personIds: readonly number[]): Promise<Map<number, number[]>> {
  const rows = await sql<{ person_id: number; ids: number[] }>`
    select person_id, json_agg(id order by id) as ids from acting_identity
    where person_id = any (${personIds}::bigint[]) group by 1`.execute(tx)
  return new Map(rows.rows.map((row) => [row.person_id, row.ids]))
}

async function previouslyConfirmed(tx: Connection, personIds: readonly number[]): Promise<Set<number>> {
  const rows = await sql<{ person_id: number }>`
    select distinct person_id from case_file
    where person_id = any (${personIds}::bigint[]) and resolution = 'confirmed_violation'`.execute(tx)
  return new Set(rows.rows.map((row) => row.person_id))
}

type Draft = Omit<Insight, 'boosters' | 'weight'> & { unusual: Booster | null }

/** The tier that one indicator finds for somebody on one day; null for none. What the examples of its file are run by. */
export async function tierOn(
  tx: Connection,
  indicator: ScoringIndicator,
  personId: number,
  day: string,
): Promise<Severity | null> {
  const window = { fromDay: day, toDay: day }
  const history = (await readHistories(tx, [indicator], new Map([[personId, window]]))).get(personId) ?? NO_HISTORY
  for (const [on, { value }] of measure(indicator, window, history)) {
    if (on === day) return tierOf(value, indicator.tiers)
  }
  return null
}

function insightsOf(input: EvaluateInput, activation: Activation, history: History, wasConfirmed: boolean): Insight[] {
  const { boosters } = input.definition.settings
  const drafts: Draft[] = []
  for (const indicator of input.indicators.values()) {
    if (indicator.scores === false) continue
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
