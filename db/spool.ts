import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../domain/errors.ts'
import type { Vault } from './vault.ts'

/** Plain bytes per sealed frame. */
const FRAME_BYTES = 1 << 20
const HEADER_BYTES = 4
/** With its head and tag. */
const SEALED_FRAME_AT_MOST = FRAME_BYTES + 4_096

export interface Spooled {
  /** SHA-256 (hex) of the plain bytes. */
  sha256: string
  bytes: number
}

/**
 * Files that have arrived and wait for their import, sealed frame by frame: a pushed file holds names, so it never
 * lies on disk in clear. Named by their hash, so the same bytes are kept once. API and workers share the folder.
 *
 * Frame: 4-byte length, then one JSON line { k, n } with key id and nonce, then ciphertext and tag. The frame's number
 * and whether it is the last are authenticated, so a shortened file does not open.
 */
export class Spool {
  readonly folder: string
  readonly #vault: Vault

  constructor(folder: string, vault: Vault) {
    this.folder = folder
    this.#vault = vault
  }

  /** Reads the source to its end and keeps it. Throws body_too_large past `maxBytes`, leaving nothing behind. */
  async put(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Spooled> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 })
    const temporary = path.join(this.folder, `${process.pid}-${Date.now()}-${Math.random().toString(36).slice(2)}.part`)
    const file = await open(temporary, 'wx', 0o600)
    const hash = createHash('sha256')
    let bytes = 0
    let frame = 0
    // One place for all frames: a piece is copied once, however small it comes.
    const plain = Buffer.allocUnsafe(FRAME_BYTES)
    let filled = 0
    const writeFrame = async (last: boolean) => {
      const { key_id, nonce, ciphertext } = this.#vault.seal(frameContext(frame, last), plain.subarray(0, filled))
      const head = Buffer.from(`${JSON.stringify({ k: key_id, n: nonce.toString('base64'), last })}\n`)
      const length = Buffer.alloc(HEADER_BYTES)
      length.writeUInt32BE(head.length + ciphertext.length)
      // All of it or an error: `write` is content with a part where a disk is nearly full.
      await file.appendFile(Buffer.concat([length, head]))
      await file.appendFile(ciphertext)
      frame += 1
      filled = 0
    }
    try {
      for await (const piece of source) {
        bytes += piece.length
        if (bytes > maxBytes) {
          throw new AppError('body_too_large', `the file is larger than ${maxBytes} bytes`, {
            fix: 'Split the file, or raise OPENIRM_MAX_FILE_BYTES.',
          })
        }
        hash.update(piece)
        for (let at = 0; at < piece.length; ) {
          // Not before more comes: the last frame is the one that says so.
          if (filled === FRAME_BYTES) await writeFrame(false)
          const some = piece.subarray(at, at + FRAME_BYTES - filled)
          plain.set(some, filled)
          filled += some.length
          at += some.length
        }
      }
      await writeFrame(true)
      await file.sync()
      await file.close()
      const sha256 = hash.digest('hex')
      await rename(temporary, this.#path(sha256))
      return { sha256, bytes }
    } catch (error) {
      await file.close().catch(() => {})
      await rm(temporary, { force: true })
      throw error
    }
  }

  async has(sha256: string): Promise<boolean> {
    return stat(this.#path(sha256)).then(
      () => true,
      () => false,
    )
  }

  /** The plain bytes again. Throws object_gone when the file was dropped, sealed_value_damaged when it was changed. */
  async *read(sha256: string): AsyncGenerator<Buffer> {
    if (!(await this.has(sha256))) {
      throw new AppError('object_gone', 'the uploaded file is no longer kept', { fix: 'Upload the file again.' })
    }
    const file = await open(this.#path(sha256), 'r')
    try {
      let ended = false
      // One place for all frames: what is opened of a frame is in memory of its own.
      const length = Buffer.alloc(HEADER_BYTES)
      const body = Buffer.allocUnsafe(SEALED_FRAME_AT_MOST)
      for (let frame = 0; await filled(file, length); frame += 1) {
        const size = length.readUInt32BE(0)
        if (ended || size > body.length || !(await filled(file, body.subarray(0, size)))) throw cutShort()
        const newline = body.indexOf(0x0a)
        const head = JSON.parse(body.subarray(0, newline).toString()) as { k: string; n: string; last: boolean }
        const ciphertext = body.subarray(newline + 1, size)
        const sealed = { key_id: head.k, nonce: Buffer.from(head.n, 'base64'), ciphertext }
        yield this.#vault.open(frameContext(frame, head.last), sealed)
        ended = head.last
      }
      if (!ended) throw cutShort()
    } finally {
      await file.close()
    }
  }

  async drop(sha256: string): Promise<void> {
    await rm(this.#path(sha256), { force: true })
  }

  #path(sha256: string): string {
    return path.join(this.folder, `${sha256}.sealed`)
  }
}

const frameContext = (frame: number, last: boolean): string => `spool/${frame}/${last ? 'last' : 'more'}`

const cutShort = () =>
  new AppError('sealed_value_damaged', 'the kept file is cut short', { fix: 'Upload the file again.' })

/** Reads until the buffer is full; false where the file ends before it begins. Throws where it ends within. */
async function filled(file: FileHandle, into: Buffer): Promise<boolean> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await file.read(into, at, into.length - at)
    if (bytesRead === 0) {
      if (at === 0) return false
      throw cutShort()
    }
    at += bytesRead
  }
  return true
}
