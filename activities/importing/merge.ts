import { ActivityMerge, ensureMonths } from '../../db/activities.ts'
import type { ActivityRows } from '../../db/activity-rows.ts'
import {
  type ChunkCommit,
  type ChunkOwner,
  commitChunks,
  lockForChunks,
  storeQuarantined,
  storeTexts,
} from '../../db/chunks.ts'
import type { Connection } from '../../db/connection.ts'
import { storeFacts } from '../../db/facts.ts'
import { type ImportSession, TOUCHED } from '../../db/import-session.ts'
import { noticeTouched } from '../../db/notices.ts'
import { lockDecisions } from '../../db/subject-keys.ts'
import type { Vault } from '../../db/vault.ts'
import { AppError } from '../../domain/errors.ts'
import { type Books, Counting } from '../../policies/counting.ts'
import { activeIndicators } from '../../policies/load.ts'
import { Matcher } from '../../policies/matching.ts'
import type { ReadAhead } from './ahead.ts'
import type { PreparedChunk } from './prepare.ts'

export interface MergeContext extends Books, ChunkOwner {
  vault: Vault
  /** Kind of the connector. */
  kind: string
  /** Replaced when the policies ask for other rollups. */
  matching: { matcher: Matcher }
  /** Takes back the memory of rows that are stored. */
  spareRows: ActivityRows[]
}

/**
 * Chunks that are committed together at most. A person-day is recomputed once for all of them, and of a log in order of
 * time most days are touched by several. Where a day ends after as many as the second number, the transaction ends too:
 * then the days of the next one are not recomputed by both. A day of half a million records is one transaction.
 */
const CHUNKS_A_COMMIT = 24
const CHUNKS_OF_WHOLE_DAYS = 4
/** Both are of full chunks. Those of long rows hold few records: so many of them end a transaction all the same. */
const SHORT_CHUNKS_A_COMMIT = 64
/** So long a transaction stays open for a source that is slower than the database. */
const WAITED_MS = 5_000
/** So long it takes in chunks: whoever stores facts waits for its end. */
const OPEN_MS = 30_000

/**
 * Stores chunks as they come, several in a transaction where they come quickly: signals, quarantine, rollups of the
 * touched days, balance, cursor and the requests to look at the people again are stored together or not at all.
 */
export async function mergeChunks(
  session: ImportSession,
  context: MergeContext,
  chunks: ReadAhead<PreparedChunk>,
  chunkRecords: number,
): Promise<void> {
  const months = new Set<string>()
  for (let chunk = await chunks.take(); chunk !== undefined; chunk = await chunks.take()) {
    const first = chunk
    await ensureMonths(session.db, first.days)
    for (const month of monthsOf(first)) months.add(month)
    await session.transaction(async (tx) => {
      await lockDecisions(tx, first.facts.length > 0 ? 'facts' : 'activities')
      const merge = await Merge.begin(session, tx, context)
      await merge.store(first)
      // What waits for facts waits for one chunk of them only; their lock cannot be had behind the other one.
      while (first.facts.length === 0 && merge.hasRoom(chunkRecords)) {
        const next = await chunks.ready(WAITED_MS)
        if (next === undefined || next.facts.length > 0 || !monthsOf(next).every((month) => months.has(month))) break
        await chunks.take()
        await merge.store(next)
      }
      await merge.finish()
    })
  }
}

const monthsOf = ({ days }: PreparedChunk): string[] => [...new Set([...days].map((day) => day.slice(0, 7)))]

/** One transaction. */
class Merge {
  readonly #since = performance.now()
  #received = 0
  readonly #session: ImportSession
  readonly #tx: Connection
  readonly #context: MergeContext
  readonly #activities: ActivityMerge
  readonly #counting: Counting
  /** Chunks of the import that are stored. */
  #number: number
  readonly #chunks: ChunkCommit[] = []
  readonly #touchedByFacts: number[] = []
  #lastDay: string | undefined
  #dayEnded = false
  #onlyAdded = true
  #counts = false

