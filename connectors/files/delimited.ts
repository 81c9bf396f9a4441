import { AppError } from '../../domain/errors.ts'
import { MAX_ROW_CHARACTERS, RowScanner, type RowsText } from '../../domain/row-scanner.ts'
import type { SourceRecord } from '../connector.ts'
import { Batches, type Run } from './batches.ts'
import { closedOnFault, type Encoding, readText } from './text.ts'

export const SEPARATORS = ['auto', ',', ';', '\t', '|'] as const
export type Separator = (typeof SEPARATORS)[number]

/** More columns are no table. */
export const MAX_COLUMNS = 10_000

/** A row by its headers in lower case; a row that fits no header keeps its bare cells. */
export type DelimitedRow = { readonly [column: string]: string } | { readonly cells: readonly string[] }

export interface DelimitedFile {
  /** Headers as written, without surrounding blanks. */
  header: readonly string[]
  records: Batches<DelimitedRow>
}

export interface Dialect {
  separator: Separator
  encoding: Encoding
}

/**
 * Reads a delimited file as a stream. Blank lines are no rows. Rows that cannot be read (another number of cells, a
 * quote that is not closed, damaged bytes, too long) are delivered as unreadable at their line; the others go on.
 * Throws file_empty, file_header_missing, file_header_duplicate, file_unreadable, body_too_large (inflated bytes), and what
 * `check` throws of the header; the source is closed then. Else whoever iterates the records closes it.
 */
export async function readDelimited(
  source: AsyncIterable<Uint8Array>,
  dialect: Dialect,
  check: (header: readonly string[]) => void = () => {},
): Promise<DelimitedFile> {
  const pieces = readText(source, dialect.encoding)
  return closedOnFault(pieces, async () => {
    const { start, ended } = await firstLine(pieces)
    const rows = new Rows(dialect.separator === 'auto' ? guessSeparator(start) : dialect.separator, check)
    rows.push(start, ended)
    while (rows.header === undefined && !rows.ended) {
      const next = await pieces.next()
      rows.push(next.done ? '' : next.value, next.done)
    }
    if (rows.header === undefined) throw headerMissing()
    return { header: rows.header, records: new Batches(runs(rows, pieces)) }
  })
}

/** Text up to the end of the first line that is not blank, or a little more. */
async function firstLine(pieces: AsyncGenerator<string>): Promise<{ start: string; ended: boolean }> {
  let start = ''
  let ended = false
  while (!ended) {
    const next = await pieces.next()
    if (next.done) ended = true
    else start += next.value
    if (holdsLine(start) || start.length > MAX_ROW_CHARACTERS) break
  }
  if (start.trim() === '')
    throw new AppError('file_empty', 'the file is empty', { fix: 'Export the file again, with its header line.' })
  return { start, ended }
}

/** True when a line that is not blank ends in the text. In two steps: one expression would begin anew at every letter. */
function holdsLine(text: string): boolean {
  const from = text.search(/\S/)
  return from !== -1 && /[\r\n]/.test(text.slice(from))
}

/** The candidate that occurs most often outside quotes in the first line. */
function guessSeparator(text: string): string {
  const line = text.trimStart().split(/[\r\n]/, 1)[0] ?? ''
  const outside = line.replace(/"[^"]*"/g, '')
  let best = ','
  for (const candidate of [',', ';', '\t', '|']) {
    if (outside.split(candidate).length > outside.split(best).length) best = candidate
  }
  return best
}

/** Records of the pieces pushed since they were last taken. The first row is the header. */
class Rows {
  header: readonly string[] | undefined
  ended = false
  #taken: SourceRecord<DelimitedRow>[] = []
  #asRow: RowMaker = (cells) => ({ cells })
  #rows: RowsText
  /** Damage is rare and looking for it in every cell is not free: a text is looked at once, its cells only if need be. */
  #suspect = false
  readonly #check: (header: readonly string[]) => void
  readonly #scanner: RowScanner

