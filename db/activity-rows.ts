import type { Activity } from '../domain/signal.ts'
import {
  ActivityWriter,
  type ChunkContext,
  COPY_STATEMENTS,
  isWide,
  itemsOf,
  KEY_AT,
  OBJECT_KEY_AT,
  OBJECT_KEY_BYTES,
  type Origin,
  type StagedActivity,
  sizeOf,
} from './activity-writer.ts'
import { grown, grownView } from './arrays.ts'
import { COPY_HEADER, COPY_TRAILER, copyBytes, uuidText, viewOf } from './binary.ts'
import { orderByKey } from './order.ts'
import { KEY_BYTES, type SourceKeys } from './source-keys.ts'
import type { TextKeys } from './text-keys.ts'
import type { Vault } from './vault.ts'

/** A row that says something about another one. */
export interface SpecialRow {
  identityId: number
  sourceKey: string
  /** Key of the record that it corrects. */
  supersedes: string | null
  /** Key of the thing of which it is a version. */
  versionOf: string | null
}

const FIRST_ROWS = 512
/** Each is sent in turns of its own: small ones would wait for the mapping of the next chunk again and again. */
const PIECE_BYTES = 512 * 1024

/** Rows of a chunk that were just stored, in the order of their key; told before their memory is used again. */
export interface StoredRows {
  rows: ActivityRows
  order: Uint32Array
}

/** `hits` of an activity of which is not known what it counts for. */
export const UNTOLD = 0xffff

/**
 * The activities of a chunk as the rows that COPY reads, in the order of their key: only what the database must be asked
 * about is kept beside them, as numbers.
 */
export class ActivityRows {
  context: ChunkContext
  count = 0
  identities = new Float64Array(FIRST_ROWS)
  /** Milliseconds. */
  instants = new Float64Array(FIRST_ROWS)
  ordinals = new Int32Array(FIRST_ROWS)
  /** 16 bytes each, of which `inOrder` makes keys. */
  keys: DataView = new DataView(new ArrayBuffer(FIRST_ROWS * KEY_BYTES))
  /** Keys of objects, 8 bytes each, when `inOrder` was called; zero where there is no object. */
  objects: DataView = new DataView(new ArrayBuffer(FIRST_ROWS * OBJECT_KEY_BYTES))
  /** NaN where there is none. */
  containers = new Float64Array(FIRST_ROWS)
  /** What each counts for, see `StagedActivity`; of one that counts for nothing the figures below say nothing. */
  hits = new Uint16Array(FIRST_ROWS)
  items = new Int32Array(FIRST_ROWS)
  sizes = new Float64Array(FIRST_ROWS)
  /** NaN where there is none. */
  amounts = new Float64Array(FIRST_ROWS)
  readonly origins: Origin[] = []
  readonly actorKinds: string[] = []
  readonly special: SpecialRow[] = []
  /** Department → whose records were touched in it; of null, those of whom the source names none. Keyed hashes. */
  subjects = new Map<string | null, Set<string>>()

  readonly #sourceKeys: SourceKeys
  readonly #objectKeys: TextKeys
  readonly #writer: ActivityWriter
  /** Rows whose blocks are keys already. */
  #enciphered = 0
  #starts = new Uint32Array(FIRST_ROWS)
  #wide = new Uint8Array(FIRST_ROWS)
  #wideRows = 0
  #order: Uint32Array | undefined
  #piece = Buffer.alloc(0)

  constructor(vault: Vault, context: ChunkContext) {
    this.context = context
    this.#sourceKeys = vault.sourceKeys(context.connectorId)
    this.#objectKeys = vault.textKeys('object', OBJECT_KEY_BYTES)
    this.#writer = new ActivityWriter(this.#sourceKeys, context)
  }

  /** Forgets the rows and keeps their memory, for another chunk of the import. */
  begin(textsId: string | null): void {
    this.context = { ...this.context, textsId }
    this.#writer.begin(this.context)
    this.#sourceKeys.forget()
    this.#objectKeys.forget()
    this.count = 0
    this.origins.length = 0
    this.actorKinds.length = 0
    this.special.length = 0
    this.subjects = new Map()
    this.#wideRows = 0
    this.#enciphered = 0
    this.#order = undefined
  }

