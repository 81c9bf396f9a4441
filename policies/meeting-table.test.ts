import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MeetingTable } from './meeting-table.ts'

test('keeps the least of every pair, and forgets nothing but when it is cleared', () => {
  const table = new MeetingTable()
  const least = new Map<string, number>()
  const pair = fc.tuple(fc.oneof(fc.nat(20), fc.nat(2 ** 31 - 1)), fc.oneof(fc.nat(3), fc.nat(2 ** 20)), fc.nat(5))
  fc.assert(
    fc.property(fc.array(pair, { minLength: 200, maxLength: 400 }), (pairs) => {
      for (const [first, second, value] of pairs) {
        const known = least.get(`${first}/${second}`)
        const lowers = known === undefined || value < known
        expect(table.lower(first, second, value)).toBe(lowers)
        if (lowers) least.set(`${first}/${second}`, value)
      }
    }),
    { numRuns: 100 },
  )
  expect(least.size).toBeGreaterThan(10_000)
  table.clear()
  expect(table.lower(1, 1, 9)).toBe(true)
})

test('within as many pairs as it holds no pair is new twice, however many came before', () => {
  const slots = 2 ** 8
  const held = Math.floor(slots * 0.6)
  const table = new MeetingTable(slots)
  let forgotten = 0
  const known = new Set<number>()
  fc.assert(
    fc.property(fc.array(fc.nat(2_000), { minLength: held, maxLength: held }), (chunk) => {
      const fresh = new Set<number>()
      for (const first of chunk) {
        if (!table.lower(first, 1, 7)) continue
        expect(fresh.has(first)).toBe(false)
        fresh.add(first)
        if (known.has(first)) forgotten += 1
        known.add(first)
      }
    }),
    { numRuns: 200 },
  )
  // What was kept long ago is told again, which costs a look-up and changes nothing.
  expect(forgotten).toBeGreaterThan(1_000)
})
