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
