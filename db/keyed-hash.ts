import { createHmac, hash } from 'node:crypto'

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
const SEPARATOR = '\u001f'

/**
 * 128 bits of a text under a key of 32 bytes, for what is hashed by the million: SHA-256 over the key in hex, which fills
 * one block, the kind of thing and the text, cut in half. Half of a digest does not let anybody go on from it, so one hash
 * says what an HMAC takes two for. All of it is one text: giving the hash bytes instead would cost more than hashing them.
 */
export class ShortHash {
  readonly #start: string

  /** `kind` keeps hashes of different things apart. */
  constructor(key: Buffer, kind: string) {
    this.#start = `${key.toString('hex').padEnd(BLOCK_BYTES, '0')}${kind}${SEPARATOR}`
  }

  /** Writes the 16 bytes of a text, or of a text within another (an object in its container), to a place. */
  put(into: DataView, at: number, text: string, within?: string): void {
    const digest = hash(
      'sha256',
      within === undefined ? this.#start + text : this.#start + within + SEPARATOR + text,
      'binary',
    )
    for (let n = 0; n < SHORT_BYTES; n += 1) into.setUint8(at + n, digest.charCodeAt(n))
  }

  /** The bytes of a text. */
  of(text: string): DataView {
    const bytes = new DataView(new ArrayBuffer(SHORT_BYTES))
    this.put(bytes, 0, text)
    return bytes
  }
}