  add(staged: StagedActivity): void {
    const n = this.count
    if (n === this.#starts.length) this.#grow()
    this.count += 1
    this.#order = undefined
    const { activity, identityId, ordinal, origin, containerId, subject, hits = UNTOLD } = staged
    const { version, supersedes } = activity
    const wide = isWide(staged)
    this.identities[n] = identityId
    this.instants[n] = activity.at.getTime()
    this.ordinals[n] = ordinal
    this.containers[n] = containerId ?? Number.NaN
    this.origins.push(origin)
    this.actorKinds.push(activity.actorKind)
    this.#starts[n] = this.#writer.rows.length
    this.#wide[n] = wide ? 1 : 0
    if (wide) this.#wideRows += 1
    this.#sourceKeys.putBlock(this.keys, n * KEY_BYTES, activity.sourceId)
    this.#putObject(n, activity)
    this.#writer.write(staged, wide)
    this.hits[n] = hits
    if (hits !== 0 && hits !== UNTOLD) this.#keepFigures(n, activity)
    if (subject !== undefined && subject.id !== null) this.#meet(subject.id, subject.department)
    if (supersedes !== undefined || version !== undefined) {
      this.special.push({
        identityId,
        sourceKey: uuidText(this.#sourceKeys.of(activity.sourceId)),
        supersedes: supersedes === undefined ? null : uuidText(this.#sourceKeys.of(supersedes)),
        versionOf: version === undefined ? null : uuidText(this.#sourceKeys.of(version.of)),
      })
    }
  }

  #putObject(n: number, { object, container = '' }: Activity): void {
    const at = n * OBJECT_KEY_BYTES
    if (object === undefined) this.objects.setFloat64(at, 0)
    else this.#objectKeys.put(this.objects, at, object, container)
  }

  #keepFigures(n: number, activity: Activity): void {
    this.items[n] = itemsOf(activity) ?? 1
    this.sizes[n] = sizeOf(activity) ?? 0
    this.amounts[n] = activity.amount ?? Number.NaN
  }

  #meet(subject: string, department: string | null): void {
    const met = this.subjects.get(department)
    if (met) met.add(subject)
    else this.subjects.set(department, new Set([subject]))
  }

  #grow(): void {
    const size = this.#starts.length * 2
    this.identities = grown(this.identities, size)
    this.instants = grown(this.instants, size)
    this.containers = grown(this.containers, size)
    this.ordinals = grown(this.ordinals, size)
    this.hits = grown(this.hits, size)
    this.items = grown(this.items, size)
    this.sizes = grown(this.sizes, size)
    this.amounts = grown(this.amounts, size)
    this.#starts = grown(this.#starts, size)
    this.#wide = grown(this.#wide, size)
    this.keys = grownView(this.keys, size * KEY_BYTES)
    this.objects = grownView(this.objects, size * OBJECT_KEY_BYTES)
  }

  /** The rows in the order of their key, without those that say what an earlier row of the chunk said; found once. */
  inOrder(): Uint32Array {
    this.#order ??= this.#inOrder()
    return this.#order
  }

