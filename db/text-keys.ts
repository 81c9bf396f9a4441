import { type Cipher, createCipheriv } from 'node:crypto'
import { viewOf } from './binary.ts'

const BLOCK_BYTES = 16
const BLOCK_WORDS = 4
/** Waiting text is enciphered when it is so much: below that, calls take longer than what they do. */
const WAITING_BYTES = 64 * 1024
const WAITING_AT_MOST = WAITING_BYTES / BLOCK_BYTES
/** A column is enciphered for each block of the longest text: longer texts are rare and enciphered by themselves. */
const MAX_UNITS = 1_024
/** UTF-8 takes three bytes per UTF-16 unit at most. */
const UNIT_BYTES = 3
/** Of a text that waits, in the worst of letters. */
const BLOCKS_AT_MOST = Math.ceil((MAX_UNITS * UNIT_BYTES) / BLOCK_BYTES)
/** Up to here, plain letters one by one are faster than a call into the runtime. */
const SHORT_UNITS = 64
const ASCII_MAX = 0x7f
/** Between a container and what is in it: no byte of any text in UTF-8. */
const WITHIN = 0xff
const PADDING = 0x80
/** What doubling in the field of 128 bits gives back for a bit that falls out (RFC 4493, 2.3). */
const FOLD = 0x87

/**
 * Keys of texts: AES-CMAC (RFC 4493) under a key of 32 bytes, or its first bytes. Millions are made, so texts wait until
 * there are many, and the blocks that come next in each are enciphered by one call: decision 019.
 */
export class TextKeys {
  readonly #key: Buffer
  readonly #cipher: Cipher
  readonly #keyBytes: 8 | 16
  /** For a last block that is full, and for one that had to be padded. */
  readonly #full: Int32Array
  readonly #padded: Int32Array

  /** Waiting texts in whole blocks, the last of each made ready. */
  readonly #text = Buffer.alloc(WAITING_BYTES)
  readonly #words = new Int32Array(this.#text.buffer, this.#text.byteOffset, WAITING_BYTES / 4)
  #filled = 0
  #waiting = 0
  /** Of each text: its first block, how many it has, and where its key belongs. */
  readonly #starts = new Int32Array(WAITING_AT_MOST)
  readonly #blocks = new Int32Array(WAITING_AT_MOST)
  readonly #places = new Float64Array(WAITING_AT_MOST)
  readonly #order = new Int32Array(WAITING_AT_MOST)
  /** By number of blocks, behind the last of the texts that have so many. */
  readonly #ends = new Int32Array(BLOCKS_AT_MOST + 2)
  readonly #states = new Int32Array(WAITING_AT_MOST * BLOCK_WORDS)
  readonly #stateBytes = new Uint8Array(this.#states.buffer)
  readonly #stateView = new DataView(this.#states.buffer)

