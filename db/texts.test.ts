import { brotliCompressSync, brotliDecompressSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readDelimited } from '../connectors/files/delimited.ts'
import { type AsWritten, type RecordText, TextsPacker, unpackTexts } from './texts.ts'

interface Entry {
  text: RecordText
  written?: AsWritten
}

async function pack(entries: readonly Entry[]): Promise<Buffer> {
  const packer = new TextsPacker()
  for (const [n, { text, written }] of entries.entries()) {
    expect(packer.add(text, written)).toBe(n)
    await packer.settled()
  }
  return (await packer.finish()) as Buffer
}

const packed = async (entries: readonly Entry[]): Promise<RecordText[]> => unpackTexts(await pack(entries))

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
        ...(asJson ? { written: { json: JSON.stringify(text.raw, null, 1) } } : {}),
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

/** Behind the byte of its format. */
const EVERY_ENTRY = `F["user","file"]
S34,[",",null,1,null]
ann,plan.xlsx
bob,"Q3, draft.docx"
C13,[null,1,null]
cid\u001fplan.xlsx
J13,["a","b",null]
{"who":"ann"}
T{"object":"b","raw":null}
`

test('packs of every kind of entry are still read', () => {
  const stored = Buffer.concat([Buffer.from([1]), brotliCompressSync(EVERY_ENTRY)])
  expect(unpackTexts(stored)).toEqual([
    { raw: { user: 'ann', file: 'plan.xlsx' }, object: 'plan.xlsx' },
    { raw: { user: 'bob', file: 'Q3, draft.docx' }, object: 'Q3, draft.docx' },
    { raw: { user: 'cid', file: 'plan.xlsx' }, object: 'plan.xlsx' },
    { raw: { who: 'ann' }, container: 'a', object: 'b' },
    { raw: null, object: 'b' },
  ])
})

/** What the reader makes of a text, without what it cannot read. */
async function read(text: string) {
  const { records } = await readDelimited(
    (async function* () {
      yield Buffer.from(text)
    })(),
    { separator: ',', encoding: 'utf-8' },
  )
  const found = []
  for await (const record of records) if (!record.unreadable) found.push(record)
  return found
}

describe('rows of a file', () => {
  test('are kept as they were written, one behind the other in one piece', async () => {
    const rows = 'ann,plan.xlsx\r\nbob,"x "\n"cid","Q3, draft.docx"\ndan,\n'
    const entries = (await read(`user,file\n${rows}`)).map(({ record, ...written }) => ({
      text: { raw: record, object: Object.values(record)[1].trim() || undefined },
      written,
    }))
    const stored = await pack(entries)
    expect(brotliDecompressSync(stored.subarray(1)).toString()).toBe(
      `F["user","file"]\nS${rows.length},[",",null,1,null]\n${rows}\n`,
    )
    expect(unpackTexts(stored)).toEqual(JSON.parse(JSON.stringify(entries.map(({ text }) => text))))
  })

  /** Of the characters that matter to the reader, to the pack and to UTF-8. */
  const hostile = fc
    .array(fc.constantFrom('a', 'b', ' ', 'ü', '😀', ',', '"', '\n', '\r', '\r\n', '\u001f', '\u2028', 'C1,[]\n'), {
      maxLength: 5,
    })
    .map((parts) => parts.join(''))
  const written = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)
  const line = fc.oneof(
    { weight: 8, arbitrary: fc.tuple(hostile, hostile, hostile).map((cells) => cells.map(written).join(',')) },
    // No row, rows that are none, and one that is quoted without need.
    fc.constantFrom('', 'too,few', 'a,"b', 'a,b"c,d', 'damaged,\ufffd,x', '"a","b","c"'),
  )
  const file = fc.record({
    header: fc.constantFrom('user,object,place', '10,9,__proto__', 'user,,', 'constructor,object,length'),
    lines: fc.array(line, { minLength: 1, maxLength: 12 }),
    ends: fc.array(fc.constantFrom('\n', '\r\n', '\r'), { minLength: 1, maxLength: 2 }),
  })
  /** What becomes of a row: its names are cells, or others, or it is left out, or refused, or JSON stands before it. */
  const fate = fc.constantFrom('cells', 'cells', 'cells', 'others', 'empty', 'ignored', 'rejected', 'behind json')

  test('come back as records do that are kept cell by cell, whatever stands between', async () => {
    let stretches = 0
    await fc.assert(
      fc.asyncProperty(file, fc.array(fate, { minLength: 1, maxLength: 6 }), async ({ header, lines, ends }, fates) => {
        const text = lines.map((each, n) => each + ends[n % ends.length]).join('')
        const entries: Entry[] = []
        for (const [n, { record: raw, ...written }] of (await read(`${header}\n${text}`)).entries()) {
          const [container, object, userAgent] = Object.values(raw).map((cell) => String(cell).trim() || undefined)
          const became = fates[n % fates.length]
          if (became === 'ignored') continue
          if (became === 'rejected') entries.push({ text: { origin: 'a file', raw } })
          else {
            if (became === 'behind json') entries.push({ text: { raw: { n } }, written: { json: `{"n": ${n}}` } })
            const names =
              became === 'others'
                ? { object: `${n}`, container: 'same' }
                : became === 'empty'
                  ? { object: '' }
                  : { container, object, userAgent }
            entries.push({ text: { ...names, raw }, written })
          }
        }
        if (entries.length === 0) return
        const stored = await pack(entries)
        stretches += brotliDecompressSync(stored.subarray(1)).toString().match(/^S/gm)?.length ?? 0
        const found = unpackTexts(stored)
        // As texts: a cell of a column `__proto__` is told apart from a prototype.
        const alike = (texts: readonly RecordText[]) =>
          texts.map((each) =>
            JSON.stringify(
              Object.entries(each)
                .sort()
                .filter(([, value]) => value !== undefined),
            ),
          )
        expect(alike(found)).toEqual(alike(entries.map((each) => each.text)))
        expect(alike(found)).toEqual(alike(await packed(entries.map((each) => ({ text: each.text })))))
      }),
      { numRuns: 500, seed: 20261130 },
    )
    expect(stretches).toBeGreaterThan(500)
  })

  test('of many texts, and longer than a piece, come back', async () => {
    const rows = Array.from(
      { length: 9_000 },
      (_, n) => `ann,${n === 4_000 ? 'ü'.repeat(900_000) : `${n}`.repeat(20)}\n`,
    )
    const entries = (await read(`user,file\n${rows.join('')}`)).map(({ record, ...written }) => ({
      text: { raw: record },
      written,
    }))
    expect(new Set(entries.map((each) => each.written.rows)).size).toBeGreaterThan(5)
    expect(await packed(entries)).toEqual(entries.map((each) => each.text))
  })
})
