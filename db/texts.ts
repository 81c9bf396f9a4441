import { once } from 'node:events'
import { brotliDecompressSync, constants, createBrotliCompress, gunzipSync } from 'node:zlib'
import { AppError } from '../domain/errors.ts'
import type { Connection } from './connection.ts'
import type { Vault } from './vault.ts'
import { openSealed } from './vault.ts'

/** What a chunk keeps sealed of one record: its names and what the source sent. */
export interface RecordText {
  origin?: string | undefined
  container?: string | undefined
  object?: string | undefined
  userAgent?: string | undefined
  raw?: unknown
}

/**
 * Packed texts are one byte of format and, behind it, these entries compressed, one per record, at the index that rows
 * refer to:
 *
 *     F["user","file"]            names of the columns from here on; no record of its own
 *     C12,[null,1,null]           a row of so many UTF-16 units, its cells parted by U+001F; container, object and user
 *     ann␟plan.xlsx               agent are the numbers of cells, or texts
 *     J24,["a","b",null]          a record of JSON as the source wrote it
 *     {"who":"ann"}
 *     T{"object":"b","raw":null}  anything else
 *
 * Before there were formats a pack was gzip, which begins with 0x1f, over one JSON text a line.
 */
const FORMAT = 1
const CELL_END = '\u001f'

const QUALITY = 1
/** 2^18 bytes are looked back: more would hold more memory for a few bytes. */
const WINDOW = 18
const PIECE_BYTES = 512 * 1024
/** Of the first piece: most imports are small. */
const FIRST_PIECE_BYTES = 32 * 1024
const NO_PIECE = Buffer.alloc(0)

/** A cell's number, or a text; null where there is none. */
type Name = number | string | null

/**
 * Compresses the texts of a chunk while it is being read, on a thread of its own. The whole is sealed as one value. What
 * the source wrote is kept as it is: making JSON of it again would cost more than reading it did.
 */
