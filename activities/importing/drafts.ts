import type { Page, Position, SourceRecord } from '../../connectors/connector.ts'
import type { ChunkSource } from '../../db/chunks.ts'

/** Records of one chunk at most: enough to make set-based SQL pay, few enough to hold in memory. */
export const CHUNK_RECORDS = 25_000
/** A slow source still shows progress: a chunk is closed at the end of a page after so long. */
export const CHUNK_MS = 15_000

export interface DraftRecord {
  record: SourceRecord
  /** Where it was read. */
  origin: string
  /** Index of its source in the chunk. */
  source: number
}

/** The records of one chunk and where a run that resumes after it goes on. */
export interface ChunkDraft {
  records: DraftRecord[]
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
  chunkRecords?: number
  chunkMs?: number
  now?: () => number
}

/**
 * Cuts pages into chunks. A chunk may end inside a page: then its position is the one before that page and `skip` says
 * how many of its records are stored, so the page is read again from its beginning and nothing of it is stored twice.
 * A source that fails does so after the pages read before: what a throttled source let through is progress.
 */
export async function* cutIntoChunks(pages: AsyncIterable<Page>, options: DraftOptions): AsyncGenerator<ChunkDraft> {
  const { chunkRecords = CHUNK_RECORDS, chunkMs = CHUNK_MS, now = Date.now } = options
  let position = options.position
  let toSkip = options.skip
  /** Pages that end in the draft. */
  let ended = 0
  let draft = empty()
  let openedAt = now()
  let fromThisPage = 0
  let fault: { error: unknown } | undefined

  function empty(): ChunkDraft {
    ended = 0
    return { records: [], sources: [], seen: [], position, skip: 0 }
  }

  try {
    for await (const page of pages) {
      let index = 0
      for await (const record of page.records) {
        index += 1
        if (index <= toSkip) continue
        if (draft.records.length === 0) openedAt = now()
        draft.records.push({ record, origin: page.origin, source: draft.sources.length })
        fromThisPage += 1
        if (draft.records.length >= chunkRecords && !isWhole(page)) {
          draft.sources.push({ sha256: page.sha256 ?? null, records: fromThisPage })
          fromThisPage = 0
          yield { ...draft, position, skip: index }
          draft = empty()
        }
      }
      toSkip = 0
      position = page.after
      if (fromThisPage > 0) draft.sources.push({ sha256: page.sha256 ?? null, records: fromThisPage })
      fromThisPage = 0
      ended += 1
      draft.seen.push(...(page.seenKeys ?? []))
      draft.position = position
      draft.skip = 0
      const full = draft.records.length >= chunkRecords || now() - openedAt >= chunkMs
      if (draft.records.length > 0 && full) {
        yield draft
        draft = empty()
      }
    }
  } catch (error) {
    fault = { error }
    draft.records.length -= fromThisPage
  }
  // Even without records the cursor moved, and pages without records were seen.
  if (ended > 0) yield draft
  if (fault) throw fault.error
}

/** A page that the seen-set knows is stored whole: a late object must not take its place when it is read again. */
const isWhole = ({ whole, seenKeys }: Page): boolean => whole === true || seenKeys !== undefined
