import { expect, test } from 'vitest'
import type { Page } from '../../connectors/connector.ts'
import { type ChunkEnd, cutIntoChunks } from './drafts.ts'

const page = (number: number, records: number, more: Partial<Page> = {}): Page => ({
  origin: `page ${number}`,
  records: Array.from({ length: records }, (_, index) => ({ line: index + 1, record: `${number}.${index + 1}` })),
  after: { page: number },
  ...more,
})

async function cut(pages: AsyncIterable<Page>, options: { position?: object; skip?: number } = {}) {
  const drafts: (ChunkEnd & { records: unknown[] })[] = []
  let records: unknown[] = []
  let fault: unknown
  try {
    const { position = null, skip = 0 } = options
    for await (const part of cutIntoChunks(pages, { position: position as never, skip, chunkRecords: 4 })) {
      if (part.type === 'part') records.push(...part.records.map(({ record }) => record))
      else {
        expect(part.received).toBe(records.length)
        drafts.push(structuredClone({ ...part, records }))
        records = []
      }
    }
  } catch (error) {
    fault = error
  }
  const brief = drafts.map(({ records, position, skip }) => [records, position, skip])
  return { brief, fault }
}

async function* these(pages: Page[], fault?: Error): AsyncGenerator<Page> {
  yield* pages
  if (fault) throw fault
}

test('a page that can be read again is cut where the chunk is full', async () => {
  expect((await cut(these([page(1, 3), page(2, 3)]))).brief).toEqual([
    [['1.1', '1.2', '1.3', '2.1'], { page: 1 }, 1],
    [['2.2', '2.3'], { page: 2 }, 0],
  ])
})

test('a page that must be stored whole is not cut', async () => {
  expect((await cut(these([page(1, 3), page(2, 3, { whole: true }), page(3, 0)]))).brief).toEqual([
    [['1.1', '1.2', '1.3', '2.1', '2.2', '2.3'], { page: 2 }, 0],
    [[], { page: 3 }, 0],
  ])
})

test('a source that fails keeps what it let through before', async () => {
  const fault = new Error('throttled')
  const { brief, fault: thrown } = await cut(these([page(1, 2, { whole: true })], fault))
  expect(thrown).toBe(fault)
  expect(brief).toEqual([[['1.1', '1.2'], { page: 1 }, 0]])
})

test('half of a page that failed is not kept: it is read again from where its chunk began', async () => {
  async function* half() {
    yield { line: 1, record: '2.1' }
    throw new Error('cut')
  }
  const { brief } = await cut(these([page(1, 2), page(2, 0, { records: half() })]))
  expect(brief).toEqual([[['1.1', '1.2'], { page: 1 }, 0]])
  async function* long() {
    for (let line = 1; line <= 5; line += 1) yield { line, record: `1.${line}` }
    throw new Error('cut')
  }
  expect((await cut(these([page(1, 0, { records: long() })]))).brief).toEqual([[['1.1', '1.2', '1.3', '1.4'], null, 4]])
})

test('a resumed page leaves out what is stored, and no news is no chunk', async () => {
  expect((await cut(these([page(2, 3)]), { position: { page: 1 }, skip: 2 })).brief).toEqual([
    [['2.3'], { page: 2 }, 0],
  ])
  expect((await cut(these([]))).brief).toEqual([])
})