export class TextsPacker {
  readonly #compress = createBrotliCompress({
    chunkSize: 256 * 1024,
    params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY, [constants.BROTLI_PARAM_LGWIN]: WINDOW },
  })
  readonly #packed: Buffer[] = [Buffer.from([FORMAT])]
  #failure: unknown
  #piece: Buffer<ArrayBuffer> = Buffer.allocUnsafe(FIRST_PIECE_BYTES)
  /** Pieces that were compressed: their memory serves again. */
  readonly #spare: Buffer<ArrayBuffer>[] = []
  #filled = 0
  #count = 0
  #columns: readonly string[] = []

  constructor() {
    this.#compress.on('data', (piece: Buffer) => this.#packed.push(piece))
    this.#compress.on('error', (error) => {
      this.#failure = error
    })
  }

  /** Returns the index of the text. `json` is `raw` as the source wrote it. */
  add(text: RecordText, json?: string): number {
    if (json !== undefined && text.origin === undefined) {
      const { container = null, object = null, userAgent = null } = text
      this.#put(`J${json.length},${JSON.stringify([container, object, userAgent])}\n`)
      this.#put(json)
      this.#put('\n')
    } else if (text.origin !== undefined || !this.#putRow(text)) this.#put(`T${JSON.stringify(text)}\n`)
    this.#count += 1
    return this.#count - 1
  }

  /** A record of nothing but texts, as rows of a table are. False for any other. */
  #putRow({ container, object, userAgent, raw }: RecordText): boolean {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return false
    const row = raw as Record<string, unknown>
    if (!this.#hasColumnsOf(row)) {
      const columns = Object.keys(row)
      if (columns.length === 0) return false
      this.#columns = columns
      this.#put(`F${JSON.stringify(columns)}\n`)
    }
    const values = Object.values(row)
    let containerAt: Name = container ?? null
    let objectAt: Name = object ?? null
    let agentAt: Name = userAgent ?? null
    for (let n = 0; n < values.length; n += 1) {
      const cell = values[n]
      if (typeof cell !== 'string' || cell.includes(CELL_END)) return false
      if (cell === object) objectAt = n
      if (cell === container) containerAt = n
      if (cell === userAgent) agentAt = n
    }
    const isNumbered = [containerAt, objectAt, agentAt].every((name) => typeof name !== 'string')
    const names = isNumbered
      ? `[${containerAt},${objectAt},${agentAt}]`
      : JSON.stringify([containerAt, objectAt, agentAt])
    const cells = values.join(CELL_END)
    this.#put(`C${cells.length},${names}\n${cells}\n`)
    return true
  }

  #hasColumnsOf(row: Record<string, unknown>): boolean {
    let n = 0
    for (const name in row) {
      if (this.#columns[n] !== name) return false
      n += 1
    }
    return n === this.#columns.length && n > 0
  }

  #put(text: string): void {
    const most = text.length * 3
    if (this.#filled + most > this.#piece.length) {
      this.#send()
      if (most > PIECE_BYTES) {
        this.#compress.write(Buffer.from(text))
        return
      }
      this.#piece = this.#spare.pop() ?? Buffer.allocUnsafe(PIECE_BYTES)
    }
    this.#filled += this.#piece.write(text, this.#filled, 'utf8')
  }

  #send(): void {
    if (this.#filled === 0) return
    const piece = this.#piece
    this.#compress.write(piece.subarray(0, this.#filled), () => {
      if (piece.length === PIECE_BYTES) this.#spare.push(piece)
    })
    this.#piece = NO_PIECE
    this.#filled = 0
  }

  /** Waits while more is held than the compressing thread keeps up with. */
  async settled(): Promise<void> {
    if (this.#compress.writableNeedDrain) await once(this.#compress, 'drain')
  }

  /** The packed texts; null when there were none. */
  async finish(): Promise<Buffer | null> {
    this.#send()
    const ended = once(this.#compress, 'end')
    this.#compress.end()
    await ended
    if (this.#failure !== undefined) throw this.#failure
    return this.#count === 0 ? null : Buffer.concat(this.#packed)
  }
}

/** What `TextsPacker` packed, in order. */
export function unpackTexts(packed: Buffer): RecordText[] {
  if (packed[0] !== FORMAT) {
    return gunzipSync(packed)
      .toString()
      .split('\n')
      .map((line) => JSON.parse(line) as RecordText)
  }
  const text = brotliDecompressSync(packed.subarray(1)).toString()
  const found: RecordText[] = []
  let columns: string[] = []
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at)
    const kind = text[at]
    const line = text.slice(at + 1, end)
    at = end + 1
    if (kind === 'F') columns = JSON.parse(line) as string[]
    else if (kind === 'T') found.push(JSON.parse(line) as RecordText)
    else {
      const comma = line.indexOf(',')
      const length = Number(line.slice(0, comma))
      const names = JSON.parse(line.slice(comma + 1)) as Name[]
      const record = text.slice(at, at + length)
      at += length + 1
      found.push(kind === 'C' ? rowOf(columns, record.split(CELL_END), names) : named(JSON.parse(record), names))
    }
  }
  return found
}

const rowOf = (columns: readonly string[], cells: readonly string[], names: readonly Name[]): RecordText =>
  named(
    Object.fromEntries(columns.map((name, n) => [name, cells[n]])),
    names.map((name) => (typeof name === 'number' ? (cells[name] as string) : name)),
  )

function named(raw: unknown, [container, object, userAgent]: readonly Name[]): RecordText {
  const text: RecordText = { raw }
  if (typeof container === 'string') text.container = container
  if (typeof object === 'string') text.object = object
  if (typeof userAgent === 'string') text.userAgent = userAgent
  return text
}

/** The texts of one chunk in order. */
export async function readTexts(db: Connection, vault: Vault, textsId: string): Promise<RecordText[]> {
  const sealed = (await openSealed(db, vault, [textsId])).get(textsId)
  if (!sealed) throw new AppError('object_gone', 'the texts of this chunk are no longer kept')
  return unpackTexts(sealed)
}