  private constructor(
    session: ImportSession,
    tx: Connection,
    context: MergeContext,
    activities: ActivityMerge,
    number: number,
  ) {
    this.#session = session
    this.#tx = tx
    this.#context = context
    this.#activities = activities
    this.#counting = new Counting(context, activities.newest)
    this.#number = number
  }

  static async begin(session: ImportSession, tx: Connection, context: MergeContext): Promise<Merge> {
    const number = await lockForChunks(tx, context.importId)
    const activities = await ActivityMerge.begin(session, tx, context.connectorId)
    return new Merge(session, tx, context, activities, number)
  }

  /** For another chunk; a full one holds so many records. */
  hasRoom(chunkRecords: number): boolean {
    const full = this.#dayEnded ? CHUNKS_OF_WHOLE_DAYS : CHUNKS_A_COMMIT
    const isOpen = performance.now() - this.#since < OPEN_MS
    return isOpen && this.#received < full * chunkRecords && this.#chunks.length < SHORT_CHUNKS_A_COMMIT
  }

  async store(chunk: PreparedChunk): Promise<void> {
    const { vault, importId, connectorId, spareRows } = this.#context
    const tx = this.#tx
    this.#received += chunk.received
    const lastDay = [...chunk.days].sort().at(-1)
    this.#dayEnded = this.#lastDay !== undefined && lastDay !== undefined && lastDay > this.#lastDay
    this.#lastDay = lastDay ?? this.#lastDay
    if (!this.#isNext(chunk.number)) return
    const textsId = chunk.texts === null ? null : await storeTexts(tx, vault, chunk.texts.packed, chunk.texts.id)
    const { records, onlyAdded } = await this.#activities.store(chunk.rows, (stored) =>
      this.#counting.take(stored, chunk.matcher),
    )
    spareRows.push(chunk.rows)
    const facts = await storeFacts(tx, vault, { importId, touched: TOUCHED }, chunk.facts)
    if (textsId !== null) await storeQuarantined(tx, { importId, connectorId, textsId }, chunk.quarantined)
    this.#chunks.push({
      number: chunk.number,
      counts: {
        received: chunk.received,
        stored: records + facts.stored,
        duplicate: chunk.activities - records + facts.duplicate,
        quarantined: chunk.quarantined.length,
        ignored: chunk.ignored,
      },
      zoneAssumed: chunk.zoneAssumed,
      textsId,
      sources: chunk.sources,
      position: chunk.position,
      skip: chunk.skip,
      seen: chunk.seen,
    })
    this.#touchedByFacts.push(...facts.touchedIdentities)
    this.#onlyAdded &&= onlyAdded && chunk.facts.length === 0
    this.#counts ||= chunk.activities + chunk.facts.length > 0
  }

  /** False for a chunk that is stored already, by a try that is not over yet. */
  #isNext(number: number): boolean {
    if (number <= this.#number) return false
    if (number !== this.#number + 1) {
      const { importId } = this.#context
      throw new AppError('import_balance_broken', `chunk ${number} of import ${importId} follows chunk ${this.#number}`)
    }
    this.#number = number
    return true
  }

  /** Books the chunks and recounts what they touched, once for all of them. */
  async finish(): Promise<void> {
    const tx = this.#tx
    const writer = await this.#activities.finish()
    await commitChunks(tx, this.#context.vault, this.#context, this.#chunks)
    // The indicators as they are now: a policy made while the import runs counts from its next transaction on.
    if (this.#counts) {
      const indicators = await activeIndicators(tx)
      await this.#counting.count(this.#session, tx, { indicators, onlyAdded: this.#onlyAdded, writer })
      const { matching, kind } = this.#context
      if (!matching.matcher.isOf(indicators)) matching.matcher = new Matcher(indicators, kind)
    }
    await noticeTouched(tx, this.#touchedByFacts, TOUCHED)
  }
}
