import type { RejectionCode } from './signal.ts'

const QUOTE = 0x22
const LF = 0x0a
const CR = 0x0d
/** No character of a text. */
const END = -1

/** A longer row is rejected, not held in memory. Characters. */
export const MAX_ROW_CHARACTERS = 1_000_000
/** Of a row that cannot be read so much is kept for whoever mends it. Characters. */
const KEPT_CHARACTERS = 2_000
/**
 * Characters of a file that may be looked at twice because a quote before them was not closed. A file of nothing but
 * lone quotes would otherwise be read once per line.
 */
const RESCANNED_AT_MOST = 32 * MAX_ROW_CHARACTERS

/** A text of rows and what it takes to make records of them again. */
export interface RowsText {
  text: string
  separator: string
  /** Names of the cells of each row. */
  columns: readonly string[]
}

/** What a scan finds, in the order of the file. `line` is 1-based and that of the row's first character. */
export interface RowSink {
  /** Rows from here on, until the next text, stand in this one. */
  text?(text: string): void
  /** Stands in the text from `from` to `to`, its line end included. Who keeps `cells` copies them: the next row has them too. */
  row(line: number, cells: readonly string[], from: number, to: number): void
  /** `raw` is the beginning of the line. */
  bad(line: number, code: Extract<RejectionCode, 'quote_unbalanced' | 'row_too_long'>, raw: string): void
}

/**
 * Cuts text into rows and cells by RFC 4180: cells in double quotes may hold separators, line ends and doubled quotes;
 * LF, CR and CRLF end a row; an empty line is no row. A row with a quote out of place is rejected as its first line,
 * and reading goes on with the next one: a quote that nobody closed costs one line, not the rest of the file. Holds one
 * row at most, whatever the pieces are cut into.
 */
export class RowScanner {
  readonly #separator: number
  /** What is above it ends no cell: most characters are told from the few that do by one comparison. */
  readonly #highest: number
  readonly #sink: RowSink
  #text = ''
  /** Pieces that were not looked at yet. */
  #more = ''
  #at = 0
  #line = 1
  #ended = false
  /** Inside a line that is too long: what is left of it is skipped. */
  #skipping = false
  #rescanned = 0
  /** One for all rows: there are millions of them. */
  readonly #cells: string[] = []

  constructor(separator: string, sink: RowSink) {
    this.#separator = separator.charCodeAt(0)
    this.#highest = Math.max(this.#separator, QUOTE)
    this.#sink = sink
  }

  push(piece: string): void {
    // A row that goes on over many pieces is looked at when it has doubled, not once per piece.
    const unfinished = this.#skipping ? 0 : this.#text.length - this.#at
    this.#more += piece
    if (this.#more.length < unfinished) return
    this.#take()
    this.#scan()
  }

  #take(): void {
    this.#text = this.#at < this.#text.length ? this.#text.slice(this.#at) + this.#more : this.#more
    this.#more = ''
    this.#at = 0
    this.#sink.text?.(this.#text)
  }

  /** Delivers what a last line without a line end holds. */
  end(): void {
    this.#take()
    this.#ended = true
    this.#scan()
  }

  #scan(): void {
    for (;;) {
      if (this.#skipping && !this.#skipLine()) return
      const code = this.#codeAt(this.#at)
      if (code === END) return
      if (code === LF || code === CR) {
        const after = this.#afterLineEnd(this.#at)
        if (after === END) return
        this.#at = after
        this.#line += 1
      } else if (!this.#scanRow()) return
    }
  }

  #codeAt(at: number): number {
    return at < this.#text.length ? this.#text.charCodeAt(at) : END
  }

