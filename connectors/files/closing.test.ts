import { expect, test } from 'vitest'
import { requireColumns } from './columns.ts'
import { readDelimited } from './delimited.ts'
import { readJsonRecords } from './json-records.ts'

/** A file that is longer than what is read of it to find its fault. */
function file(start: string) {
  const state = { open: false }
  async function* bytes() {
    state.open = true
    try {
      yield Buffer.from(start)
      for (let n = 0; n < 40; n += 1) yield Buffer.from('1,2\n'.repeat(10_000))
    } finally {
      state.open = false
    }
  }
  return { state, bytes }
}

const DIALECT = { separator: 'auto', encoding: 'auto' } as const

test.each([
  ['a column named twice', 'a,a\n', 'file_header_duplicate'],
  ['a first line that is none', 'a"b,c\n', 'file_header_missing'],
  ['a mapped column that is not there', 'a,b\n', 'file_header_missing'],
])('%s stops a table, and its file does not stay open', async (_, start, code) => {
  const { state, bytes } = file(start)
  const reading = readDelimited(bytes(), DIALECT, (header) => requireColumns(header, ['user']))
  await expect(reading).rejects.toMatchObject({ code })
  expect(state.open).toBe(false)
})

test('what is no JSON stops the reading, and its file does not stay open', async () => {
  const { state, bytes } = file('<html>\n')
  await expect(readJsonRecords(bytes(), DIALECT)).rejects.toMatchObject({ code: 'file_unreadable' })
  expect(state.open).toBe(false)
})

test('whoever takes some of the records and goes leaves no file open', async () => {
  const { state, bytes } = file('a,b\n')
  const { records } = await readDelimited(bytes(), DIALECT)
  expect(state.open).toBe(true)
  for await (const _record of records) break
  expect(state.open).toBe(false)
})
