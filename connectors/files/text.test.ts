import { expect, test } from 'vitest'
import { readText } from './text.ts'

const line = (n: number): string => `${n},jürgen,${'x'.repeat(n % 7 === 0 ? 40_000 : n % 300)},ਊ😀\r\n`
const LINES = Array.from({ length: 2_000 }, (_, n) => line(n)).join('')

const bigEndian = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16()

test.each([
  ['utf-8', Buffer.from(LINES)],
  ['utf-16le', Buffer.from(LINES, 'utf16le')],
  ['utf-16be', bigEndian(LINES)],
] as const)('a text of many pieces is whole in %s, wherever its bytes are parted', async (encoding, bytes) => {
  async function* source() {
    for (let at = 0; at < bytes.length; at += 65_521) yield bytes.subarray(at, at + 65_521)
  }
  const pieces: string[] = []
  for await (const piece of readText(source(), encoding)) pieces.push(piece)
  expect(pieces.length).toBeGreaterThan(100)
  expect(pieces.join('') === LINES).toBe(true)
  // Most pieces of a log end as its lines do.
  if (encoding === 'utf-8')
    expect(pieces.filter((each) => each.endsWith('\n')).length).toBeGreaterThan(pieces.length / 4)
})
