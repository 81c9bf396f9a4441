import type { Activity } from '../domain/signal.ts'
import { address4Of, address6Of } from './address.ts'
import { BinaryRows, fieldsOf, viewOf } from './binary.ts'
import { KEY_BYTES, type SourceKeys } from './source-keys.ts'
import type { SubjectKeys } from './subject-keys.ts'

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
  /** What it counts for, by whoever counts: 0 for nothing, absent where that is not known. 16 bits. */
  hits?: number
}

export interface Origin {
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

/** Where in a row its activity's key is: behind the number of fields, two of eight bytes, and its length. */
export const KEY_AT = 2 + 2 * 12 + 4
/** Where its object's key is, in a row that has one: behind the activity's key and its own length. */
export const OBJECT_KEY_AT = KEY_AT + KEY_BYTES + 4
export const OBJECT_KEY_BYTES = 8
const COLUMNS = `identity_id, at, source_key, object_key, connector_id, import_id, texts_id, texts_index, source_index,
  verb, native_event, outcome, actor_kind, container_id, object_ext, size_bytes, item_count, origin_ip,
  origin_network, origin_country, audience_after, destination_is_external, flags`
const COLUMN_COUNT = 23
/** Of what few sources have. */
const FURTHER_COLUMNS = `amount, subject_key, subject_name_key, subject_last_name_key, subject_address_key,
  subject_street_key, subject_department_key, severity, category, finding_state, version_key, version_at`
const FURTHER_COUNT = 12

const copyOf = (columns: string) => `copy activity (${columns}) from stdin (format binary)`
/** Of rows that have nothing of what few sources have, and of those that do. */
export const COPY_STATEMENTS = { narrow: copyOf(COLUMNS), wide: copyOf(`${COLUMNS}, ${FURTHER_COLUMNS}`) } as const

const EXTENSION_AT_MOST = 10
const INT32_MAX = 2 ** 31 - 1
const EVENTS_AT_MOST = 10_000

/**
 * The extension of an activity's object in lower case, null when there is none. A touched record's object is its number, not
 * a file: what follows a dot in it is no extension.
 */
export const extensionOf = ({ activity: { object }, subject }: StagedActivity): string | null =>
  object === undefined || subject !== undefined ? null : extensionIn(object)

/** Bytes as they are stored; null where the source tells none, or no such number. */
export const sizeOf = ({ sizeBytes }: Activity): number | null =>
  sizeBytes !== undefined && Number.isSafeInteger(sizeBytes) && sizeBytes >= 0 ? sizeBytes : null

/** Objects touched as they are stored; null where the source does not count them. */
export const itemsOf = ({ itemCount }: Activity): number | null =>
  itemCount === undefined ? null : Math.min(itemCount, INT32_MAX)

/** A few letters and digits behind a dot at the end, in lower case; null when there are none. */
function extensionIn(object: string): string | null {
  const earliest = object.length - EXTENSION_AT_MOST
  let from = object.length
  while (from > earliest && isLetterOrDigit(object.charCodeAt(from - 1))) from -= 1
  return from < object.length && object[from - 1] === '.' ? object.slice(from).toLowerCase() : null
}

const isLetterOrDigit = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)

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

/** Whether an activity has something that few sources have: its row is of a wider shape. */
export const isWide = ({ activity: { amount, finding, version }, subject }: StagedActivity): boolean =>
  amount !== undefined || subject !== undefined || finding !== undefined || version !== undefined

/** Writes activities as COPY reads them, in binary and without a text in between. */
export class ActivityWriter {
  readonly rows = new BinaryRows()
  readonly #sourceKeys: SourceKeys
  #shared: DataView
  readonly #events = new Map<string, KnownEvent[]>()

  /** `sourceKeys` are those of the connector's records. */
  constructor(sourceKeys: SourceKeys, context: ChunkContext) {
    this.#sourceKeys = sourceKeys
    this.#shared = sharedFields(context)
  }

  /** Forgets the rows and keeps their memory, for another chunk. */
  begin(context: ChunkContext): void {
    this.rows.clear()
    this.#shared = sharedFields(context)
  }

  /** Adds a row, with room for the activity's key and for its object's. */
  write(staged: StagedActivity, wide: boolean): void {
    const { activity, identityId, ordinal, sourceIndex } = staged
    const { rows } = this
    rows.row(wide ? COLUMN_COUNT + FURTHER_COUNT : COLUMN_COUNT)
    rows.int8(identityId)
    rows.instant(activity.at.getTime())
    rows.room(KEY_BYTES)
    if (activity.object === undefined) rows.none()
    else rows.room(OBJECT_KEY_BYTES)
    rows.fields(this.#shared)
    rows.int4(ordinal)
    rows.int4(sourceIndex)
    rows.fields(this.#eventFields(activity))
    this.#writeDetails(staged)
    if (wide) this.#writeFurther(staged)
  }

  #writeDetails(staged: StagedActivity): void {
    const { rows } = this
    const { activity, containerId, origin } = staged
    const { originIp, audienceAfter, destinationIsExternal, flags } = activity
    const size = sizeOf(activity)
    const items = itemsOf(activity)
    if (containerId === null) rows.none()
    else rows.int8(containerId)
    this.#text(extensionOf(staged))
    if (size === null) rows.none()
    else rows.int8(size)
    if (items === null) rows.none()
    else rows.int4(items)
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
    const { rows } = this
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
      rows.raw(this.#sourceKeys.of(version.of), 0, KEY_BYTES)
      rows.instant(version.at.getTime())
    }
  }

  #text(value: string | null | undefined): void {
    if (value === null || value === undefined) this.rows.none()
    else this.rows.text(value)
  }

  #address(text: string | null | undefined): void {
    if (text === null || text === undefined) {
      this.rows.none()
      return
    }
    const plain = address4Of(text)
    if (plain !== -1) {
      const slash = text.indexOf('/')
      this.rows.address4(plain, slash === -1 ? 32 : Number(text.slice(slash + 1)), slash !== -1)
      return
    }
    const address = address6Of(text)
    if (address === null) this.rows.none()
    else this.rows.address(address)
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
}