  #inOrder(): Uint32Array {
    this.#encipher()
    const order = orderByKey(this.identities, this.instants, this.count)
    let kept = 0
    // Of the identity and instant of the row before; made when a second row has the same.
    let run: Run | null = null
    let before = -1
    for (let n = 0; n < order.length; n += 1) {
      const row = order[n] as number
      const isAlone =
        before < 0 || this.identities[before] !== this.identities[row] || this.instants[before] !== this.instants[row]
      if (isAlone) run = null
      else if (run === null) {
        run = new Run(this.keys)
        run.take(before)
      }
      before = row
      if (run === null || run.take(row)) order[kept++] = row
    }
    return order.subarray(0, kept)
  }

  #encipher(): void {
    this.#sourceKeys.encipher(this.keys, this.#enciphered * KEY_BYTES, this.count * KEY_BYTES)
    this.#objectKeys.settle(this.objects)
    this.#enciphered = this.count
  }

  /** How many records these rows came from: one that names several accounts has a row for each. */
  recordsOf(order: Uint32Array): number {
    const met = new Uint8Array(this.ordinals.reduce((most, each) => Math.max(most, each), 0) + 1)
    let records = 0
    for (let n = 0; n < order.length; n += 1) {
      const ordinal = this.ordinals[order[n] as number] as number
      if (met[ordinal] === 0) records += 1
      met[ordinal] = 1
    }
    return records
  }

  /**
   * What to send, in this order: a COPY for each shape of rows that there is. A piece is sent before the next is asked
   * for: its memory is used again.
   */
  *copies(order: Uint32Array): Generator<{ statement: string; pieces: Generator<Buffer> }> {
    if (this.#wideRows < this.count) yield { statement: COPY_STATEMENTS.narrow, pieces: this.#pieces(order, 0) }
    if (this.#wideRows > 0) yield { statement: COPY_STATEMENTS.wide, pieces: this.#pieces(order, 1) }
  }

  *#pieces(order: Uint32Array, wide: 0 | 1): Generator<Buffer> {
    const { rows } = this.#writer
    // Most imports are small: a piece is no larger than all that there is to send.
    const most = Math.min(PIECE_BYTES, COPY_HEADER.length + rows.length)
    if (this.#piece.length < most) this.#piece = Buffer.allocUnsafe(most)
    let piece = this.#piece
    let view = viewOf(piece)
    let filled = COPY_HEADER.copy(piece)
    for (let n = 0; n < order.length; n += 1) {
      const row = order[n] as number
      if (this.#wide[row] !== wide) continue
      const from = this.#starts[row] as number
      const to = row + 1 < this.count ? (this.#starts[row + 1] as number) : rows.length
      if (filled + to - from > piece.length) {
        yield piece.subarray(0, filled)
        // What is short enough for a stream to hold it back may not be sent yet.
        if (to - from > piece.length || filled < piece.length / 2) {
          piece = Buffer.allocUnsafe(Math.max(PIECE_BYTES, to - from))
          view = viewOf(piece)
        }
        filled = 0
      }
      const start = filled
      filled = rows.copyTo(view, start, from, to)
      copyBytes(this.keys, row * KEY_BYTES, KEY_BYTES, view, start + KEY_AT)
      const high = this.objects.getInt32(row * OBJECT_KEY_BYTES)
      const low = this.objects.getInt32(row * OBJECT_KEY_BYTES + 4)
      if (high === 0 && low === 0) continue
      view.setInt32(start + OBJECT_KEY_AT, high)
      view.setInt32(start + OBJECT_KEY_AT + 4, low)
    }
    yield piece.subarray(0, filled)
    yield COPY_TRAILER
  }
}

/** So many keys are compared one by one; of more a set is made. */
const COMPARED_AT_MOST = 12

/** Rows of one identity and instant: most are alone, and some sources know no more than the day. */
class Run {
  readonly #keys: DataView
  readonly #rows: number[] = []
  #met: Set<string> | undefined

  constructor(keys: DataView) {
    this.#keys = keys
  }

  /** False for a row whose key was taken before. */
  take(row: number): boolean {
    if (this.#met) {
      const { size } = this.#met
      return this.#met.add(this.#text(row)).size > size
    }
    for (const other of this.#rows) if (this.#same(row, other)) return false
    this.#rows.push(row)
    if (this.#rows.length > COMPARED_AT_MOST) this.#met = new Set(this.#rows.map((each) => this.#text(each)))
    return true
  }

  #same(one: number, other: number): boolean {
    for (let n = 0; n < KEY_BYTES; n += 4) {
      if (this.#keys.getInt32(one * KEY_BYTES + n) !== this.#keys.getInt32(other * KEY_BYTES + n)) return false
    }
    return true
  }

  #text(row: number): string {
    return uuidText(this.#keys, row * KEY_BYTES)
  }
}
