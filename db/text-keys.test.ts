import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { viewOf } from './binary.ts'
import { TextKeys } from './text-keys.ts'

/** NIST SP 800-38B, the examples with AES-256. */
const KEY = Buffer.from('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4', 'hex')
const MESSAGE = Buffer.from(
  '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
  'hex',
)
const EXAMPLES: readonly [bytes: number, mac: string][] = [
  [0, '028962f61b7bf89efc6b551f4667d983'],
  [16, '28a7023f452e8f82bd4bf28d8c37c35c'],
  [40, 'aaf3d8f1de5640c232f5b169b9c911e6'],
  [64, 'e1992190549f6ed5696a2c056c315410'],
]

/** CMAC as SP 800-38B, 6.2 writes it down, a block at a time and in whole numbers. */
function macOf(key: Buffer, message: Buffer): string {
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
  const encipher = (block: bigint) => numberOf(cipher.update(bytesOf(block)))
  const twice = (block: bigint) => BigInt.asUintN(128, block << 1n) ^ (block >> 127n === 1n ? 0x87n : 0n)
  const subkey = twice(encipher(0n))
  let state = 0n
  for (let at = 0; ; at += 16) {
    const block = message.subarray(at, at + 16)
    if (at + 16 < message.length) state = encipher(state ^ numberOf(block))
    else if (block.length === 16) return hexOf(encipher(state ^ subkey ^ numberOf(block)))
    else {
      const padded = Buffer.concat([block, Buffer.of(0x80), Buffer.alloc(15 - block.length)])
      return hexOf(encipher(state ^ twice(subkey) ^ numberOf(padded)))
    }
  }
}

const numberOf = (block: Buffer): bigint => BigInt(`0x${block.toString('hex')}`)
const hexOf = (block: bigint): string => block.toString(16).padStart(32, '0')
const bytesOf = (block: bigint): Buffer => Buffer.from(hexOf(block), 'hex')

interface Within {
  text: string
  within?: string | undefined
}

const messageOf = ({ text, within }: Within): Buffer =>
  within === undefined
    ? Buffer.from(text)
    : Buffer.concat([Buffer.from(within), Buffer.from('ff', 'hex'), Buffer.from(text)])

/** The keys that a batch of texts gets, between bytes that are not theirs. */
function keysOf(keys: TextKeys, texts: readonly Within[], keyBytes = 16): string[] {
  const bytes = Buffer.alloc(texts.length * (keyBytes + 1) + 1, 0xee)
  const into = viewOf(bytes)
  for (const [n, { text, within }] of texts.entries()) keys.put(into, 1 + n * (keyBytes + 1), text, within)
  keys.settle(into)
  for (let at = 0; at < bytes.length; at += keyBytes + 1) expect(bytes[at]).toBe(0xee)
  return texts.map((_, n) => bytes.toString('hex', 1 + n * (keyBytes + 1), (n + 1) * (keyBytes + 1)))
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 5_000, size: 'max' }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 80, size: 'max' }),
  fc.nat(5_000).map((length) => 'x'.repeat(length)),
  fc.constantFrom('', '\ud800', 'é'.repeat(10), '€'.repeat(1_024), '€'.repeat(1_025), '𝒳'.repeat(600)),
)

test('what the keys are compared with is CMAC, as in the examples of SP 800-38B', () => {
  for (const [bytes, mac] of EXAMPLES) expect(macOf(KEY, MESSAGE.subarray(0, bytes)), String(bytes)).toBe(mac)
  // The one example that is a text.
  expect(keysOf(new TextKeys(KEY, 16), [{ text: '' }])).toEqual([EXAMPLES[0]?.[1]])
})

test('texts have the keys of CMAC whatever they are, with whatever others they wait, within another text or not', () => {
  const keys = new TextKeys(KEY, 16)
  const start = new TextKeys(KEY, 8)
  const within = fc.option(text, { nil: undefined })
  fc.assert(
    fc.property(fc.array(fc.record({ text, within }), { maxLength: 40, size: 'max' }), (texts) => {
      const macs = texts.map((each) => macOf(KEY, messageOf(each)))
      expect(keysOf(keys, texts)).toEqual(macs)
      expect(keysOf(start, texts, 8)).toEqual(macs.map((mac) => mac.slice(0, 16)))
      for (const [n, each] of texts.entries()) expect(hex(keys.of(each.text, each.within))).toBe(macs[n])
    }),
    { numRuns: 60 },
  )
})

test('of every length, a text has the same key first, last and among more than can wait', () => {
  const keys = new TextKeys(KEY, 16)
  const texts = Array.from({ length: 1_100 }, (_, length) => ({
    text: 'ab'.repeat(length / 2) + 'c'.repeat(length % 2),
  }))
  const macs = texts.map((each) => macOf(KEY, messageOf(each)))
  expect(keysOf(keys, texts)).toEqual(macs)
  expect(keysOf(keys, [...texts].reverse())).toEqual([...macs].reverse())
  const few = Array.from({ length: 20_000 }, (_, n) => texts[n % 33] as Within)
  expect(keysOf(keys, few)).toEqual(few.map((_, n) => macs[n % 33]))
})

test('where one text ends and the next begins is part of what has a key', () => {
  const texts = [
    { within: 'a', text: 'bc' },
    { within: 'ab', text: 'c' },
    { within: '', text: 'abc' },
    { within: 'abc', text: '' },
    { within: 'a\u001f', text: 'bc' },
    { within: 'a', text: '\u001fbc' },
    { within: 'aÿ', text: 'bc' },
    { within: 'a', text: 'ÿbc' },
    { text: 'abc' },
  ]
  expect(new Set(keysOf(new TextKeys(KEY, 16), texts)).size).toBe(texts.length)
})

test('texts that are left out get no key, and memory that has grown gets those of all that wait', () => {
  const keys = new TextKeys(KEY, 16)
  const small = Buffer.alloc(16)
  keys.put(viewOf(small), 0, 'left out')
  keys.forget()
  keys.settle(viewOf(small))
  expect(small.equals(Buffer.alloc(16))).toBe(true)
  keys.put(viewOf(small), 0, 'one')
  const large = Buffer.alloc(32)
  keys.put(viewOf(large), 16, 'two')
  keys.settle(viewOf(large))
  expect(large.toString('hex')).toBe(macOf(KEY, Buffer.from('one')) + macOf(KEY, Buffer.from('two')))
})

test('no key is zero, not even that of a text which was sought for it', () => {
  const decipher = createDecipheriv('aes-256-ecb', KEY, null).setAutoPadding(false)
  const cipher = createCipheriv('aes-256-ecb', KEY, null).setAutoPadding(false)
  const first = numberOf(cipher.update(Buffer.alloc(16)))
  const subkey = BigInt.asUintN(128, first << 1n) ^ (first >> 127n === 1n ? 0x87n : 0n)
  // One in 65,536 blocks is plain letters.
  let sought: Buffer
  do {
    const block = decipher.update(Buffer.concat([Buffer.alloc(8), randomBytes(8)]))
    sought = bytesOf(numberOf(block) ^ subkey)
  } while (sought.some((byte) => byte > 0x7f))
  expect(macOf(KEY, sought).slice(0, 16)).toBe('0'.repeat(16))
  const keys = new TextKeys(KEY, 8)
  expect(keysOf(keys, [{ text: sought.toString() }], 8)).toEqual(['0000000000000001'])
  expect(hex(keys.of(sought.toString()))).toBe('0000000000000001')
})

const hex = ({ buffer, byteOffset, byteLength }: DataView): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('hex')
