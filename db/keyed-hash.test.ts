import { createHash, createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { viewOf } from './binary.ts'
import { KeyedHash, ShortHash } from './keyed-hash.ts'

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

test('short hashes are halves of SHA-256 over key, kind and text; another key or kind gives another', () => {
  const key = randomBytes(32)
  const short = new ShortHash(key, 'object')
  const block = key.toString('hex')
  fc.assert(
    fc.property(text, fc.option(text, { nil: undefined }), (value, within) => {
      const bytes = Buffer.alloc(20)
      short.put(viewOf(bytes), 2, value, within)
      const whole = createHash('sha256').update(block).update('object\u001f')
      if (within !== undefined) whole.update(within).update('\u001f')
      const half = whole.update(value).digest().subarray(0, 16)
      expect(bytes.equals(Buffer.concat([Buffer.alloc(2), half, Buffer.alloc(2)]))).toBe(true)
    }),
    { numRuns: 500 },
  )
  const hex = (hash: ShortHash) => Buffer.from(hash.of('x').buffer).toString('hex')
  expect(hex(new ShortHash(key, 'object'))).toBe(hex(short))
  expect(hex(new ShortHash(key, 'source'))).not.toBe(hex(short))
  expect(hex(new ShortHash(randomBytes(32), 'object'))).not.toBe(hex(short))
})
