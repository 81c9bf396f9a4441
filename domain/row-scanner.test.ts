import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Held } from '../test/harness/held.ts'
import { MAX_ROW_CHARACTERS, RowScanner } from './row-scanner.ts'

/** `npm run fuzz` sets it to millions. */
const FILES = Number(process.env['OPENIRM_FUZZ_FILES'] ?? 4_000)

type Found = { line: number; cells: string[] } | { line: number; code: string; raw: string }

function scan(pieces: Iterable<string>, separator = ','): Found[] {
  const found: Found[] = []
  const scanner = new RowScanner(separator, {
    row: (line, cells) => found.push({ line, cells: [...cells] }),
    bad: (line, code, raw) => found.push({ line, code, raw }),
  })
  for (const piece of pieces) scanner.push(piece)
  scanner.end()
  return found
}

/** Null when the oracle rejects anything of the text. */
function oracle(text: string, separator: string): string[][] | null {
  try {
    return parse(text, {
      delimiter: separator,
      relax_column_count: true,
      skip_empty_lines: true,
      record_delimiter: ['\r\n', '\n', '\r'],
    }) as string[][]
  } catch {
    return null
  }
}

const cut = (text: string, at: readonly number[]): string[] => {
  const places = [...new Set(at.map((place) => place % (text.length + 1)))].sort((a, b) => a - b)
  return [...places.map((place, index) => text.slice(places[index - 1] ?? 0, place)), text.slice(places.at(-1) ?? 0)]
}

/** Anything, of the few characters that matter. */
const anything = fc
  .array(fc.constantFrom('a', 'ü', '"', '"', ',', ';', '\n', '\r', '\r\n', ' ', '""'), { maxLength: 40 })
  .map((parts) => parts.join(''))
/** Files as programs write them: most cells plain, some quoted, one kind of line end or several. */
const written = fc
  .tuple(
    fc.array(
      fc.array(
        fc.oneof(
          { weight: 4, arbitrary: fc.stringMatching(/^[a-z0-9 .@-]{0,14}$/) },
          fc
            .array(fc.constantFrom('a', ',', '"', '\n', '\r\n', '\r', 'é'), { maxLength: 8 })
            .map((parts) => `"${parts.join('').replaceAll('"', '""')}"`),
        ),
        { minLength: 1, maxLength: 6 },
      ),
      { maxLength: 12 },
    ),
    fc.array(fc.constantFrom('\n', '\r\n', '\r'), { minLength: 1, maxLength: 3 }),
    fc.boolean(),
  )
  .map(
    ([rows, ends, last]) =>
      rows.map((cells, index) => `${index > 0 ? ends[index % ends.length] : ''}${cells.join(',')}`).join('') +
      (last ? (ends[0] as string) : ''),
  )

describe('held against csv-parse', () => {
  test('the same cells where it finds nothing wrong, something rejected where it does, wherever the text is cut', () => {
    let rows = 0
    let refused = 0
    fc.assert(
      fc.property(
        fc.oneof(anything, written),
        fc.constantFrom(',', ';'),
        fc.array(fc.nat(), { maxLength: 3 }),
        (text, separator, at) => {
          const found = scan(cut(text, at), separator)
          const expected = oracle(text, separator)
          if (expected === null) {
            refused += 1
            expect(found.some((each) => 'code' in each)).toBe(true)
          } else {
            rows += expected.length
            expect(found.map((each) => ('cells' in each ? each.cells : each.code))).toEqual(expected)
          }
          expect(found).toEqual(scan([text], separator))
        },
      ),
      { numRuns: FILES, ...(FILES > 4_000 ? {} : { seed: 4180 }) },
    )
    expect(rows).toBeGreaterThan(FILES)
    expect(refused).toBeGreaterThan(FILES / 20)
  }, 3_600_000)
})

test('lines are those of the file, whatever ends them and whatever cells hold them', () => {
  const text = 'a,b\r\n\r\n"x\ny\r\nz",2\r3,4\n\n"",5'
  expect(scan([text])).toEqual([
    { line: 1, cells: ['a', 'b'] },
    { line: 3, cells: ['x\ny\r\nz', '2'] },
    { line: 6, cells: ['3', '4'] },
    { line: 8, cells: ['', '5'] },
  ])
})

describe('a quote out of place costs its line and no other', () => {
  test.each([
    ['never closed', 'a,b\nc,"d\ne,f\ng,h\n', [2]],
    ['closed in the middle of a cell', 'a,b\n"c"d,e\ng,h\n', [2]],
    ['opened in the middle of a cell', 'a,b\nc"d,e\ng,h\n', [2]],
    ['never closed in the last line', 'a,b\ng,h\n"', [3]],
    ['in two lines', 'a,b\n"c,d\n"e,f\ng,h\n', [2, 3]],
  ])('%s', (_, text, lines) => {
    const found = scan([text])
    expect(found.flatMap((each) => ('code' in each ? [each.line] : []))).toEqual(lines)
    expect(found.every((each) => !('code' in each) || each.code === 'quote_unbalanced')).toBe(true)
    const bad = new Set(lines)
    const good = text.split('\n').filter((line, index) => line !== '' && !bad.has(index + 1))
    expect(found.flatMap((each) => ('cells' in each ? [each.cells.join(',')] : []))).toEqual(good)
  })
})

describe('bounded', () => {
  function* repeated(piece: string, times: number): Generator<string> {
    for (let n = 0; n < times; n += 1) yield piece
  }

  test('a line of a gigabyte is rejected once, and the next line is read', () => {
    const megabyte = 'x'.repeat(1 << 20)
    const held = new Held()
    function* file() {
      yield 'a,b\nc,d\n'
      for (let part = 0; part < 4; part += 1) {
        yield* repeated(megabyte, 256)
        held.look()
      }
      yield '\ne,f\n'
    }
    const found = scan(file())
    expect(held.megabytes).toBeLessThan(4 * (MAX_ROW_CHARACTERS / 1e6) + 4)
    expect(found.map((each) => ('cells' in each ? each.cells : [each.line, each.code]))).toEqual([
      ['a', 'b'],
      ['c', 'd'],
      [3, 'row_too_long'],
      ['e', 'f'],
    ])
  })

  test('ten million columns are one rejected row', () => {
    function* file() {
      yield* repeated(','.repeat(100_000), 100)
      yield '\ne,f\n'
    }
    expect(scan(file()).map((each) => ('code' in each ? each.code : each.cells))).toEqual(['row_too_long', ['e', 'f']])
  })

  test('a quoted cell that never ends costs its line', () => {
    const rows = 'e,f\n'.repeat(MAX_ROW_CHARACTERS / 2)
    const found = scan(['a,b\n', '"c,d\n', rows])
    expect(found.filter((each) => 'code' in each)).toEqual([{ line: 2, code: 'quote_unbalanced', raw: '"c,d' }])
    expect(found.length).toBe(2 + MAX_ROW_CHARACTERS / 2)
  })

  test('a file of nothing but lone quotes is read in time that grows with its size', () => {
    const lines = 400_000
    const started = performance.now()
    const found = scan(repeated('"a""\n'.repeat(1_000), lines / 1_000))
    expect(found).toHaveLength(lines)
    expect(found.every((each) => 'code' in each)).toBe(true)
    expect(performance.now() - started).toBeLessThan(20_000)
  })
})
