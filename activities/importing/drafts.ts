import type { Page, Position, SourceRecord } from '../../connectors/connector.ts'
import { Batches, type Run } from '../../connectors/files/batches.ts'
import type { ChunkSource } from '../../db/chunks.ts'

/** Records of one chunk. A few chunks are in memory at once, and its texts are sealed as one value. */
export const CHUNK_RECORDS = 25_000
/** The four meetings that each record of a chunk may be have to fit into a `MeetingTable`. */
export const CHUNK_RECORDS_AT_MOST = 75_000
/** Rows may be long: a chunk also ends with so much text, of which several chunks are in memory in some form. */
export const CHUNK_CHARACTERS = 6 * 1024 * 1024
/** A slow source still shows progress: a chunk is closed at the end of a page after so long. */
export const CHUNK_MS = 15_000
/** Records that a reader yields one by one are put together. */
const RUN_RECORDS = 1_000

/** Some records of a chunk, in their order. */
export interface ChunkPart {
  type: 'part'
  records: readonly SourceRecord[]
  /** Where they were read. */
  origin: string
  /** Index of their source in the chunk. */
  source: number
}

/** Closes a chunk: what was read for it and where a run that resumes after it goes on. */
export interface ChunkEnd {
  type: 'end'
  received: number
  sources: ChunkSource[]
  /** Keys that belong to the seen-set once the chunk is stored. */
  seen: string[]
  position: Position
  /** Records of the page after `position` that this chunk holds already. */
  skip: number
}

export interface DraftOptions {
  position: Position
  skip: number
  chunkRecords?: number | undefined
  chunkMs?: number
  now?: () => number
}

/**
 * Cuts pages into chunks. A chunk may end inside a page: then its position is the one before that page and `skip` says
 * how many of its records are stored, so the page is read again from its beginning and nothing of it is stored twice.
 * A source that fails does so after the pages read before: what a throttled source let through is progress.
 */
export async function* cutIntoChunks(
  pages: AsyncIterable<Page>,
  options: DraftOptions,
): AsyncGenerator<ChunkPart | ChunkEnd> {
  const { chunkRecords = CHUNK_RECORDS, chunkMs = CHUNK_MS, now = Date.now } = options
  let position = options.position
  let toSkip = options.skip
  let chunk = emptyChunk()
  let openedAt = now()
  /** Records of the page under way that were stored or are in the chunk. */
  let index = 0
  let fault: { error: unknown } | undefined

  const room = () => chunkRecords - chunk.received
  const end = (skip: number): ChunkEnd => {
    const { received, sources, seen } = chunk
    chunk = emptyChunk()
    return { type: 'end', received, sources, seen, position, skip }
  }
  const part = (page: Page, records: readonly SourceRecord[]): ChunkPart => {
    if (chunk.received === 0) openedAt = now()
    index += records.length
    chunk.received += records.length
    chunk.fromThisPage += records.length
    return { type: 'part', records, origin: page.origin, source: chunk.sources.length }
  }
  const closeSource = (page: Page) => {
    if (chunk.fromThisPage > 0) chunk.sources.push({ sha256: page.sha256 ?? null, records: chunk.fromThisPage })
    chunk.fromThisPage = 0
  }

  try {
    for await (const page of pages) {
      index = 0
      for await (const { records, characters } of isWhole(page) ? atOnce(page) : runsOf(page.records, room)) {
        chunk.characters += characters
        let from = Math.min(records.length, Math.max(0, toSkip - index))
        index += from
        while (from < records.length) {
          const most = isWhole(page) ? records.length : room()
          const taken = from === 0 && most >= records.length ? records : records.slice(from, from + most)
          from += taken.length
          yield part(page, taken)
          const full = chunk.received >= chunkRecords || chunk.characters >= CHUNK_CHARACTERS
          if (!full || isWhole(page)) continue
          closeSource(page)
          yield end(index)
        }
      }
      toSkip = 0
      position = page.after
      closeSource(page)
      index = 0
      chunk.ended += 1
      chunk.seen.push(...(page.seenKeys ?? []))
      if (chunk.received > 0 && (chunk.received >= chunkRecords || now() - openedAt >= chunkMs)) yield end(0)
    }
  } catch (error) {
    fault = { error }
  }
  // Even without records the cursor moved, and pages without records were seen.
  if (chunk.ended > 0) {
    if (chunk.fromThisPage > 0) chunk.sources.push({ sha256: null, records: chunk.fromThisPage })
    yield end(index)
  }
  if (fault) throw fault.error
}

/** A page that the seen-set knows is stored whole: a late object must not take its place when it is read again. */
const isWhole = ({ whole, seenKeys }: Page): boolean => whole === true || seenKeys !== undefined

interface OpenChunk {
  received: number
  characters: number
  sources: ChunkSource[]
  seen: string[]
  /** Pages that end in the chunk. */
  ended: number
  /** Records of the page under way. */
  fromThisPage: number
}

const emptyChunk = (): OpenChunk => ({ received: 0, characters: 0, sources: [], seen: [], ended: 0, fromThisPage: 0 })

/** All records of a page that is stored whole: one that cannot be read to its end leaves nothing behind. */
async function* atOnce(page: Page): AsyncGenerator<Run<unknown>> {
  const whole: Run<unknown> = { records: [], characters: 0 }
  for await (const { records, characters } of runsOf(page.records)) {
    for (const record of records) whole.records.push(record)
    whole.characters += characters
  }
  if (whole.records.length > 0) yield whole
}

/** Runs that fit into the chunk; what a reader yields one by one is put together. */
async function* runsOf(records: Page['records'], room = () => RUN_RECORDS): AsyncGenerator<Run<unknown>> {
  if (records instanceof Batches) {
    yield* records.runs()
    return
  }
  let held: SourceRecord[] = []
  for await (const record of records) {
    held.push(record)
    if (held.length < Math.min(RUN_RECORDS, room())) continue
    yield { records: held, characters: 0 }
    held = []
  }
  if (held.length > 0) yield { records: held, characters: 0 }
}
