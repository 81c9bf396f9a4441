import { sql } from 'kysely'
import type { Connection } from '../db/connection.ts'
import type { Severity } from '../domain/alert.ts'
import { addDays, daysBetween } from '../domain/window.ts'
import { type ActiveIndicator, COUNTS, compilePredicate, rollupKey } from './compile.ts'
import type { IndicatorDefinition } from './indicator.ts'
import { SEEN_VALUE } from './seen.ts'

/** An indicator as a policy scores with it: its thresholds and its time zone applied (see `pinnedIndicators`). */
export type ScoringIndicator = IndicatorDefinition &
  Pick<ActiveIndicator, 'timeZone'> & {
    /** False: it only triggers. True where absent. */
    scores?: boolean
  }

/** UTC days looked at, both ends included. */
export interface Window {
  fromDay: string
  toDay: string
}

export interface DayTotals {
  count: number
  objects: number
  items: number
  bytes: number
  amount: number
}
/** rollup key → day → totals over the person's identities. */
export type Rollups = Map<string, Map<string, DayTotals>>
export interface Firsts {
  /** First day of any activity; null when there was none. */
  since: string | null
  /** rollup key → day of the window → values first met that day by an activity that the indicator counts. */
  values: Map<string, Map<string, number>>
}
const NO_FIRSTS: Firsts = { since: null, values: new Map() }

/** Longest baseline that an indicator may ask for. */
const BASELINE_DAYS = 90

async function readRollups(
  tx: Connection,
  indicators: readonly ScoringIndicator[],
  windows: ReadonlyMap<number, Window>,
): Promise<Map<number, Rollups>> {
  const rows = await sql<{
    person_id: number
    rollup_key: string
    day: string
    count: number
    objects: number
    items: number
    bytes: number
    amount: number | null
  }>`
    select identity.person_id, r.rollup_key, r.day, sum(r.count) as count, sum(r.objects) as objects,
           sum(r.items) as items, sum(r.bytes) as bytes, max(r.amount) as amount
    from unnest(${[...windows.keys()]}::bigint[], ${[...windows.values()].map((a) => addDays(a.fromDay, -BASELINE_DAYS))}::date[],
                ${[...windows.values()].map((a) => a.toDay)}::date[]) as asked (person_id, from_day, to_day)
    join acting_identity identity on identity.person_id = asked.person_id
    join indicator_day r on r.identity_id = identity.id and r.day between asked.from_day and asked.to_day
      and r.rollup_key = any (${indicators.map(rollupKey)}::uuid[])
    group by 1, 2, 3`.execute(tx)
  const people = new Map<number, Rollups>()
  for (const row of rows.rows) {
    const rollups = getOrMake(people, row.person_id, () => new Map<string, Map<string, DayTotals>>())
    getOrMake(rollups, row.rollup_key, () => new Map<string, DayTotals>()).set(row.day, {
      count: Number(row.count),
      objects: Number(row.objects),
      items: Number(row.items),
      bytes: Number(row.bytes),
      amount: row.amount ?? 0,
    })
  }
  return people
}

async function readFirstSeen(
  tx: Connection,
  indicators: readonly ScoringIndicator[],
  windows: ReadonlyMap<number, Window>,
): Promise<Map<number, Firsts>> {
  const people = new Map<number, Firsts>()
  const since = await sql<{ person_id: number; day: string }>`
    select identity.person_id, (min(seen.first_at) at time zone 'UTC')::date as day
    from acting_identity identity join identity_seen seen on seen.identity_id = identity.id and seen.dimension = 'any'
    where identity.person_id = any (${[...windows.keys()]}::bigint[])
    group by 1`.execute(tx)
  for (const row of since.rows) people.set(row.person_id, { since: row.day, values: new Map() })
  for (const indicator of indicators) {
    if (indicator.measure.of !== 'first_seen') continue
    const { dimension } = indicator.measure
    const rows = await sql<{ person_id: number; day: string; n: number }>`
      with first as (
        select asked.person_id, asked.from_day, asked.to_day, seen.value,
               (min(seen.first_at) at time zone 'UTC')::date as day
        from unnest(${[...windows.keys()]}::bigint[], ${[...windows.values()].map((a) => a.fromDay)}::date[],
                    ${[...windows.values()].map((a) => a.toDay)}::date[]) as asked (person_id, from_day, to_day)
        join acting_identity identity on identity.person_id = asked.person_id
        join identity_seen seen on seen.identity_id = identity.id and seen.dimension = ${dimension}
        group by 1, 2, 3, 4
      )
      select first.person_id, first.day, count(*)::int as n
      from first
      where first.day between first.from_day and first.to_day
        -- met by something that the indicator counts, not by a refused or another kind of activity
        and exists (
          select from acting_identity identity
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

/** What is known of one person. */
export interface History {
  rollups: Rollups
  firsts: Firsts
}

/** Rollups (with the longest baseline before) and first meetings of people in their windows; people without any are absent. */
export async function readHistories(
  tx: Connection,
  indicators: readonly ScoringIndicator[],
  windows: ReadonlyMap<number, Window>,
): Promise<Map<number, History>> {
  if (windows.size === 0 || indicators.length === 0) return new Map()
  const rollups = await readRollups(tx, indicators, windows)
  const firsts = await readFirstSeen(tx, indicators, windows)
  return new Map(
    [...windows.keys()].map((personId) => [
      personId,
      { rollups: rollups.get(personId) ?? new Map(), firsts: firsts.get(personId) ?? NO_FIRSTS },
    ]),
  )
}

export const NO_HISTORY: History = { rollups: new Map(), firsts: { since: null, values: new Map() } }

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

export const tierOf = (value: number, tiers: ScoringIndicator['tiers']): Severity | null =>
  value >= tiers.high ? 'high' : value >= tiers.medium ? 'medium' : value >= tiers.low ? 'low' : null

export interface Measured {
  value: number
  usual: number | null
}

/** What an indicator measured on each day of the window. */
export function* measure(indicator: ScoringIndicator, window: Window, history: History): Generator<[string, Measured]> {
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

export const oneDecimal = (value: number): number => Math.round(value * 10) / 10

export const historyDays = (history: History, day: string): number =>
  history.firsts.since === null ? 0 : daysBetween(history.firsts.since, day)

/** The person's own daily mean over the days before, days without activity included; null without any day before. */
export function ownMean(
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
