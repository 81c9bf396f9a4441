import { describe, expect, test } from 'vitest'
import { cutRange, untilAllowed } from './pieces.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

test('a range is cut at multiples of its step, the newest first, without a gap', () => {
  const cut = cutRange(new Date('2026-03-01T05:00:00Z'), new Date('2026-03-03T01:00:00Z'), 24)
  expect(cut.map(({ from, to }) => [from.toISOString(), to.toISOString()])).toEqual([
    ['2026-03-03T00:00:00.000Z', '2026-03-03T01:00:00.000Z'],
    ['2026-03-02T00:00:00.000Z', '2026-03-03T00:00:00.000Z'],
    ['2026-03-01T05:00:00.000Z', '2026-03-02T00:00:00.000Z'],
  ])
  expect(cutRange(new Date('2026-03-01T00:00:00Z'), new Date('2026-03-01T00:00:00Z'), 24)).toEqual([])
})

describe('hours of the day', () => {
  const night = { from: 22, to: 6, timeZone: 'Europe/Berlin' }
  test.each([
    ['within them, over midnight', night, '2026-01-10T23:30:00Z', 0],
    ['at their first minute', night, '2026-01-10T21:00:00Z', 0],
    ['at their end, which is outside', night, '2026-01-10T05:00:00Z', 16 * HOUR],
    ['before them', night, '2026-01-10T20:45:00Z', 15 * MINUTE],
    ['within the day', { from: 9, to: 17, timeZone: 'UTC' }, '2026-01-10T17:30:00Z', 15.5 * HOUR],
    // 2026-03-29 has 23 hours there.
    ['on the day on which clocks go forward', { ...night, from: 2 + 1, to: 4 }, '2026-03-28T12:00:00Z', 13 * HOUR],
    ['in a zone of half hours', { from: 22, to: 23, timeZone: 'Asia/Kolkata' }, '2026-01-10T15:00:00Z', 1.5 * HOUR],
    ['in a zone of quarter hours', { from: 1, to: 2, timeZone: 'Asia/Kathmandu' }, '2026-01-10T19:00:00Z', 15 * MINUTE],
  ])('%s', (_, hours, now, expected) => {
    expect(untilAllowed(hours, new Date(now))).toBe(expected)
  })
})
