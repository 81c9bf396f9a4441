import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson } from './canonical.ts'
import {
  type Activation,
  type Booster,
  ENGINE_VERSION,
  type Insight,
  receiptDocument,
  scoreOf,
  severityOf,
  weightOf,
  withoutSpent,
} from './score.ts'
import { addDays, dayOf, daysBetween, maxDay, minDay } from './window.ts'

const share = fc.double({ min: 0.0001, max: 0.9999, noNaN: true })
const boosters = fc.uniqueArray(
  fc.record({
    id: fc.constantFrom<Booster['id']>('unusual', 'repeated', 'previously_confirmed'),
    weight: share,
    because: fc.constant('Because.'),
  }),
  { selector: ({ id }) => id },
)
const insight: fc.Arbitrary<Insight> = fc
  .record({
    indicatorId: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
    day: fc.integer({ min: 0, max: 120 }).map((days) => addDays('2026-01-01', days)),
    value: fc.integer({ min: 1, max: 1_000_000 }),
    baseWeight: share,
    boosters,
  })
  .map((drawn) => ({
    ...drawn,
    indicatorVersion: 1,
    unit: 'objects',
    tier: 'low',
    weight: weightOf(drawn.baseWeight, drawn.boosters),
    because: 'Because.',
  }))
const insights = fc.uniqueArray(insight, {
  maxLength: 60,
  selector: ({ day, indicatorId }) => `${day} ${indicatorId}`,
})
const shuffled = <T>(items: readonly T[]) => fc.shuffledSubarray([...items], { minLength: items.length })

test('the score of known insights is the number computed by hand', () => {
  const scored = [
    { day: '2026-03-01', indicatorId: 'a', weight: 0.2 },
    { day: '2026-03-01', indicatorId: 'b', weight: 0.5 },
    { day: '2026-03-02', indicatorId: 'a', weight: 0.25 },
  ]
  // 1 − 0.8 × 0.5 × 0.75 = 0.7
  expect(scoreOf(scored)).toBe(70)
  expect(scoreOf([])).toBe(0)
  // 1 − 0.75 × 0.9 × 0.8 = 0.46
  expect(
    weightOf(0.25, [
      { id: 'unusual', weight: 0.1 },
      { id: 'previously_confirmed', weight: 0.2 },
    ]),
  ).toBe(0.46)
  expect(ENGINE_VERSION).toBe('1')
})

test('a score is bounded and has one decimal, a weight stays strictly between 0 and 1', () => {
  fc.assert(
    fc.property(insights, (scored) => {
      const score = scoreOf(scored)
      expect(score).toBeGreaterThanOrEqual(0)
      expect(score).toBeLessThanOrEqual(100)
      expect(Number(score.toFixed(1))).toBe(score)
      for (const { weight } of scored) expect(weight > 0 && weight < 1).toBe(true)
    }),
  )
  expect(weightOf(0.999999, [{ id: 'unusual', weight: 0.9999999 }])).toBeLessThan(1)
  expect(weightOf(1e-9, [])).toBeGreaterThan(0)
})

test('one more insight, or one more booster, never lowers the score', () => {
  fc.assert(
    fc.property(insights, fc.nat(), (scored, at) => {
      if (scored.length === 0) return
      const fewer = scored.filter((_, index) => index !== at % scored.length)
      expect(scoreOf(scored)).toBeGreaterThanOrEqual(scoreOf(fewer))
    }),
  )
  fc.assert(
    fc.property(share, boosters, (base, found) => {
      expect(weightOf(base, found)).toBeGreaterThanOrEqual(weightOf(base, found.slice(1)))
    }),
  )
})

test('the order in which insights and boosters were found changes no digit', () => {
  fc.assert(
    fc.property(
      insights.chain((scored) => fc.tuple(fc.constant(scored), shuffled(scored))),
      ([scored, otherwise]) => {
        expect(scoreOf(otherwise)).toBe(scoreOf(scored))
        for (const { baseWeight, boosters: found, weight } of otherwise) {
          expect(weightOf(baseWeight, [...found].reverse())).toBe(weight)
        }
      },
    ),
  )
})

const activation: Activation = {
  kind: 'resignation',
  factId: '00000000-0000-0000-0000-000000000001',
  day: '2026-03-01',
  fromDay: '2025-12-01',
  toDay: '2026-03-31',
}

test('a receipt shows every factor: the score recomputes from its canonical JSON alone', () => {
  fc.assert(
    fc.property(
      insights.chain((scored) => fc.tuple(fc.constant(scored), shuffled(scored))),
      ([scored, otherwise]) => {
        const frame = {
          alertId: 'alert',
          policyId: 'policy',
          policyVersion: 1,
          engineVersion: ENGINE_VERSION,
          asOf: '2026-03-10T00:00:00.000Z',
          activation,
          score: scoreOf(scored),
          severity: severityOf(scoreOf(scored), { medium: 34, high: 67 }),
        }
        const withEvidence = (list: readonly Insight[]) => list.map((each) => ({ ...each, evidence: [] }))
        const text = canonicalJson(receiptDocument(frame, withEvidence(scored)))
        expect(canonicalJson(receiptDocument(frame, withEvidence(otherwise)))).toBe(text)
        const read = JSON.parse(text) as ReturnType<typeof receiptDocument>
        const recomputed = read.contributions.map((each) => ({
          ...each,
          weight: weightOf(each.baseWeight, each.boosters),
        }))
        expect(scoreOf(recomputed)).toBe(read.score)
      },
    ),
  )
})

test('severity changes exactly at the bounds of the bands', () => {
  const bands = { medium: 34, high: 67 }
  expect([33.9, 34, 66.9, 67, 100].map((score) => severityOf(score, bands))).toEqual([
    'low',
    'medium',
    'medium',
    'high',
    'high',
  ])
})

test('an insight is spent when a closed alert held the same indicator and day with a value at least as large', () => {
  const fresh = [
    { indicatorId: 'a', day: '2026-03-01', value: 10 },
    { indicatorId: 'a', day: '2026-03-02', value: 10 },
    { indicatorId: 'b', day: '2026-03-01', value: 11 },
    { indicatorId: 'c', day: '2026-03-01', value: 1 },
  ]
  const spent = [
    { indicatorId: 'a', day: '2026-03-01', value: 10 },
    { indicatorId: 'a', day: '2026-03-01', value: 2 },
    { indicatorId: 'b', day: '2026-03-01', value: 10 },
  ]
  expect(withoutSpent(fresh, spent)).toEqual([fresh[1], fresh[2], fresh[3]])
  expect(withoutSpent(fresh, [])).toEqual(fresh)
  expect(withoutSpent(fresh, fresh)).toEqual([])
})

test('calendar days are UTC and cross months, leap days and years', () => {
  expect(dayOf(new Date('2026-03-01T23:59:59.999+00:00'))).toBe('2026-03-01')
  expect(dayOf(new Date('2026-03-01T23:30:00-05:00'))).toBe('2026-03-02')
  expect(addDays('2028-02-28', 1)).toBe('2028-02-29')
  expect(addDays('2026-01-01', -1)).toBe('2025-12-31')
  expect(daysBetween('2026-03-28', '2026-03-30')).toBe(2)
  expect(daysBetween('2026-03-30', '2026-03-28')).toBe(-2)
  expect([minDay('2026-09-30', '2026-10-01'), maxDay('2026-09-30', '2026-10-01')]).toEqual(['2026-09-30', '2026-10-01'])
})
