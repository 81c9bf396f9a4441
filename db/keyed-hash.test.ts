import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KeyedHash } from './keyed-hash.ts'

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constantFrom('', '\ud800', 'ä'.repeat(4_096), '€'.repeat(4_096), 'x'.repeat(4_097), '𝒳'.repeat(5_000)),
)

test('the digests are those of HMAC-SHA-256, whatever the text, in any order', () => {
  const key = randomBytes(32)
  const keyed = new KeyedHash(key)
  fc.assert(
    fc.property(text, (value) => {
      expect(keyed.digest(value).equals(createHmac('sha256', key).update(value).digest())).toBe(true)
    }),
    { numRuns: 1_000 },
  )
})
