import { type CsvError, type Info, parse } from 'csv-parse'
import { AppError } from '../../domain/errors.ts'
import type { Rejected } from '../../domain/signal.ts'
import type { SourceRecord } from '../connector.ts'
import { type Encoding, readText } from './text.ts'

export const SEPARATORS = ['auto', ',', ';', '\t', '|'] as const
export type Separator = (typeof SEPARATORS)[number]

/** A longer row is rejected, not held in memory. Characters. */
export const MAX_ROW_CHARACTERS = 1_000_000

/** A row by its headers in lower case; a row that fits no header keeps its bare cells. */
export type DelimitedRow = { readonly [column: string]: string } | { readonly cells: readonly string[] }

export interface DelimitedFile {
  /** Headers as written, without surrounding blanks. */
  header: readonly string[]
  records: AsyncIterable<SourceRecord<DelimitedRow>>
}

export interface Dialect {
  separator: Separator
  encoding: Encoding
}

/**
 * Reads a delimited file as a stream. Blank lines are no rows. Rows that cannot be read (another number of cells, a
 * quote that is not closed, damaged bytes, too long) are delivered as unreadable at their line; the others go on.
 * Throws file_empty, file_header_missing, file_header_duplicate, file_unreadable.
 */
export async function readDelimited(source: AsyncIterable<Uint8Array>, dialect: Dialect): Promise<DelimitedFile> {
  const pieces = readText(source, dialect.encoding)
  let start = ''
  for (;;) {
    const next = await pieces.next()
    if (next.done) break
    start += next.value
    if (/\S[^\r\n]*[\r\n]/.test(start) || start.length > MAX_ROW_CHARACTERS) break
  }
  if (start.trim() === '')
    throw new AppError('file_empty', 'the file is empty', { fix: 'Export the file again, with its header line.' })
  const separator = dialect.separator === 'auto' ? guessSeparator(start) : dialect.separator
  const rows = parseRows(start, pieces, separator)
  const first = await rows.next()
  if (first.done || 'rejected' in first.value) {
    throw new AppError('file_header_missing', 'the first line is not a header', {
      fix: 'Put the column names into the first line.',
    })
  }
  const header = first.value.cells.map((cell) => cell.trim())
  checkHeader(header)
  return { header, records: toRecords(header, rows) }
}

function guessSeparator(text: string): string {
  const line = text.trimStart().split(/[\r\n]/, 1)[0] ?? ''
  const outside = line.replace(/"[^"]*"/g, '')
  let best = ','
  for (const candidate of [',', ';', '\t', '|']) {
    if (outside.split(candidate).length > outside.split(best).length) best = candidate
  }
  return best
}

function checkHeader(header: readonly string[]): void {
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
}

type Row = { line: number; cells: string[] } | { line: number; rejected: Rejected; raw: string }

/** Rows in the order of their lines, whatever the pieces of text were cut into. */
async function* parseRows(start: string, pieces: AsyncGenerator<string>, separator: string): AsyncGenerator<Row> {
  const skipped: Row[] = []
  const parser = parse({
    delimiter: separator,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: MAX_ROW_CHARACTERS,
    record_delimiter: ['\r\n', '\n', '\r'],
    on_skip: (error: CsvError | undefined, raw: string | undefined) => {
      skipped.push({ line: lineOf(error), rejected: rejectionOf(error), raw: (raw ?? '').slice(0, 2_000) })
    },
  })
  let failure: unknown
  parser.on('error', (error) => {
    failure = error
  })
  const ready = (): Row[] => {
    const rows: Row[] = skipped.splice(0)
    for (;;) {
      const next = parser.read() as { record: string[]; info: Info } | null
      if (next === null) break
      rows.push({ line: next.info.lines, cells: next.record })
    }
    return rows.sort((a, b) => a.line - b.line)
  }
  let text: string | undefined = start
  while (text !== undefined) {
    // The parser works within `write`; waiting for its callback would wait for somebody to read what it made.
    parser.write(text)
    yield* ready()
    const next = await pieces.next()
    text = next.done ? undefined : next.value
  }
  await new Promise<void>((resolve) => {
    parser.on('close', resolve).on('error', () => resolve())
    parser.on('end', resolve)
    parser.end()
    // Reading to the end is what lets the stream end.
    parser.resume()
    parser.pause()
    setImmediate(resolve)
  })
  yield* ready()
  if (failure !== undefined) {
    yield { line: lineOf(failure as CsvError), rejected: rejectionOf(failure as CsvError), raw: '' }
  }
}

const lineOf = (error: CsvError | undefined): number => Number((error as { lines?: number } | undefined)?.lines ?? 0)

function rejectionOf(error: CsvError | undefined): Rejected {
  const code = error?.code === 'CSV_MAX_RECORD_SIZE' ? 'row_too_long' : 'quote_unbalanced'
  return { type: 'rejected', code }
}

async function* toRecords(
  header: readonly string[],
  rows: AsyncGenerator<Row>,
): AsyncGenerator<SourceRecord<DelimitedRow>> {
  const keys = header.map((name) => name.toLowerCase())
  for await (const row of rows) {
    if ('rejected' in row) {
      yield { line: row.line, record: { cells: [row.raw] }, unreadable: row.rejected }
      continue
    }
    const { line, cells } = row
    if (cells.length !== keys.length) {
      const expected = `${keys.length} cells, found ${cells.length}`
      yield { line, record: { cells }, unreadable: { type: 'rejected', code: 'column_count', expected } }
    } else if (cells.some((cell) => cell.includes('\ufffd'))) {
      const cell = header[cells.findIndex((each) => each.includes('\ufffd'))] ?? ''
      yield { line, record: asRow(keys, cells), unreadable: { type: 'rejected', code: 'encoding_invalid', cell } }
    } else {
      yield { line, record: asRow(keys, cells) }
    }
  }
}

const asRow = (keys: readonly string[], cells: readonly string[]): DelimitedRow =>
  Object.fromEntries(keys.map((key, index) => [key, cells[index] ?? '']))
