import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { AppError, isAppError } from '../../domain/errors.ts'

/** Inflated bytes of one file at most. */
export const MAX_INFLATED_BYTES = 64 * 1024 ** 3
/** Logs shrink to a tenth or a twentieth, seldom to a hundredth; what inflates more than this is made to do harm. */
export const MAX_INFLATED_RATIO = 250
/** The ratio says nothing of a small file. */
const RATIO_COUNTS_FROM = 64 * 1024 ** 2

export interface InflateLimits {
  bytes: number
  ratio: number
  ratioFrom: number
}

const LIMITS: InflateLimits = { bytes: MAX_INFLATED_BYTES, ratio: MAX_INFLATED_RATIO, ratioFrom: RATIO_COUNTS_FROM }

/**
 * The bytes behind gzip, where the first two say so; else the bytes as they are. Throws file_unreadable for a damaged
 * or shortened file, body_too_large for one that inflates beyond the limits.
 */
export async function* opened(
  source: AsyncIterable<Uint8Array>,
  limits: InflateLimits = LIMITS,
): AsyncGenerator<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]()
  let head = Buffer.alloc(0) as Buffer
  while (head.length < 2) {
    const next = await pieces.next()
    if (next.done) break
    head = Buffer.concat([head, next.value])
  }
  let taken = 0
  async function* again(): AsyncGenerator<Uint8Array> {
    try {
      for (let next: IteratorResult<Uint8Array> = { value: head }; !next.done; next = await pieces.next()) {
        taken += next.value.length
        if (next.value.length > 0) yield next.value
      }
    } finally {
      await pieces.return?.()
    }
  }
  if (head[0] !== 0x1f || head[1] !== 0x8b) yield* again()
  else yield* inflated(again(), () => taken, limits)
}

const INFLATE_PIECE_BYTES = 256 * 1024

async function* inflated(
  source: AsyncGenerator<Uint8Array>,
  taken: () => number,
  limits: InflateLimits,
): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: INFLATE_PIECE_BYTES })
  const bytes = Readable.from(source)
  bytes.on('error', (error) => gunzip.destroy(error))
  let inflatedBytes = 0
  try {
    for await (const piece of bytes.pipe(gunzip) as AsyncIterable<Uint8Array>) {
      inflatedBytes += piece.length
      const bomb = inflatedBytes > limits.ratioFrom && inflatedBytes > taken() * limits.ratio
      if (bomb || inflatedBytes > limits.bytes) {
        throw new AppError(
          'body_too_large',
          bomb
            ? `the gzip file inflates to more than ${limits.ratio} times its size`
            : `the gzip file inflates to more than ${limits.bytes} bytes`,
          { fix: 'Send the file uncompressed, or in parts.' },
        )
      }
      yield piece
    }
  } catch (cause) {
    if (isAppError(cause)) throw cause
    throw new AppError('file_unreadable', 'the gzip file is damaged or cut short', {
      cause,
      fix: 'Compress and upload the file again.',
    })
  } finally {
    bytes.destroy()
    gunzip.destroy()
  }
}
