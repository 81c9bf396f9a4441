import { isUtf8 } from 'node:buffer'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { AppError } from '../../domain/errors.ts'

export const ENCODINGS = ['auto', 'utf-8', 'utf-16le', 'utf-16be', 'windows-1252'] as const
export type Encoding = (typeof ENCODINGS)[number]

/** Bytes looked at to tell the encoding; a file that turns out otherwise later has its bad rows rejected. */
const PROBE_BYTES = 256 * 1024

/**
 * The text of a file, piece by piece: gzip is opened, a byte-order mark obeyed and removed. Without a mark `auto` takes
 * UTF-8 where the first part is valid UTF-8, else Windows-1252. Bytes that are not valid become U+FFFD, so that the
 * rows which hold them can be told.
 */
export async function* readText(source: AsyncIterable<Uint8Array>, encoding: Encoding): AsyncGenerator<string> {
  let probe = Buffer.alloc(0) as Buffer
  const rest = (await opened(source))[Symbol.asyncIterator]()
  let ended = false
  while (probe.length < PROBE_BYTES && !ended) {
    const next = await rest.next()
    if (next.done) ended = true
    else probe = Buffer.concat([probe, next.value])
  }
  const { name, skip } = detect(probe, encoding, ended)
  const decoder = new TextDecoder(name, { ignoreBOM: false })
  const first = decoder.decode(probe.subarray(skip), { stream: true })
  if (first !== '') yield first
  while (!ended) {
    const next = await rest.next()
    if (next.done) break
    const text = decoder.decode(next.value, { stream: true })
    if (text !== '') yield text
  }
  const last = decoder.decode()
  if (last !== '') yield last
}

function detect(probe: Buffer, encoding: Encoding, whole: boolean): { name: string; skip: number } {
  if (probe[0] === 0xef && probe[1] === 0xbb && probe[2] === 0xbf) return { name: 'utf-8', skip: 3 }
  if (probe[0] === 0xff && probe[1] === 0xfe) return { name: 'utf-16le', skip: 2 }
  if (probe[0] === 0xfe && probe[1] === 0xff) return { name: 'utf-16be', skip: 2 }
  if (encoding !== 'auto') return { name: encoding, skip: 0 }
  // A character may be cut at the end of the probe: leave out the last few bytes.
  for (let cut = 0; cut <= (whole ? 0 : 3); cut += 1) {
    if (isUtf8(probe.subarray(0, probe.length - cut))) return { name: 'utf-8', skip: 0 }
  }
  return { name: 'windows-1252', skip: 0 }
}

/** The bytes behind gzip, where the first two say so. */
async function opened(source: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const pieces = source[Symbol.asyncIterator]()
  let head = Buffer.alloc(0) as Buffer
  while (head.length < 2) {
    const next = await pieces.next()
    if (next.done) break
    head = Buffer.concat([head, next.value])
  }
  async function* again(): AsyncGenerator<Uint8Array> {
    if (head.length > 0) yield head
    for (;;) {
      const next = await pieces.next()
      if (next.done) return
      yield next.value
    }
  }
  if (head[0] !== 0x1f || head[1] !== 0x8b) return again()
  const gunzip = createGunzip()
  const bytes = Readable.from(again())
  bytes.on('error', (error) => gunzip.destroy(error))
  return gunzipped(bytes.pipe(gunzip))
}

async function* gunzipped(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* stream
  } catch (cause) {
    throw new AppError('file_unreadable', 'the gzip file is damaged or cut short', {
      cause,
      fix: 'Compress and upload the file again.',
    })
  }
}