  constructor(separator: string, check: (header: readonly string[]) => void) {
    this.#check = check
    this.#rows = { text: '', separator, columns: [] }
    this.#scanner = new RowScanner(separator, {
      text: (text) => {
        this.#suspect = isDamaged(text)
        this.#rows = { ...this.#rows, text }
      },
      row: (line, cells, from, to) => {
        if (this.header === undefined) this.#begin(cells)
        else this.#taken.push(this.#recordOf(this.header, line, cells, from, to))
      },
      bad: (line, code, raw) => {
        if (this.header === undefined) throw headerMissing()
        this.#taken.push({ line, record: { cells: [raw] }, unreadable: { type: 'rejected', code } })
      },
    })
  }

  push(piece: string, ended = false): void {
    this.#scanner.push(piece)
    if (!ended) return
    this.ended = true
    this.#scanner.end()
  }

  take(): SourceRecord<DelimitedRow>[] {
    const taken = this.#taken
    this.#taken = []
    return taken
  }

  #begin(cells: readonly string[]): void {
    this.header = headerOf(cells)
    this.#check(this.header)
    const columns = this.header.map((name) => name.toLowerCase())
    this.#rows = { ...this.#rows, columns }
    this.#asRow = rowMaker(columns)
  }

  #recordOf(
    header: readonly string[],
    line: number,
    cells: readonly string[],
    from: number,
    to: number,
  ): SourceRecord<DelimitedRow> {
    if (cells.length !== header.length) {
      const expected = `${header.length} cells, found ${cells.length}`
      return { line, record: { cells: [...cells] }, unreadable: { type: 'rejected', code: 'column_count', expected } }
    }
    const damaged = this.#suspect ? cells.findIndex(isDamaged) : -1
    if (damaged === -1) return { line, record: this.#asRow(cells), rows: this.#rows, from, to }
    const cell = header[damaged] ?? ''
    return { line, record: this.#asRow(cells), unreadable: { type: 'rejected', code: 'encoding_invalid', cell } }
  }
}

/** Holds what a decoder puts in the place of bytes that are not text, or the character that no text holds. */
const isDamaged = (text: string): boolean => text.includes('\ufffd') || text.includes('\0')

const headerMissing = () =>
  new AppError('file_header_missing', 'the first line is not a header', {
    fix: 'Put the column names into the first line.',
  })

function headerOf(cells: readonly string[]): string[] {
  const header = cells.map((cell) => cell.trim())
  if (header.length > MAX_COLUMNS) {
    throw new AppError('file_unreadable', `the header has more than ${MAX_COLUMNS} columns`, {
      fix: 'Check the separator and the line ends of the file.',
    })
  }
  const seen = new Set<string>()
  for (const name of header) {
    const key = name.toLowerCase()
    if (name !== '' && seen.has(key)) {
      throw new AppError('file_header_duplicate', 'two columns have the same name', {
        field: name,
        fix: 'Rename one of the columns.',
      })
    }
    seen.add(key)
  }
  return header
}

async function* runs(rows: Rows, pieces: AsyncGenerator<string>): AsyncGenerator<Run<DelimitedRow>> {
  let characters = 0
  try {
    for (;;) {
      const records = rows.take()
      if (records.length > 0) {
        yield { records, characters }
        characters = 0
      }
      if (rows.ended) return
      const next = await pieces.next()
      const piece = next.done ? '' : next.value
      characters += piece.length
      rows.push(piece, next.done)
    }
  } finally {
    // Whoever stops half-way leaves no file open.
    await pieces.return(undefined)
  }
}

type RowMaker = (cells: readonly string[]) => DelimitedRow

/** Above this a row is put together cell by cell. */
const LITERAL_COLUMNS = 200

/**
 * A function made for the header: one literal with all its columns is several times faster than as many assignments,
 * and there is one for every row of every file. The names get into it as JSON texts, which is what they are in a literal.
 */
function rowMaker(keys: readonly string[]): RowMaker {
  // In a literal this one name would set the prototype and lose the cell.
  if (keys.includes('__proto__') || keys.length > LITERAL_COLUMNS)
    return (cells) => Object.fromEntries(keys.map((key, index) => [key, cells[index] ?? '']))
  const members = keys.map((key, index) => `${JSON.stringify(key)}: cells[${index}]`)
  return new Function('cells', `return { ${members.join(', ')} }`) as RowMaker
}
