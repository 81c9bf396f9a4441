import { once } from 'node:events'
import { createGzip, gunzipSync } from 'node:zlib'
import { AppError } from '../domain/errors.ts'
import type { Connection } from './connection.ts'
import type { Vault } from './vault.ts'
import { openSealed } from './vault.ts'

/** What a chunk keeps sealed of one record: its names and what the source sent. */
export interface RecordText {
  origin?: string | undefined
  container?: string | undefined
  object?: string | undefined
  userAgent?: string | undefined
  raw?: unknown
}

/** More would cost a second core for a few bytes. */
const COMPRESSION = 1
/** Texts go to the compressing thread in pieces of about so many characters. */
const PIECE_CHARACTERS = 512 * 1024

/**
 * Compresses the texts of a chunk while it is being read, on a thread of its own: one JSON line each, at the index that
 * rows refer to. The whole is sealed as one value.
 */
export class TextsPacker {
  readonly #gzip = createGzip({ level: COMPRESSION, chunkSize: 256 * 1024 })
  readonly #packed: Buffer[] = []
  #failure: unknown
  #held = ''
  #count = 0

  constructor() {
    this.#gzip.on('data', (piece: Buffer) => this.#packed.push(piece))
    this.#gzip.on('error', (error) => {
      this.#failure = error
    })
  }

  /** Returns the index of the text. */
  add(text: RecordText): number {
    this.#held += this.#count === 0 ? JSON.stringify(text) : `\n${JSON.stringify(text)}`
    if (this.#held.length >= PIECE_CHARACTERS) this.#write()
    this.#count += 1
    return this.#count - 1
  }

  #write(): void {
    this.#gzip.write(this.#held)
    this.#held = ''
  }

  /** Waits while more is held than the compressing thread keeps up with. */
  async settled(): Promise<void> {
    if (this.#gzip.writableNeedDrain) await once(this.#gzip, 'drain')
  }

  /** The compressed texts; null when there were none. */
  async finish(): Promise<Buffer | null> {
    if (this.#count > 0) this.#write()
    const ended = once(this.#gzip, 'end')
    this.#gzip.end()
    await ended
    if (this.#failure !== undefined) throw this.#failure
    return this.#count === 0 ? null : Buffer.concat(this.#packed)
  }
}

/** The texts of one chunk in order. */
export async function readTexts(db: Connection, vault: Vault, textsId: string): Promise<RecordText[]> {
  const sealed = (await openSealed(db, vault, [textsId])).get(textsId)
  if (!sealed) throw new AppError('object_gone', 'the texts of this chunk are no longer kept')
  return gunzipSync(sealed)
    .toString()
    .split('\n')
    .map((line) => JSON.parse(line) as RecordText)
}
