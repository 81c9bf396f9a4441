import { AppError } from '../../domain/errors.ts'
import { MAX_ROW_CHARACTERS } from '../../domain/row-scanner.ts'
import type { Rejected } from '../../domain/signal.ts'
import type { SourceRecord } from '../connector.ts'
import { Batches, type Run } from './batches.ts'
import { checkJson } from './json.ts'
import type { JsonRecord } from './json-lines.ts'
import { closedOnFault, type Encoding, readText } from './text.ts'

/** Of a record that cannot be read so much is kept for whoever mends it. Characters. */
const KEPT_CHARACTERS = 2_000

/**
 * Reads a file of JSON objects as a stream: an array of them, a single one, or one after another. `line` is the number
 * of the record, from 1. What is no object, names a field twice, or is nested too deeply or too long, is delivered as
 * unreadable; the others go on. So is what a cut file ends with.
 * Throws file_empty, file_unreadable, body_too_large (inflated bytes).
 */
export async function readJsonRecords(
  source: AsyncIterable<Uint8Array>,
  { encoding }: { encoding: Encoding },
): Promise<Batches<JsonRecord | string>> {
  const pieces = readText(source, encoding)
  return closedOnFault(pieces, async () => {
    let start = ''
    for (;;) {
      const next = await pieces.next()
      if (next.done) break
      start += next.value
      if (/\S/.test(start)) break
    }
    const first = /\S/.exec(start)?.[0]
    if (first === undefined) throw new AppError('file_empty', 'the file is empty', { fix: 'Export the file again.' })
    if (first !== '[' && first !== '{')
      throw new AppError('file_unreadable', 'the file is not JSON', { fix: 'Send an array of JSON objects.' })
    return new Batches(runs(start, pieces))
  })
}

async function* runs(start: string, pieces: AsyncGenerator<string>): AsyncGenerator<Run<JsonRecord | string>> {
  const objects = new Objects()
  try {
    let next: IteratorResult<string> = { value: start }
    for (; !next.done; next = await pieces.next()) {
      const records = objects.push(next.value)
      if (records.length > 0) yield { records, characters: next.value.length }
    }
    const records = objects.end()
    if (records.length > 0) yield { records, characters: 0 }
  } finally {
    // Whoever stops half-way leaves no file open.
    await pieces.return(undefined)
  }
}

type Found = SourceRecord<JsonRecord | string>

