import { createHash, createHmac, hash } from 'node:crypto'

const BLOCK_BYTES = 64
const DIGEST_BYTES = 32
/** Longer texts are rare and take the slower way. UTF-8 takes three bytes per UTF-16 unit at most. */
const MAX_TEXT_UNITS = 4_096

/**
 * HMAC-SHA-256 (RFC 2104) under one key of at most 64 bytes: the digests of `createHmac`, by two one-shot hashes over
 * blocks that are kept ready. Making an Hmac object costs more than the hash itself, and an import makes millions.
 */
export class KeyedHash {
  readonly #key: Buffer
  readonly #inner = Buffer.alloc(BLOCK_BYTES + 3 * MAX_TEXT_UNITS)
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES)

  constructor(key: Buffer) {
    this.#key = key
    for (let at = 0; at < BLOCK_BYTES; at += 1) {
      const byte = key[at] ?? 0
      this.#inner[at] = byte ^ 0x36
      this.#outer[at] = byte ^ 0x5c
    }
  }

  digest(text: string): Buffer {
    return Buffer.from(this.hex(text), 'hex')
  }

  /** The digest as lower-case hex: no buffer is made for it, and millions of them would be what the collector works on. */
  hex(text: string): string {
    if (text.length > MAX_TEXT_UNITS) return createHmac('sha256', this.#key).update(text).digest('hex')
    const length = this.#inner.write(text, BLOCK_BYTES, 'utf8')
    this.#outer.write(hash('sha256', this.#inner.subarray(0, BLOCK_BYTES + length), 'hex'), BLOCK_BYTES, 'hex')
    return hash('sha256', this.#outer, 'hex')
  }
}

const SHORT_BYTES = 16
const SEPARATOR = 0x1f

/**
 * 128 bits of a text under a key, for what is hashed by the million: SHA-256 over one block of the key, the kind of
 * thing and the text, cut in half. The key fills a block of its own, and half of a digest does not let anybody go on
 * from it; so one hash says what an HMAC takes two for.
 */
export class ShortHash {
  readonly #start: Buffer
  readonly #input: Buffer

  /** `kind` keeps hashes of different things apart. */
  constructor(key: Buffer, kind: string) {
    const block = Buffer.alloc(BLOCK_BYTES)
    key.copy(block)
    this.#start = Buffer.concat([block, Buffer.from(kind), Buffer.from([SEPARATOR])])
    this.#input = Buffer.alloc(this.#start.length + 2 * 3 * MAX_TEXT_UNITS + 1)
    this.#start.copy(this.#input)
  }

  /** Writes the 16 bytes of a text, or of a text within another (an object in its container), to a place. */
  put(into: DataView, at: number, text: string, within?: string): void {
    const digest = this.#digest(text, within)
    for (let n = 0; n < SHORT_BYTES; n += 1) into.setUint8(at + n, digest.charCodeAt(n))
  }

  /** The bytes of a text. */
  of(text: string): DataView {
    const bytes = new DataView(new ArrayBuffer(SHORT_BYTES))
    this.put(bytes, 0, text)
    return bytes
  }

  /** The whole digest, a character for each byte. */
  #digest(text: string, within?: string): string {
    if (text.length > MAX_TEXT_UNITS || (within !== undefined && within.length > MAX_TEXT_UNITS)) {
      const long = createHash('sha256').update(this.#start)
      if (within !== undefined) long.update(within).update(Buffer.from([SEPARATOR]))
      return long.update(text).digest('binary')
    }
    let length = this.#start.length
    if (within !== undefined) {
      length += this.#input.write(within, length)
      this.#input[length++] = SEPARATOR
    }
    length += this.#input.write(text, length)
    return hash('sha256', this.#input.subarray(0, length), 'binary')
  }
}
