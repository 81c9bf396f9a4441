import { createHash } from 'node:crypto'

const NEWLINE = 0x0a
const RETURN = 0x0d
const QUOTE = 0x22
/** A header line at most. */
const MAX_HEADER_BYTES = 1 << 20

export interface Scanned {
  /** SHA-256 (hex) of the first line without its end. */
  headerSha256: string
  /** Physical lines behind the first, which is how the scripts count. */
  lines: number
  /** The quotes behind the first line do not pair up. */
  oddQuotes: boolean
  isGzip: boolean
}

/** Learns of a block, while it streams by, what joining it to its neighbours needs. */
export class BlockScan {
  #first: Buffer[] = []
  #firstBytes = 0
  #inFirst = true
  #lines = 0
  #quotes = 0
  #last: number | undefined
  #magic: number[] = []

  push(piece: Uint8Array): void {
    for (let index = 0; this.#magic.length < 2 && index < piece.length; index += 1)
      this.#magic.push(piece[index] as number)
    let rest = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
    if (this.#inFirst) {
      const end = rest.indexOf(NEWLINE)
      const part = end < 0 ? rest : rest.subarray(0, end)
      // Beyond the limit it is no header line of anybody's; the reader says so.
      if (this.#firstBytes < MAX_HEADER_BYTES) this.#first.push(Buffer.from(part))
      this.#firstBytes += part.length
      if (end < 0) return
      this.#inFirst = false
      rest = rest.subarray(end + 1)
    }
    if (rest.length === 0) return
    this.#lines += count(rest, NEWLINE)
    this.#quotes += count(rest, QUOTE)
    this.#last = rest[rest.length - 1]
  }

  end(): Scanned {
    let first = Buffer.concat(this.#first)
    if (first.at(-1) === RETURN) first = first.subarray(0, -1)
    const endsWithin = this.#last !== undefined && this.#last !== NEWLINE
    return {
      headerSha256: createHash('sha256').update(first).digest('hex'),
      lines: this.#lines + (endsWithin ? 1 : 0),
      oddQuotes: this.#quotes % 2 === 1,
      isGzip: this.#magic[0] === 0x1f && this.#magic[1] === 0x8b,
    }
  }
}

function count(bytes: Buffer, what: number): number {
  let found = 0
  for (let at = bytes.indexOf(what); at >= 0; at = bytes.indexOf(what, at + 1)) found += 1
  return found
}

/** What a file name tells of a run: its key and the block's number. */
export interface Numbered {
  runKey: string
  sequence: number
  /** The name carries the run's GUID; older scripts count from 1 in every run. */
  keyIsUnique: boolean
}

const NUMBERED = /^tmp(?:_([0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}))?(\d{4,9})\.txt$/i

/** Null for a name of the customer's own: that is a whole file. */
export function numbered(fileName: string | null): Numbered | null {
  const [whole, guid, digits] = NUMBERED.exec(fileName ?? '') ?? []
  if (whole === undefined) return null
  return {
    runKey: guid === undefined ? 'tmp' : `tmp_${guid.toLowerCase()}`,
    sequence: Number(digits),
    keyIsUnique: guid !== undefined,
  }
}
