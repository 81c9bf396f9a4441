import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type RecordText, TextsPacker, unpackTexts } from './texts.ts'

async function packed(texts: readonly { text: RecordText; json?: string }[]): Promise<RecordText[]> {
  const packer = new TextsPacker()
  for (const [n, { text, json }] of texts.entries()) {
    expect(packer.add(text, json)).toBe(n)
    await packer.settled()
  }
  return unpackTexts((await packer.finish()) as Buffer)
}

const cell = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('', 'a', '\u001f', '\n', 'C1,[]\nx', '\u2028'))
const name = fc.option(cell, { nil: undefined })
const row = fc.oneof(
  fc.record({ user: cell, object: cell }),
  fc.record({ user: cell, object: cell, bytes: fc.oneof(cell, fc.nat()) }),
  fc.dictionary(cell, cell),
  fc.array(cell),
  fc.jsonValue(),
)

test('whatever was packed comes back, in order', async () => {
  const entry = fc.record({
    raw: row,
    container: name,
    object: name,
    userAgent: name,
    origin: name,
    asJson: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 12 }), async (entries) => {
      const texts = entries.map(({ asJson, ...text }) => ({
        text,
        ...(asJson ? { json: JSON.stringify(text.raw, null, 1) } : {}),
      }))
      expect(await packed(texts)).toEqual(JSON.parse(JSON.stringify(texts.map(({ text }) => text))))
    }),
    { numRuns: 200, seed: 20260315 },
  )
})

test('names that stand in a cell are kept once, and a large text is no limit', async () => {
  const raw = { user: 'ann', object: 'x'.repeat(2_000_000), note: 'ü'.repeat(400_000) }
  expect(await packed([{ text: { raw, object: raw.object } }, { text: { raw } }])).toEqual([
    { raw, object: raw.object },
    { raw },
  ])
})

test('a chunk without texts packs nothing, and packs of the first format are still read', async () => {
  expect(await new TextsPacker().finish()).toBeNull()
  const lines = [{ object: 'a', raw: { b: 1 } }, { raw: 'c' }]
  expect(unpackTexts(gzipSync(lines.map((line) => JSON.stringify(line)).join('\n')))).toEqual(lines)
})