  constructor(key: Buffer, keyBytes: 8 | 16) {
    this.#key = key
    this.#keyBytes = keyBytes
    this.#cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
    const full = doubled(this.#cipher.update(Buffer.alloc(BLOCK_BYTES)))
    this.#full = wordsOf(full)
    this.#padded = wordsOf(doubled(full))
  }

  /**
   * Writes the key of a text, or of a text within another (an object in its container), to a place, at once or at the
   * latest when `settle` is called. All texts that wait have their places in the same memory, or in a larger copy of it.
   */
  put(into: DataView, at: number, text: string, within?: string): void {
    const units = text.length + (within === undefined ? 0 : within.length + 1)
    if (units > MAX_UNITS) {
      const mac = this.#alone(text, within)
      writeKey(into, at, viewOf(mac), 0, this.#keyBytes)
      return
    }
    const most = units * UNIT_BYTES + BLOCK_BYTES
    if (this.#filled * BLOCK_BYTES + most > WAITING_BYTES) this.settle(into)
    const first = this.#filled
    const start = first * BLOCK_BYTES
    const behind = this.#close(start, this.#write(start, text, within))
    const n = this.#waiting
    this.#starts[n] = first
    this.#blocks[n] = behind - first
    this.#places[n] = at
    this.#filled = behind
    this.#waiting = n + 1
  }

  /** Writes the keys of all texts that wait. */
  settle(into: DataView): void {
    const order = this.#longestFirst()
    const blocks = this.#blocks
    let running = this.#waiting
    this.#states.fill(0, 0, running * BLOCK_WORDS)
    for (let column = 0; running > 0; column += 1) {
      this.#encipher(order, column, running)
      for (; running > 0 && blocks[order[running - 1] as number] === column + 1; running -= 1) {
        const place = this.#places[order[running - 1] as number] as number
        writeKey(into, place, this.#stateView, (running - 1) * BLOCK_BYTES, this.#keyBytes)
      }
    }
    this.forget()
  }

  /** Leaves out the texts that wait. */
  forget(): void {
    this.#waiting = 0
    this.#filled = 0
  }

  /** The key of a text. */
  of(text: string, within?: string): DataView {
    const key = new DataView(new ArrayBuffer(this.#keyBytes))
    writeKey(key, 0, viewOf(this.#alone(text, within)), 0, this.#keyBytes)
    return key
  }

  /** The waiting texts by their number of blocks: those that still run are always the first. */
  #longestFirst(): Int32Array {
    const blocks = this.#blocks
    const order = this.#order
    const ends = this.#ends.fill(0)
    const waiting = this.#waiting
    for (let n = 0; n < waiting; n += 1) ends[blocks[n] as number] = (ends[blocks[n] as number] as number) + 1
    for (let n = ends.length - 2; n >= 0; n -= 1) ends[n] = (ends[n] as number) + (ends[n + 1] as number)
    for (let n = 0; n < waiting; n += 1) {
      const place = (ends[blocks[n] as number] as number) - 1
      ends[blocks[n] as number] = place
      order[place] = n
    }
    return order
  }

  /** Takes a block of each running text into its state. */
  #encipher(order: Int32Array, column: number, running: number): void {
    const states = this.#states
    const words = this.#words
    const starts = this.#starts
    for (let n = 0, to = 0; n < running; n += 1, to += BLOCK_WORDS) {
      const from = ((starts[order[n] as number] as number) + column) * BLOCK_WORDS
      states[to] = (states[to] as number) ^ (words[from] as number)
      states[to + 1] = (states[to + 1] as number) ^ (words[from + 1] as number)
      states[to + 2] = (states[to + 2] as number) ^ (words[from + 2] as number)
      states[to + 3] = (states[to + 3] as number) ^ (words[from + 3] as number)
    }
    this.#stateBytes.set(this.#cipher.update(this.#stateBytes.subarray(0, running * BLOCK_BYTES)))
  }

  /** Where the text ends. */
  #write(start: number, text: string, within: string | undefined): number {
    let at = start
    if (within !== undefined) {
      at = this.#writeUtf8(at, within)
      this.#text[at] = WITHIN
      at += 1
    }
    return this.#writeUtf8(at, text)
  }

  #writeUtf8(start: number, text: string): number {
    const { length } = text
    if (length <= SHORT_UNITS) {
      const bytes = this.#text
      let n = 0
      for (; n < length; n += 1) {
        const code = text.charCodeAt(n)
        if (code > ASCII_MAX) break
        bytes[start + n] = code
      }
      if (n === length) return start + n
    }
    return start + this.#text.write(text, start, 'utf8')
  }

  /** Makes the last block of a text ready; the block behind it. */
  #close(start: number, end: number): number {
    const isFull = end > start && end % BLOCK_BYTES === 0
    let to = end
    if (!isFull) {
      this.#text[to] = PADDING
      for (to += 1; to % BLOCK_BYTES !== 0; to += 1) this.#text[to] = 0
    }
    const masks = isFull ? this.#full : this.#padded
    const words = this.#words
    const last = to / 4 - BLOCK_WORDS
    for (let n = 0; n < BLOCK_WORDS; n += 1) words[last + n] = (words[last + n] as number) ^ (masks[n] as number)
    return to / BLOCK_BYTES
  }

  /** The same of one text by itself, of any length: what chaining ends with. */
  #alone(text: string, within: string | undefined): Buffer {
    const parts = within === undefined ? [] : [Buffer.from(within), Buffer.of(WITHIN)]
    const bytes = Buffer.concat([...parts, Buffer.from(text)])
    const isFull = bytes.length > 0 && bytes.length % BLOCK_BYTES === 0
    const blocks = Buffer.alloc(isFull ? bytes.length : bytes.length + BLOCK_BYTES - (bytes.length % BLOCK_BYTES))
    bytes.copy(blocks)
    if (!isFull) blocks[bytes.length] = PADDING
    const masks = Buffer.from((isFull ? this.#full : this.#padded).buffer)
    const last = blocks.length - BLOCK_BYTES
    for (let n = 0; n < BLOCK_BYTES; n += 1) blocks[last + n] = (blocks[last + n] as number) ^ (masks[n] as number)
    const cipher = createCipheriv('aes-256-cbc', this.#key, Buffer.alloc(BLOCK_BYTES)).setAutoPadding(false)
    return cipher.update(blocks).subarray(last)
  }
}

/** None is zero, which stands for no text. */
function writeKey(into: DataView, at: number, from: DataView, start: number, bytes: number): void {
  let any = 0
  for (let n = 0; n < bytes; n += 4) {
    const word = from.getInt32(start + n)
    any |= word
    into.setInt32(at + n, word)
  }
  if (any === 0) into.setInt32(at + bytes - 4, 1)
}

/** A block times two in the field of CMAC. */
function doubled(block: Buffer): Buffer {
  const twice = Buffer.alloc(BLOCK_BYTES)
  for (let n = 0; n < BLOCK_BYTES; n += 1) twice[n] = ((block[n] as number) << 1) | ((block[n + 1] ?? 0) >>> 7)
  if ((block[0] as number) & 0x80) twice[BLOCK_BYTES - 1] = (twice[BLOCK_BYTES - 1] as number) ^ FOLD
  return twice
}

const wordsOf = (block: Buffer): Int32Array => new Int32Array(Uint8Array.from(block).buffer)
