import type { Activity } from '../domain/signal.ts'
import { address4Of, address6Of } from './address.ts'
import { BinaryRows, COPY_HEADER, COPY_TRAILER, fieldsOf, uuidText, viewOf } from './binary.ts'
import type { ShortHash } from './keyed-hash.ts'
import { orderByKey } from './order.ts'
import type { SubjectKeys } from './subject-keys.ts'
import type { Vault } from './vault.ts'

/** What an activity became on its way to its row. */
export interface StagedActivity {
  activity: Activity
  /** Place in the chunk; also the index of its texts. */
  ordinal: number
  identityId: number
  containerId: number | null
  /** Which of the chunk's sources it was read from. */
  sourceIndex: number
  origin: Origin
  /** When the activity touched somebody's record. */
  subject?: SubjectKeys | undefined
}

interface Origin {
  network: string | null
  country: string | null
}

/** What all rows of a chunk share. */
export interface ChunkContext {
  connectorId: string
  importId: string
  /** Of the chunk's sealed texts; null when there are none. */
  textsId: string | null
}

/** A row that says something about another one. */
export interface SpecialRow {
  identityId: number
  sourceKey: string
  /** Key of the record that it corrects. */
  supersedes: string | null
  /** Key of the thing of which it is a version. */
  versionOf: string | null
}

const KEY_BYTES = 16

const COLUMNS = `identity_id, at, source_key, connector_id, import_id, texts_id, texts_index, source_index,
  verb, native_event, outcome, actor_kind, container_id, object_key, object_ext, size_bytes, item_count, origin_ip,
  origin_network, origin_country, audience_after, destination_is_external, flags`
const COLUMN_COUNT = 23
/** Of what few sources have. */
const FURTHER_COLUMNS = `amount, subject_key, subject_name_key, subject_last_name_key, subject_address_key,
  subject_street_key, subject_department_key, severity, category, finding_state, version_key, version_at`
const FURTHER_COUNT = 12

const EXTENSION = /\.([A-Za-z0-9]{1,10})$/
const INT32_MAX = 2 ** 31 - 1
const EVENTS_AT_MOST = 10_000
const FIRST_ROWS = 512
/** Each is sent in turns of its own: small ones would wait for the mapping of the next chunk again and again. */
const PIECE_BYTES = 512 * 1024

/** The extension in lower case, null when there is none. */
export const extensionOf = (object: string): string | null => object.match(EXTENSION)?.[1]?.toLowerCase() ?? null

const sharedFields = ({ connectorId, importId, textsId }: ChunkContext): DataView =>
  fieldsOf((rows) => {
    for (const id of [connectorId, importId, textsId]) {
      if (id === null) rows.none()
      else rows.raw(viewOf(Buffer.from(id.replaceAll('-', ''), 'hex')), 0, KEY_BYTES)
    }
  })

interface KnownEvent {
  verb: string
  outcome: string
  actorKind: string
  fields: DataView
}

/** What is left to ask of the rows of a chunk once they are stored. */
export interface StoredRows {
  /** In the order of their key. */
  identities: Float64Array
  /** Milliseconds. */
  instants: Float64Array
  /** NaN where there is none. */
  containers: Float64Array
  origins: readonly Origin[]
  actorKinds: readonly string[]
  /** Of the whole chunk, whether stored by it or before: see `ActivityRows`. */
  subjects: ReadonlyMap<string | null, ReadonlySet<string>>
  /** Some rows correct others, or are versions of one thing. */
  hasSpecial: boolean
}

/**
 * The activities of a chunk as the rows that COPY writes, in binary and without a text in between: only what the
 * database must be asked about is kept beside them, as numbers. Rows that have what few sources have are of a wider shape.
 */
export class ActivityRows {
  context: ChunkContext
  count = 0
  identities = new Float64Array(FIRST_ROWS)
  /** Milliseconds. */
  instants = new Float64Array(FIRST_ROWS)
  ordinals = new Int32Array(FIRST_ROWS)
  /** 16 bytes each. */
  keys: DataView = new DataView(new ArrayBuffer(FIRST_ROWS * KEY_BYTES))
  /** NaN where there is none. */
  containers = new Float64Array(FIRST_ROWS)
  readonly origins: Origin[] = []
  readonly actorKinds: string[] = []
  readonly special: SpecialRow[] = []
  /** Department → whose records were touched in it; of null, those of whom the source names none. Keyed hashes. */
  subjects = new Map<string | null, Set<string>>()

  readonly #sourceHash: ShortHash
  readonly #objectHash: ShortHash
  readonly #rows = new BinaryRows()
  #shared: DataView
  readonly #events = new Map<string, KnownEvent[]>()
  readonly #objectKey = new DataView(new ArrayBuffer(KEY_BYTES))
  #starts = new Uint32Array(FIRST_ROWS)
  #wide = new Uint8Array(FIRST_ROWS)
  #wideRows = 0
  #order: Uint32Array | undefined
  #piece = Buffer.alloc(0)

