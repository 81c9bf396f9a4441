import { once } from 'node:events'
import { brotliDecompressSync, constants, createBrotliCompress, gunzipSync } from 'node:zlib'
import { AppError } from '../domain/errors.ts'
import { fieldOf } from '../domain/field-of.ts'
import { RowScanner, type RowsText } from '../domain/row-scanner.ts'
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

/** What a record was read from, when it says no more than that. */
export interface AsWritten {
  json?: string
  /** Its row, and from where to where it stands in these. */
  rows?: RowsText
  from?: number
  to?: number
}

/**
 * Packed texts are one byte of format and, behind it, these entries compressed, one per record, at the index that rows
 * refer to:
 *
 *     F["user","file"]            names of the columns from here on; no record of its own
 *     S34,[",",null,1,null]       so many UTF-16 units of rows as the source wrote them, one record each; what parts
 *     ann,plan.xlsx               their cells; container, object and user agent are the numbers of cells (then without
 *     bob,"Q3, draft.docx"        blanks around, and none where nothing is left), or texts
 *     C13,[null,1,null]           a row of so many units, its cells parted by U+001F; numbers of cells as they are
 *     ann␟plan.xlsx
 *     J13,["a","b",null]          a record of JSON as the source wrote it
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
/** A longer stretch of rows is parted, so that one fits into a piece whatever its letters. */
const STRETCH_CHARACTERS = 128 * 1024
const NO_ROWS: RowsText = { text: '', separator: '', columns: [] }

/** A cell's number, or a text; null where there is none. */
type Name = number | string | null

/** Cells by the names of their columns. */
type Row = Readonly<Record<string, string>>

/** Where rows of the same columns have their names. */
class NamesInRows {
  /** Container, object and user agent. A cell's name is without blanks around it, and none where nothing is left. */
  readonly places: readonly [Name, Name, Name]
  readonly #container: NameReader
  readonly #object: NameReader
  readonly #userAgent: NameReader
  readonly #columns: readonly string[]

  constructor(columns: readonly string[], places: readonly [Name, Name, Name] = [null, null, null]) {
    this.#columns = columns
    this.places = places
    this.#container = nameReader(columns, places[0])
    this.#object = nameReader(columns, places[1])
    this.#userAgent = nameReader(columns, places[2])
  }

  fit({ container, object, userAgent, raw }: RecordText): boolean {
    const row = raw as Row
    return this.#container(row) === container && this.#object(row) === object && this.#userAgent(row) === userAgent
  }

  /** What fits stays: of two cells that say the same in this row it is the one that did so in others. */
  fitted({ container, object, userAgent, raw }: RecordText): NamesInRows {
    const row = raw as Row
    return new NamesInRows(this.#columns, [
      this.#container(row) === container ? this.places[0] : this.#placeOf(container, row),
      this.#object(row) === object ? this.places[1] : this.#placeOf(object, row),
      this.#userAgent(row) === userAgent ? this.places[2] : this.#placeOf(userAgent, row),
    ])
  }

  #placeOf(name: string | undefined, row: Row): Name {
    if (!name) return name ?? null
    // Of columns with the same name, which is none, a row has the last.
    const at = this.#columns.findLastIndex((column) => row[column]?.trim() === name)
    return at === -1 ? name : at
  }
}

type NameReader = (row: Row) => string | undefined

function nameReader(columns: readonly string[], name: Name): NameReader {
  if (typeof name !== 'number') return () => name ?? undefined
  const read = fieldOf(columns[name] as string) as (row: Row) => string
  return (row) => read(row).trim() || undefined
}

/** Of what is being read, by its columns: the next chunk most likely has its names where this one has them. */
const namesFound = new WeakMap<readonly string[], NamesInRows>()

