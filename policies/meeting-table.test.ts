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
