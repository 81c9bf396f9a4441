import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_ROW_CHARACTERS } from '../../domain/row-scanner.ts'
import { readJsonRecords } from './json-records.ts'

async function readAll(content: string | Buffer, size = 1 << 20) {
  async function* pieces() {
    const bytes = Buffer.from(content)
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
  }
  const found: unknown[] = []
  for await (const { line, record, unreadable } of await readJsonRecords(pieces(), { encoding: 'auto' })) {
    expect(line).toBe(found.length + 1)
    found.push(unreadable ? unreadable.code : record)
  }
  return found
}

const records = [
  { user: 'a@example.com', note: 'braces { and } and [ and ] and "quotes" and \\ and ,' },
  { nested: { deeper: [{ most: '}' }] }, empty: {} },
  { 'a name with "quotes":': null },
]

test.each([
  ['an array', JSON.stringify(records)],
  ['an array on many lines', JSON.stringify(records, null, '\t')],
  ['one after another', records.map((record) => JSON.stringify(record)).join('')],
  ['one a line', `${records.map((record) => JSON.stringify(record)).join('\r\n')}\n\n`],
  ['an array with a byte-order mark', `\ufeff${JSON.stringify(records)}\n`],
])('reads objects as %s', async (_, text) => {
  expect(await readAll(text)).toEqual(records)
})

test('reads a single object, an empty array, and Latin-1', async () => {
  expect(await readAll(' {"a":1} ')).toEqual([{ a: 1 }])
  expect(await readAll('[ ]')).toEqual([])
  expect(await readAll(Buffer.from('[{"name":"Müller"}]', 'latin1'))).toEqual([{ name: 'Müller' }])
})

test('any objects come back as they were', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), { minLength: 1, maxLength: 8 }),
      fc.constantFrom(0, 2),
      fc.boolean(),
      async (objects, indent, asArray) => {
        const text = asArray
          ? JSON.stringify(objects, null, indent)
          : objects.map((each) => JSON.stringify(each)).join('\n')
        expect(await readAll(text)).toEqual(JSON.parse(JSON.stringify(objects)))
      },
    ),
    { numRuns: 300, seed: 20260301 },
  )
})

test.each([
  ['a quote that is missing', '[{"a":1},{"b":"x},{"c":3},{"d":4}]', [{ a: 1 }, 'json_invalid', { c: 3 }, { d: 4 }]],
  ['a damaged nested record', '[{"a":{"b":1},c},{"d":4}]', ['json_invalid', { d: 4 }]],
  ['what is no object', '[{"a":1},7,"text",null,{"d":4}]', [{ a: 1 }, 'json_invalid', { d: 4 }]],
  ['a field that is named twice', '[{"a":1,"a":2},{"d":4}]', ['json_invalid', { d: 4 }]],
  ['a file that is cut within a record', '[{"a":1},{"b":', [{ a: 1 }, 'json_invalid']],
  ['a file that is cut between records', '[{"a":1},', [{ a: 1 }, 'json_invalid']],
  ['nesting without end', `[{"a":${'['.repeat(100)}${']'.repeat(100)}},{"d":4}]`, ['json_invalid', { d: 4 }]],
])('sets aside %s and goes on', async (_, text, expected) => {
  expect(await readAll(text as string)).toEqual(expected)
})

test('a record without an end is set aside, and reading goes on with the next', async () => {
  const long = `[{"a":"${'x'.repeat(3 * MAX_ROW_CHARACTERS)}"},\n{"d":4}]`
  expect(await readAll(long, 300_000)).toEqual(['row_too_long', { d: 4 }])
})

test.each([
  ['', 'file_empty'],
  [' \n', 'file_empty'],
  ['<html></html>', 'file_unreadable'],
])('a file of %j stops the import', async (text, code) => {
  await expect(readAll(text)).rejects.toMatchObject({ code })
})