  constructor(vault: Vault, context: ChunkContext) {
    this.context = context
    this.#sourceHash = vault.shortHash(`source/${context.connectorId}`)
    this.#objectHash = vault.shortHash('object')
    this.#shared = sharedFields(context)
  }

  /** Forgets the rows and keeps their memory, for another chunk of the import. */
  begin(textsId: string | null): void {
    this.context = { ...this.context, textsId }
    this.#shared = sharedFields(this.context)
    this.count = 0
    this.origins.length = 0
    this.actorKinds.length = 0
    this.special.length = 0
    this.subjects = new Map()
    this.#rows.clear()
    this.#wideRows = 0
    this.#order = undefined
  }

  add(staged: StagedActivity): void {
    const n = this.count
    if (n === this.#starts.length) this.#grow()
    this.count += 1
    this.#order = undefined
    const { activity, identityId, ordinal, origin, containerId, subject } = staged
    const { amount, finding, version, supersedes } = activity
    const rows = this.#rows
    const isWide = amount !== undefined || subject !== undefined || finding !== undefined || version !== undefined
    const at = activity.at.getTime()
    const keyAt = n * KEY_BYTES
    this.identities[n] = identityId
    this.instants[n] = at
    this.ordinals[n] = ordinal
    this.containers[n] = containerId ?? Number.NaN
    this.origins.push(origin)
    this.actorKinds.push(activity.actorKind)
    this.#starts[n] = rows.length
    this.#wide[n] = isWide ? 1 : 0
    this.#sourceHash.put(this.keys, keyAt, activity.sourceId)

    rows.row(isWide ? COLUMN_COUNT + FURTHER_COUNT : COLUMN_COUNT)
    rows.int8(identityId)
    rows.instant(at)
    rows.raw(this.keys, keyAt, KEY_BYTES)
    rows.fields(this.#shared)
    rows.int4(ordinal)
    rows.int4(staged.sourceIndex)
    rows.fields(this.#eventFields(activity))
    this.#writeDetails(staged)
    if (isWide) {
      this.#wideRows += 1
      this.#writeFurther(staged)
    }
    if (subject !== undefined && subject.id !== null) this.#meet(subject.id, subject.department)
    if (supersedes !== undefined || version !== undefined) {
      this.special.push({
        identityId,
        sourceKey: uuidText(this.keys, keyAt),
        supersedes: supersedes === undefined ? null : uuidText(this.#sourceHash.of(supersedes)),
        versionOf: version === undefined ? null : uuidText(this.#sourceHash.of(version.of)),
      })
    }
  }

  #meet(subject: string, department: string | null): void {
    const met = this.subjects.get(department)
    if (met) met.add(subject)
    else this.subjects.set(department, new Set([subject]))
  }

  #writeDetails({ activity, containerId, origin, subject }: StagedActivity): void {
    const rows = this.#rows
    const { object, sizeBytes, itemCount, originIp, audienceAfter, destinationIsExternal, flags } = activity
    if (containerId === null) rows.none()
    else rows.int8(containerId)
    if (object === undefined) {
      rows.none()
      rows.none()
    } else {
      this.#objectHash.put(this.#objectKey, 0, object, activity.container ?? '')
      rows.raw(this.#objectKey, 0, 8)
      // A touched record's object is its number, not a file: what follows a dot in it is no extension.
      this.#text(subject === undefined ? extensionOf(object) : null)
    }
    if (sizeBytes !== undefined && Number.isSafeInteger(sizeBytes) && sizeBytes >= 0) rows.int8(sizeBytes)
    else rows.none()
    if (itemCount === undefined) rows.none()
    else rows.int4(Math.min(itemCount, INT32_MAX))
    this.#address(originIp)
    this.#address(origin.network)
    this.#text(origin.country)
    this.#text(audienceAfter)
    if (destinationIsExternal === undefined) rows.none()
    else rows.bool(destinationIsExternal)
    if (flags?.length) rows.texts(flags)
    else rows.none()
  }

  #writeFurther({ activity, subject }: StagedActivity): void {
    const rows = this.#rows
    const { amount, finding, version } = activity
    if (amount === undefined) rows.none()
    else rows.float8(amount)
    for (const key of [
      subject?.id,
      subject?.name,
      subject?.lastName,
      subject?.address,
      subject?.street,
      subject?.department,
    ]) {
      if (key === undefined || key === null) rows.none()
      else rows.int8Text(key)
    }
    this.#text(finding?.severity)
    this.#text(finding?.category)
    this.#text(finding?.state)
    if (version === undefined) {
      rows.none()
      rows.none()
    } else {
      rows.raw(this.#sourceHash.of(version.of), 0, KEY_BYTES)
      rows.instant(version.at.getTime())
    }
  }

  #text(value: string | null | undefined): void {
    if (value === null || value === undefined) this.#rows.none()
    else this.#rows.text(value)
  }

  #address(text: string | null | undefined): void {
    if (text === null || text === undefined) {
      this.#rows.none()
      return
    }
    const plain = address4Of(text)
    if (plain !== -1) {
      const slash = text.indexOf('/')
      this.#rows.address4(plain, slash === -1 ? 32 : Number(text.slice(slash + 1)), slash !== -1)
      return
    }
    const address = address6Of(text)
    if (address === null) this.#rows.none()
    else this.#rows.address(address)
  }

  /** The same few events come again and again. */
  #eventFields({ nativeEvent, verb, outcome, actorKind }: Activity): DataView {
    const named = this.#events.get(nativeEvent)
    for (const event of named ?? [])
      if (event.verb === verb && event.outcome === outcome && event.actorKind === actorKind) return event.fields
    const fields = fieldsOf((rows) => {
      for (const value of [verb, nativeEvent, outcome, actorKind]) rows.text(value)
    })
    if (named) named.push({ verb, outcome, actorKind, fields })
    else if (this.#events.size < EVENTS_AT_MOST) this.#events.set(nativeEvent, [{ verb, outcome, actorKind, fields }])
    return fields
  }

  #grow(): void {
    const size = this.#starts.length * 2
    const copied = <A extends Float64Array | Int32Array | Uint32Array | Uint8Array>(from: A, to: A): A => {
      to.set(from)
      return to
    }
    this.identities = copied(this.identities, new Float64Array(size))
    this.instants = copied(this.instants, new Float64Array(size))
    this.containers = copied(this.containers, new Float64Array(size))
    this.ordinals = copied(this.ordinals, new Int32Array(size))
    this.#starts = copied(this.#starts, new Uint32Array(size))
    this.#wide = copied(this.#wide, new Uint8Array(size))
    const keys = new Uint8Array(size * KEY_BYTES)
    keys.set(new Uint8Array(this.keys.buffer))
    this.keys = viewOf(keys)
  }

  /** The rows in the order of their key, without those that say what an earlier row of the chunk said; found once. */
  inOrder(): Uint32Array {
    this.#order ??= this.#inOrder()
    return this.#order
  }

  #inOrder(): Uint32Array {
    const order = orderByKey(this.identities, this.instants, this.count)
    let kept = 0
    // Of the identity and instant of the row before; made when a second row has the same.
    let run: Run | null = null
    let before = -1
    for (const row of order) {
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

  /** Of these rows, what outlives their memory's next use. */
  keep(order: Uint32Array): StoredRows {
    const count = order.length
    const numbers = (all: Float64Array) => {
      const kept = new Float64Array(count)
      for (let n = 0; n < count; n += 1) kept[n] = all[order[n] as number] as number
      return kept
    }
    const of = <T>(all: readonly T[]) => {
      const kept: T[] = []
      for (let n = 0; n < count; n += 1) kept.push(all[order[n] as number] as T)
      return kept
    }
    return {
      identities: numbers(this.identities),
      instants: numbers(this.instants),
      containers: numbers(this.containers),
      origins: of(this.origins),
      actorKinds: of(this.actorKinds),
      subjects: this.subjects,
      hasSpecial: this.special.length > 0,
    }
  }

  /** How many records these rows came from: one that names several accounts has a row for each. */
  recordsOf(order: Uint32Array): number {
    const met = new Uint8Array(this.ordinals.reduce((most, each) => Math.max(most, each), 0) + 1)
    let records = 0
    for (const row of order) {
      const ordinal = this.ordinals[row] as number
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
    const copy = (columns: string) => `copy activity (${columns}) from stdin (format binary)`
    if (this.#wideRows < this.count) yield { statement: copy(COLUMNS), pieces: this.#pieces(order, 0) }
    if (this.#wideRows > 0) yield { statement: copy(`${COLUMNS}, ${FURTHER_COLUMNS}`), pieces: this.#pieces(order, 1) }
  }

  *#pieces(order: Uint32Array, wide: 0 | 1): Generator<Buffer> {
    const rows = this.#rows
    // Most imports are small: a piece is no larger than all that there is to send.
    const most = Math.min(PIECE_BYTES, COPY_HEADER.length + rows.length)
    if (this.#piece.length < most) this.#piece = Buffer.allocUnsafe(most)
    let piece = this.#piece
    let view = viewOf(piece)
    let filled = COPY_HEADER.copy(piece)
    for (const row of order) {
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
      filled = rows.copyTo(view, filled, from, to)
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
