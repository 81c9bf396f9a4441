import { AppError } from '../../domain/errors.ts'
import { MAX_ROW_CHARACTERS } from '../../domain/row-scanner.ts'
import type { Rejected } from '../../domain/signal.ts'
import type { SourceRecord } from '../connector.ts'
import { Batches, type Run } from './batches.ts'
import { checkJson } from './json.ts'
import { type Encoding, readText } from './text.ts'

/** Of a line that cannot be read so much is kept for whoever mends it. Characters. */
const KEPT_CHARACTERS = 2_000

export type JsonRecord = { readonly [name: string]: unknown }

/**
 * Reads a file with one JSON object per line as a stream. Blank lines are no records. A line that is no object, that
 * names a field twice, or that is nested too deeply or too long, is delivered as unreadable; the others go on.
 * Throws file_empty, file_unreadable, body_too_large (inflated bytes).
 */
export async function readJsonLines(
  source: AsyncIterable<Uint8Array>,
  { encoding }: { encoding: Encoding },
): Promise<Batches<JsonRecord | string>> {
  const pieces = readText(source, encoding)
  let start = ''
  for (;;) {
    const next = await pieces.next()
    if (next.done) break
    start += next.value
    if (/\S/.test(start) || start.length > MAX_ROW_CHARACTERS) break
  }
  if (!/\S/.test(start)) throw new AppError('file_empty', 'the file is empty', { fix: 'Export the file again.' })
  return new Batches(runs(start, pieces))
}

async function* runs(start: string, pieces: AsyncGenerator<string>): AsyncGenerator<Run<JsonRecord | string>> {
  const lines = new Lines()
  try {
    let next: IteratorResult<string> = { value: start }
    for (; !next.done; next = await pieces.next()) {
      const records = lines.push(next.value)
      if (records.length > 0) yield { records, characters: next.value.length }
    }
    const records = lines.end()
    if (records.length > 0) yield { records, characters: 0 }
  } finally {
    // Whoever stops half-way leaves no file open.
    await pieces.return(undefined)
  }
}

type Found = SourceRecord<JsonRecord | string>

/** Cuts text at line feeds and holds one line at most. */
class Lines {
  #rest = ''
  #line = 1
  /** Inside a line that is too long: what is left of it is skipped. */
  #skipping = false

  push(piece: string): Found[] {
    const text = this.#rest + piece
    const found: Found[] = []
    let from = 0
    for (let to = text.indexOf('\n'); to !== -1; to = text.indexOf('\n', from)) {
      this.#take(text.slice(from, to), found)
      this.#line += 1
      this.#skipping = false
      from = to + 1
    }
    this.#rest = this.#skipping ? '' : text.slice(from)
    if (this.#rest.length > MAX_ROW_CHARACTERS) {
      this.#take(this.#rest, found)
      this.#skipping = true
      this.#rest = ''
    }
    return found
  }

  end(): Found[] {
    const found: Found[] = []
    if (!this.#skipping) this.#take(this.#rest, found)
    return found
  }

  #take(text: string, found: Found[]): void {
    if (!this.#skipping && isNotBlank(text)) found.push(recordOf(this.#line, text))
  }
}

/** Most lines begin with a brace. */
const isNotBlank = (text: string): boolean => text.charCodeAt(0) > SPACE || /\S/.test(text)
const SPACE = 0x20

function recordOf(line: number, text: string): Found {
  if (text.length > MAX_ROW_CHARACTERS) return unreadable(line, text, { code: 'row_too_long' })
  if (text.includes('\ufffd')) return unreadable(line, text, { code: 'encoding_invalid' })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return unreadable(line, text, NO_OBJECT)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return unreadable(line, text, NO_OBJECT)
  const fault = checkJson(text, value)
  return fault ? unreadable(line, text, fault) : { line, record: value as JsonRecord, json: text }
}

const NO_OBJECT = { code: 'json_invalid', expected: 'one JSON object' } as const

const unreadable = (line: number, text: string, rejected: Omit<Rejected, 'type'>): Found => ({
  line,
  record: text.slice(0, KEPT_CHARACTERS),
  unreadable: { type: 'rejected', ...rejected },
})
