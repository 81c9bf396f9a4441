import type { Severity } from './alert.ts'

/** Stored beside every score; changes when the arithmetic does. */
export const ENGINE_VERSION = '1'

/** A condition that makes an insight weigh more, as a factor of its own. */
export interface Booster {
  id: 'unusual' | 'repeated' | 'previously_confirmed'
  /** 0 < weight < 1. */
  weight: number
  because: string
}

/** One person, one indicator, one UTC day, scored. */
export interface Insight {
  indicatorId: string
  indicatorVersion: number
  /** UTC day, `YYYY-MM-DD`. */
  day: string
  /** What the indicator measured, in `unit`. */
  value: number
  unit: string
  tier: Severity
  /** Probability-like weight of the tier, 0 < p < 1. */
  baseWeight: number
  boosters: readonly Booster[]
  /** `weightOf(baseWeight, boosters)`. */
  weight: number
  because: string
}

const DECIMALS = 6
const round = (value: number, decimals: number): number => Math.round(value * 10 ** decimals) / 10 ** decimals

/**
 * The weight of an insight with its boosters: 1 − (1−p)·Π(1−b), rounded to six decimals and kept within
 * 0.000001 … 0.999999. Boosters are multiplied in the order of their ids, so that the digits do not depend on the
 * order in which they were found.
 */
export function weightOf(baseWeight: number, boosters: readonly Pick<Booster, 'id' | 'weight'>[]): number {
  let rest = 1 - baseWeight
  for (const booster of [...boosters].sort((a, b) => compare(a.id, b.id))) rest *= 1 - booster.weight
  return Math.min(Math.max(round(1 - rest, DECIMALS), 10 ** -DECIMALS), 1 - 10 ** -DECIMALS)
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The order in which insights are multiplied and listed: by day, then by indicator. */
export const byDayAndIndicator = (
  a: Pick<Insight, 'day' | 'indicatorId'>,
  b: Pick<Insight, 'day' | 'indicatorId'>,
): number => compare(a.day, b.day) || compare(a.indicatorId, b.indicatorId)

/** An alert's score, 0..100 with one decimal: 100 × (1 − Π(1 − p)). Bounded, monotone, free of order. 0 for no insights. */
export function scoreOf(insights: readonly Pick<Insight, 'day' | 'indicatorId' | 'weight'>[]): number {
  let rest = 1
  for (const insight of [...insights].sort(byDayAndIndicator)) rest *= 1 - insight.weight
  return round(100 * (1 - rest), 1)
}

/** Lower bounds of the bands; a score below `medium` is low. */
export interface SeverityBands {
  medium: number
  high: number
}

export const severityOf = (score: number, bands: SeverityBands): Severity =>
  score >= bands.high ? 'high' : score >= bands.medium ? 'medium' : 'low'

/** What a closed alert was judged on. */
export type SpentInsight = Pick<Insight, 'indicatorId' | 'day' | 'value'>

/**
 * Evidence that people have judged does not raise an alert again: an insight is spent when a closed alert of the same
 * policy and person held the same indicator and day with a value at least as large.
 */
export function withoutSpent<I extends SpentInsight>(insights: readonly I[], spent: readonly SpentInsight[]): I[] {
  const judged = new Map<string, number>()
  for (const { indicatorId, day, value } of spent) {
    const key = `${indicatorId}\u001f${day}`
    judged.set(key, Math.max(judged.get(key) ?? Number.NEGATIVE_INFINITY, value))
  }
  return insights.filter(
    (insight) => insight.value > (judged.get(`${insight.indicatorId}\u001f${insight.day}`) ?? Number.NEGATIVE_INFINITY),
  )
}

export const ACTIVATION_KINDS = ['resignation', 'termination', 'account_deleted', 'stressor', 'indicator'] as const

/** What makes a person active for a policy. */
export interface Activation {
  kind: (typeof ACTIVATION_KINDS)[number]
  /** Fact that says so; absent when an indicator does. */
  factId?: string
  /** Indicator whose insight says so. */
  indicatorId?: string
  /** UTC day of the trigger. */
  day: string
  /** First and last UTC day whose insights count. */
  fromDay: string
  toDay: string
}

export interface ReceiptFrame {
  alertId: string
  policyId: string
  policyVersion: number
  engineVersion: string
  asOf: string
  activation: Activation
  score: number
  severity: Severity
}

export interface Evidence {
  importId: string
  /** The connector that brought it, and its kind; absent in receipts of before they were noted. */
  connectorId?: string
  source?: string
  /** Hash of the file or object body that the records came in; null where the source has none. */
  sha256: string | null
  activities: number
  sourceKeys: readonly string[]
}

/** Everything that the receipt's hash is over, in canonical order. */
export const receiptDocument = (
  frame: ReceiptFrame,
  contributions: readonly (Insight & { evidence: readonly Evidence[] })[],
) => ({
  ...frame,
  contributions: [...contributions].sort(byDayAndIndicator).map((contribution) => ({
    indicatorId: contribution.indicatorId,
    indicatorVersion: contribution.indicatorVersion,
    day: contribution.day,
    value: contribution.value,
    unit: contribution.unit,
    tier: contribution.tier,
    baseWeight: contribution.baseWeight,
    boosters: contribution.boosters.map(({ id, weight, because }) => ({ id, weight, because })),
    weight: contribution.weight,
    because: contribution.because,
    evidence: contribution.evidence,
  })),
})
