import { isAscii, isUtf8 } from 'node:buffer'
import { opened } from './gunzip.ts'

export const ENCODINGS = ['auto', 'utf-8', 'utf-16le', 'utf-16be', 'windows-1252'] as const
export type Encoding = (typeof ENCODINGS)[number]

/** Bytes looked at to tell the encoding; a file that turns out otherwise later has its bad rows rejected. */
const PROBE_BYTES = 256 * 1024
/**
 * Smaller pieces are put together, larger ones parted: every piece costs a look at the row that the last one left
 * unfinished, and what larger ones become no longer dies young.
 */
const PIECE_BYTES = 32 * 1024
const LF = 0x0a

/**
 * The text of a file, piece by piece: gzip is opened, a byte-order mark obeyed and removed. Without a mark `auto` takes
 * UTF-8 where the first part is valid UTF-8, else Windows-1252. Bytes that are not valid become U+FFFD, so that the
 * rows which hold them can be told.
 */
export async function* readText(source: AsyncIterable<Uint8Array>, encoding: Encoding): AsyncGenerator<string> {
  let decode: ((bytes: Buffer, last: boolean) => string) | undefined
  for await (const { bytes, last } of pieces(source)) {
    if (decode) yield decode(bytes, last)
    else {
      const { name, skip } = detect(bytes, encoding, last)
      decode = decoderOf(name)
      yield decode(bytes.subarray(skip), last)
    }
  }
}

/** What a reader begins with: where it fails nobody will read on, and a file must not stay open. */
export async function closedOnFault<T>(pieces: AsyncGenerator<string>, begin: () => Promise<T>): Promise<T> {
  try {
    return await begin()
  } catch (error) {
    await pieces.return(undefined)
    throw error
  }
}

/** Whether the first character that is no blank begins JSON records. */
export async function beginsAsJson(source: AsyncIterable<Uint8Array>, encoding: Encoding): Promise<boolean> {
  for await (const piece of readText(source, encoding)) {
    const first = /\S/.exec(piece)?.[0]
    if (first !== undefined) return first === '[' || first === '{'
  }
  return false
}

/** The bytes in pieces of a fair size, the first one large enough to tell the encoding. */
async function* pieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<{ bytes: Buffer; last: boolean }> {
  let held: Uint8Array[] = []
  let size = 0
  let wanted = PROBE_BYTES
  for await (const piece of opened(source)) {
    held.push(piece)
    size += piece.length
    if (size < wanted) continue
    // No larger ones either: what a piece becomes lives until the next, and should die young.
    const bytes = joined(held)
    let from = 0
    for (; bytes.length - from >= wanted; wanted = PIECE_BYTES) {
      const piece = bytes.subarray(from, from + wanted)
      // Where a line ends no row is left unfinished: text that is put together is read at two thirds of the speed.
      const lines = wanted === PIECE_BYTES ? piece.lastIndexOf(LF) + 1 : 0
      const taken = lines || wanted
      yield { bytes: piece.subarray(0, taken), last: false }
      from += taken
    }
    held = [bytes.subarray(from)]
    size = bytes.length - from
  }
  yield { bytes: joined(held), last: true }
}

const joined = (parts: readonly Uint8Array[]): Buffer => {
  const [only] = parts
  return parts.length === 1 && only ? Buffer.from(only.buffer, only.byteOffset, only.length) : Buffer.concat(parts)
}

function detect(probe: Buffer, encoding: Encoding, whole: boolean): { name: string; skip: number } {
  if (probe[0] === 0xef && probe[1] === 0xbb && probe[2] === 0xbf) return { name: 'utf-8', skip: 3 }
  if (probe[0] === 0xff && probe[1] === 0xfe) return { name: 'utf-16le', skip: 2 }
  if (probe[0] === 0xfe && probe[1] === 0xff) return { name: 'utf-16be', skip: 2 }
  if (encoding !== 'auto') return { name: encoding, skip: 0 }
  const end = whole ? probe.length : probe.length - unfinished(probe)
  return { name: isUtf8(probe.subarray(0, end)) ? 'utf-8' : 'windows-1252', skip: 0 }
}

function decoderOf(name: string): (bytes: Buffer, last: boolean) => string {
  if (name === 'utf-8') return utf8Decoder()
  const decoder = new TextDecoder(name)
  return (bytes, last) => decoder.decode(bytes, { stream: !last })
}

/** As `TextDecoder` decodes, several times faster: most logs are ASCII, and those that are not have few such letters. */
function utf8Decoder(): (bytes: Buffer, last: boolean) => string {
  let rest = Buffer.alloc(0) as Buffer
  return (piece, last) => {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    const end = last ? bytes.length : bytes.length - unfinished(bytes)
    rest = Buffer.from(bytes.subarray(end))
    const whole = bytes.subarray(0, end)
    return isAscii(whole) ? whole.toString('latin1') : whole.toString('utf8')
  }
}

/** Bytes at the end that may be the beginning of a character whose other bytes are still to come: 0 to 3. */
function unfinished(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] as number
    if (byte < 0x80) return 0
    // The first byte of a character says how many belong to it.
    const belong = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 0
    if (belong > 0) return back < belong ? back : 0
  }
  return 0
}
