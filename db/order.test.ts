import fc from 'fast-check'
import { expect, test } from 'vitest'
import { orderByKey } from './order.ts'

test('rows come in the order of identity and instant, equal ones in their own', () => {
  const key = fc.tuple(
    fc.oneof(fc.nat(3), fc.nat(2 ** 31)),
    fc.oneof(fc.nat(3), fc.integer({ min: -(2 ** 41), max: 2 ** 43 })),
  )
  fc.assert(
    fc.property(fc.array(key, { maxLength: 60 }), (keys) => {
      const column = (at: 0 | 1) => Float64Array.from([...keys.map((each) => each[at]), 7, 7])
      const sorted = keys
        .map((_, n) => n)
        .sort((a, b) => {
          const [one, other] = [keys[a] as [number, number], keys[b] as [number, number]]
          return one[0] - other[0] || one[1] - other[1] || a - b
        })
      // By their digits, and compared with each other.
      for (const few of [0, keys.length + 1])
        expect([...orderByKey(column(0), column(1), keys.length, few)]).toEqual(sorted)
    }),
    { numRuns: 200 },
  )
})