  /** Where the next line begins; END when a CR at the end of the piece may be half of a CRLF. */
  #afterLineEnd(at: number): number {
    if (this.#text.charCodeAt(at) === LF) return at + 1
    if (at + 1 === this.#text.length) return this.#ended ? at + 1 : END
    return this.#text.charCodeAt(at + 1) === LF ? at + 2 : at + 1
  }

  /** One row from `#at` on. False when the text ends before the row does. */
  #scanRow(): boolean {
    const text = this.#text
    const separator = this.#separator
    const highest = this.#highest
    const length = text.length
    const start = this.#at
    const cells = this.#cells
    let count = 0
    let lines = 0
    let at = start
    for (;;) {
      if (at < length && text.charCodeAt(at) === QUOTE) {
        const from = at + 1
        let doubled = false
        at = text.indexOf('"', from)
        while (at !== -1 && at + 1 < length && text.charCodeAt(at + 1) === QUOTE) {
          doubled = true
          at = text.indexOf('"', at + 2)
        }
        if (at === -1 || (at + 1 === length && !this.#ended)) return this.#unclosed(start)
        const cell = text.slice(from, at)
        lines += lineEndsIn(cell)
        // So many quotes were left open that none of this file can be trusted to close on another line.
        if (lines > 0 && this.#rescanned > RESCANNED_AT_MOST) return this.#badLine(start)
        cells[count] = doubled ? cell.replaceAll('""', '"') : cell
        count += 1
        at += 1
      } else {
        const from = at
        let code = END
        while (at < length) {
          code = text.charCodeAt(at)
          if (code <= highest && (code === separator || code === LF || code === CR || code === QUOTE)) break
          at += 1
        }
        if (at < length && code === QUOTE) return this.#badLine(start, at)
        cells[count] = text.slice(from, at)
        count += 1
      }
      if (at === length) {
        if (!this.#ended) return this.#tooLong(start)
        break
      }
      const code = text.charCodeAt(at)
      if (code === separator) {
        at += 1
        continue
      }
      if (code !== LF && code !== CR) return this.#badLine(start, at)
      break
    }
    const after = at === length ? at : this.#afterLineEnd(at)
    if (after === END) return false
    if (at - start > MAX_ROW_CHARACTERS) return this.#tooLong(start)
    if (cells.length > count) cells.length = count
    this.#sink.row(this.#line, cells, start, after)
    this.#line += lines + 1
    this.#at = after
    return true
  }

  /** A quoted cell without its end in the text so far. */
  #unclosed(start: number): boolean {
    const held = this.#text.length - start
    if (!this.#ended && held <= MAX_ROW_CHARACTERS && this.#rescanned <= RESCANNED_AT_MOST) return false
    return this.#badLine(start)
  }

  /** Rejects the line that begins at `start`; reading goes on behind it. `scanned` is how far the row was read. */
  #badLine(start: number, scanned = this.#text.length): boolean {
    let end = start
    for (; end < this.#text.length; end += 1) {
      const code = this.#text.charCodeAt(end)
      if (code === LF || code === CR) break
    }
    const after = end === this.#text.length ? (this.#ended ? end : END) : this.#afterLineEnd(end)
    if (after === END) return end - start > MAX_ROW_CHARACTERS ? this.#tooLong(start) : false
    this.#rescanned += Math.max(0, scanned - after)
    this.#sink.bad(
      this.#line,
      end - start > MAX_ROW_CHARACTERS ? 'row_too_long' : 'quote_unbalanced',
      this.#kept(start, end),
    )
    this.#line += 1
    this.#at = after
    return true
  }

  /** False, to wait for more, until the row is longer than the limit; then it is rejected and skipped. */
  #tooLong(start: number): boolean {
    if (this.#text.length - start <= MAX_ROW_CHARACTERS) return false
    this.#sink.bad(this.#line, 'row_too_long', this.#kept(start, this.#text.length))
    this.#skipping = true
    this.#at = start
    return this.#skipLine()
  }

  /** Drops text up to the next line end; false when there is none yet. */
  #skipLine(): boolean {
    // Both are looked for in all that is held, which is little more than what made the row too long.
    const ends = [this.#text.indexOf('\n', this.#at), this.#text.indexOf('\r', this.#at)].filter((at) => at !== -1)
    if (ends.length === 0) {
      this.#at = this.#text.length
      return false
    }
    const end = Math.min(...ends)
    const after = this.#afterLineEnd(end)
    if (after === END) {
      this.#at = end
      return false
    }
    this.#at = after
    this.#line += 1
    this.#skipping = false
    return true
  }

  #kept(from: number, to: number): string {
    return this.#text.slice(from, Math.min(to, from + KEPT_CHARACTERS))
  }
}

function lineEndsIn(cell: string): number {
  let count = 0
  for (let at = cell.indexOf('\n'); at !== -1; at = cell.indexOf('\n', at + 1)) count += 1
  for (let at = cell.indexOf('\r'); at !== -1; at = cell.indexOf('\r', at + 1)) {
    if (cell.charCodeAt(at + 1) !== LF) count += 1
  }
  return count
}