function namesOf(columns: readonly string[], text: RecordText): NamesInRows {
  const known = namesFound.get(columns)
  if (known?.fit(text)) return known
  const names = (known ?? new NamesInRows(columns)).fitted(text)
  namesFound.set(columns, names)
  return names
}

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
  /** The stretch of rows under way. */
  #rows = NO_ROWS
  #from = 0
  #to = 0
  #names = new NamesInRows([])

  constructor() {
    this.#compress.on('data', (piece: Buffer) => this.#packed.push(piece))
    this.#compress.on('error', (error) => {
      this.#failure = error
    })
  }

  /** Returns the index of the text. `written` is what `raw` was read from. */
  add(text: RecordText, written?: AsWritten): number {
    if (written?.rows !== undefined) this.#takeRow(text, written.rows, written.from as number, written.to as number)
    else {
      this.#endStretch()
      this.#putRecord(text, written?.json)
    }
    this.#count += 1
    return this.#count - 1
  }

  /** Rows that stand behind one another are put at once when another record comes. */
  #takeRow(text: RecordText, rows: RowsText, from: number, to: number): void {
    const goesOn = rows === this.#rows && from === this.#to && to - this.#from <= STRETCH_CHARACTERS
    if (!goesOn || !this.#names.fit(text)) {
      this.#endStretch()
      this.#rows = rows
      this.#from = from
      this.#names = namesOf(rows.columns, text)
    }
    this.#to = to
  }

  #endStretch(): void {
    if (this.#rows === NO_ROWS) return
    const { text, separator, columns } = this.#rows
    if (columns !== this.#columns) this.#putColumns(columns)
    this.#put(`S${this.#to - this.#from},${JSON.stringify([separator, ...this.#names.places])}\n`)
    this.#put(text.slice(this.#from, this.#to))
    this.#put('\n')
    this.#rows = NO_ROWS
  }

  #putColumns(columns: readonly string[]): void {
    this.#columns = columns
    this.#put(`F${JSON.stringify(columns)}\n`)
  }

  #putRecord(text: RecordText, json: string | undefined): void {
    if (json !== undefined && text.origin === undefined) {
      const { container = null, object = null, userAgent = null } = text
      this.#put(`J${json.length},${JSON.stringify([container, object, userAgent])}\n`)
      this.#put(json)
      this.#put('\n')
    } else if (text.origin !== undefined || !this.#putRow(text)) this.#put(`T${JSON.stringify(text)}\n`)
  }

  /** A record of nothing but texts, as rows of a table are. False for any other. */
  #putRow({ container, object, userAgent, raw }: RecordText): boolean {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return false
    const row = raw as Record<string, unknown>
    if (!this.#hasColumnsOf(row)) {
      const columns = Object.keys(row)
      if (columns.length === 0) return false
      this.#putColumns(columns)
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
    this.#endStretch()
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
      if (kind === 'S') for (const row of rowsOf(columns, record, names)) found.push(row)
      else if (kind === 'C') found.push(rowOf(columns, record.split(CELL_END), names))
      else found.push(named(JSON.parse(record), names))
    }
  }
  return found
}

const asRow = (columns: readonly string[], cells: readonly string[]) =>
  Object.fromEntries(columns.map((name, n) => [name, cells[n]]))

const rowOf = (columns: readonly string[], cells: readonly string[], names: readonly Name[]): RecordText =>
  named(
    asRow(columns, cells),
    names.map((name) => (typeof name === 'number' ? (cells[name] as string) : name)),
  )

function rowsOf(columns: readonly string[], rows: string, [separator, ...places]: readonly Name[]): RecordText[] {
  const found: RecordText[] = []
  const scanner = new RowScanner(separator as string, {
    row: (_, cells) => {
      const names = places.map((place) => (typeof place === 'number' ? cells[place]?.trim() || null : place))
      found.push(named(asRow(columns, cells), names))
    },
    bad: (_, code) => {
      throw new Error(`a row that was read before is ${code}`)
    },
  })
  scanner.push(rows)
  scanner.end()
  return found
}

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