/** Between records: blanks and these. */
const [COMMA, OPENS, CLOSES] = [0x2c, 0x5b, 0x5d]
/** Where something that is no object ends. */
const NO_OBJECT_ENDS = /[,\n{\]]/g
/** Where records may begin again after one that nobody can find the end of. */
const NEXT_RECORD = /(?:\}\s*,|\n)\s*\{/g
const RESUME_OVERLAP = 200

/** Cuts text into its outermost objects and holds one of them at most. */
class Objects {
  #rest = ''
  #count = 0
  #isArray = false
  #closed = false
  /** Behind a damaged record: what lies before the next one belongs to it. */
  #damaged = false
  /** Inside a record that is too long. */
  #skipping = false

  push(piece: string): Found[] {
    const text = this.#rest + piece
    const from = this.#skipping ? this.#resume(text) : 0
    return from === -1 ? [] : this.#scan(text, from, false)
  }

  end(): Found[] {
    const found = this.#skipping ? [] : this.#scan(this.#rest, 0, true)
    if (this.#isArray && !this.#closed && !this.#damaged) {
      this.#bad(found, '', { code: 'json_invalid', expected: 'the end of the array: the file is cut short' })
    }
    return found
  }

  /** Where records begin again behind one that is too long; -1 where not yet. */
  #resume(text: string): number {
    NEXT_RECORD.lastIndex = 0
    const next = NEXT_RECORD.exec(text)
    if (!next) {
      this.#rest = text.slice(-RESUME_OVERLAP)
      return -1
    }
    this.#skipping = false
    return next.index + next[0].length - 1
  }

  #scan(text: string, from: number, last: boolean): Found[] {
    const found: Found[] = []
    let at = from
    for (;;) {
      at = this.#fill(text, at)
      if (at === text.length) break
      const after = text[at] === '{' ? this.#object(text, at, found) : this.#noObject(text, at, found)
      if (after !== -1) at = after
      else if (last || text.length - at > MAX_ROW_CHARACTERS) at = this.#giveUp(text, at, found, last)
      else break
    }
    this.#rest = text.slice(at)
    return found
  }

  /**
   * What begins at `from` has no end: too long, cut off, or a quote in it is missing. In the last case its first brace
   * ends it and costs nobody else.
   */
  #giveUp(text: string, from: number, found: Found[], last: boolean): number {
    const brace = text.indexOf('}', from)
    if (brace !== -1) {
      this.#bad(found, text.slice(from, brace + 1), { code: 'json_invalid', expected: 'a JSON object' })
      return brace + 1
    }
    if (!last) this.#skipping = true
    if (!last) this.#bad(found, text.slice(from), { code: 'row_too_long' })
    else if (!this.#damaged) {
      const expected = 'the end of the record: the file is cut short'
      this.#bad(found, text.slice(from), { code: 'json_invalid', expected })
    }
    return text.length
  }

  /** Behind the blanks, commas and brackets of the array at `from`. */
  #fill(text: string, from: number): number {
    let at = from
    for (; at < text.length; at += 1) {
      const code = text.charCodeAt(at)
      if (code === COMMA || code === OPENS || code === CLOSES) {
        if (code === OPENS && this.#count === 0) this.#isArray = true
        this.#closed = code === CLOSES
      } else if (!isBlank(code)) break
    }
    return at
  }

  /** The object at `from`; -1 where the text ends before it does. */
  #object(text: string, from: number, found: Found[]): number {
    const brace = text.indexOf('}', from)
    if (brace === -1) return -1
    const inner = text.indexOf('{', from + 1)
    // Most records are flat: the first closing brace ends them, unless it stands in a text.
    if (inner === -1 || inner > brace) {
      const slice = text.slice(from, brace + 1)
      const value = parsed(slice)
      if (value !== undefined) return this.#good(found, slice, value, brace + 1)
    }
    const end = endOfObject(text, from)
    if (end === -1) return -1
    const slice = text.slice(from, end)
    const value = parsed(slice)
    if (value !== undefined) return this.#good(found, slice, value, end)
    // A quote that is missing must not cost the records behind it.
    this.#bad(found, text.slice(from, brace + 1), { code: 'json_invalid', expected: 'a JSON object' })
    return brace + 1
  }

  #noObject(text: string, from: number, found: Found[]): number {
    NO_OBJECT_ENDS.lastIndex = from + 1
    const end = NO_OBJECT_ENDS.exec(text)?.index
    if (end === undefined) return -1
    if (!this.#damaged) this.#bad(found, text.slice(from, end), { code: 'json_invalid', expected: 'a JSON object' })
    return end
  }

  #good(found: Found[], text: string, value: unknown, after: number): number {
    this.#damaged = false
    const fault = text.includes('\ufffd') ? ({ code: 'encoding_invalid' } as const) : checkJson(text, value)
    if (fault) this.#bad(found, text, fault)
    else found.push({ line: ++this.#count, record: value as JsonRecord, json: text })
    this.#damaged = false
    return after
  }

  #bad(found: Found[], text: string, rejected: Omit<Rejected, 'type'>): void {
    this.#damaged = true
    const record = text.slice(0, KEPT_CHARACTERS)
    found.push({ line: ++this.#count, record, unreadable: { type: 'rejected', ...rejected } })
  }
}

/** As `\s` means it. */
const isBlank = (code: number): boolean =>
  code === 0x20 || (code >= 0x09 && code <= 0x0d) || (code > 0x7f && /\s/.test(String.fromCharCode(code)))

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Behind the brace that closes the object at `from`, whatever its texts hold; -1 where there is none yet. */
function endOfObject(text: string, from: number): number {
  const MARKS = /["{}]/g
  MARKS.lastIndex = from
  let depth = 0
  for (let mark = MARKS.exec(text); mark; mark = MARKS.exec(text)) {
    if (mark[0] === '{') depth += 1
    else if (mark[0] === '}') {
      depth -= 1
      if (depth === 0) return mark.index + 1
    } else {
      const end = endOfText(text, mark.index)
      if (end === -1) return -1
      MARKS.lastIndex = end
    }
  }
  return -1
}

/** Behind the quote that closes the text at `from`. */
function endOfText(text: string, from: number): number {
  for (let quote = text.indexOf('"', from + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes += 1
    if (backslashes % 2 === 0) return quote + 1
  }
  return -1
}
