import { type Cipher, createCipheriv } from 'node:crypto'
import { copyBytes } from './binary.ts'
import type { TextKeys } from './text-keys.ts'

/** Of a record's key. */
export const KEY_BYTES = 16

const DASH = 0x2d
const UUID_UNITS = 36

/**
 * Keys of a connector's records: one block of AES-256, of the id itself where it is a UUID as most sources write it, of the
 * text key of any other. Millions are made, and many blocks are enciphered at once: decision 019.
 */
export class SourceKeys {
  readonly #texts: TextKeys
  readonly #cipher: Cipher

  /** `key` of 32 bytes is this connector's own. */
  constructor(texts: TextKeys, key: Buffer) {
    this.#texts = texts
    // Each block by itself: a key must be the same wherever its record is met.
    this.#cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
  }

  /** Writes what `encipher` makes the key of an id; some of it waits until then, as `TextKeys.put` says. */
  putBlock(into: DataView, at: number, id: string): void {
    if (!putUuid(into, at, id)) this.#texts.put(into, at, id)
  }

  /** Makes keys of the blocks there, in their place. */
  encipher(blocks: DataView, from: number, to: number): void {
    this.#texts.settle(blocks)
    this.#encipher(new Uint8Array(blocks.buffer, blocks.byteOffset + from, to - from))
  }

  /** Leaves out the ids that wait. */
  forget(): void {
    this.#texts.forget()
  }

  /** The key of an id. */
  of(id: string): DataView {
    const key = new Uint8Array(KEY_BYTES)
    const view = new DataView(key.buffer)
    if (!putUuid(view, 0, id)) copyBytes(this.#texts.of(id), 0, KEY_BYTES, view, 0)
    this.#encipher(key)
    return view
  }

  #encipher(blocks: Uint8Array): void {
    blocks.set(this.#cipher.update(blocks))
  }
}

/** The bytes of a UUID in lower case with its dashes; false for any other text, for two spellings are two ids. */
function putUuid(into: DataView, at: number, text: string): boolean {
  if (text.length !== UUID_UNITS) return false
  for (let n = 0, unit = 0; n < KEY_BYTES; n += 1, unit += 2) {
    if (n === 4 || n === 6 || n === 8 || n === 10) {
      if (text.charCodeAt(unit) !== DASH) return false
      unit += 1
    }
    const byte = (hexDigit(text.charCodeAt(unit)) << 4) | hexDigit(text.charCodeAt(unit + 1))
    if (byte < 0) return false
    into.setUint8(at + n, byte)
  }
  return true
}

/** -1 for what is none. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1
}
