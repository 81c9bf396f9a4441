import type { IncomingMessage } from 'node:http'
import { PassThrough, type Transform } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy'
import { AppError } from '../../domain/errors.ts'

/** What a request carries: a multipart form's first part, or the body itself. */
export interface Body {
  /** As the part names it; null for a bare body. */
  fileName: string | null
  bytes: AsyncIterable<Uint8Array>
}

const MULTIPART = /^multipart\/form-data\b/i

/**
 * Opens the body of an upload as a stream, gzip included. The request itself is never destroyed, whatever happens to
 * the stream: its connection has to live until it was answered. `signal` ends the stream with the signal's reason.
 *
 * Of the multipart parsers tried, @fastify/busboy alone reads all that is sent: names without quotes, both forms of the
 * file name, and blanks around the `=` (busboy drops such a part without a word).
 */
export async function openBody(request: IncomingMessage, signal: AbortSignal): Promise<Body> {
  const through = decoded(request)
  request.on('error', () => {})
  const stop = (reason: unknown) => {
    request.unpipe(through)
    through.destroy(reason as Error)
  }
  // Errors of a stream that nobody reads any more must not end the process.
  through.on('error', () => {})
  signal.addEventListener('abort', () => stop(signal.reason), { once: true })
  request.once('close', () => {
    if (!request.complete) stop(new AppError('api_unreachable', 'the client went away'))
  })
  request.pipe(through)
  const type = request.headers['content-type'] ?? ''
  return MULTIPART.test(type) ? firstPart(through, type) : { fileName: null, bytes: whole(through) }
}

function decoded(request: IncomingMessage): Transform {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding === 'identity') return new PassThrough()
  if (encoding === 'gzip' || encoding === 'x-gzip') return createGunzip()
  throw new AppError('content_encoding_unsupported', `Content-Encoding ${encoding.slice(0, 20)} is not taken`, {
    fix: 'Send the body as it is, or as gzip.',
  })
}

async function* whole(through: Transform): AsyncGenerator<Uint8Array> {
  try {
    yield* through
  } catch (error) {
    throw explained(error)
  }
}

async function firstPart(through: Transform, type: string): Promise<Body> {
  const parser = parserOf(type)
  const ended = new Promise<void>((resolve, reject) => {
    parser.once('finish', resolve)
    parser.on('error', (error) => reject(explained(error)))
    through.on('error', (error) => reject(explained(error)))
  })
  ended.catch(() => {})
  const found = new Promise<{ file: BusboyFileStream; name: string | undefined }>((resolve) => {
    parser.on('file', (_field, file, name) => {
      // A part that is cut short says so itself, also where nobody reads it.
      file.on('error', () => {})
      through.on('error', (error) => file.destroy(error))
      resolve({ file, name })
      if (taken) file.resume()
      taken = true
    })
  })
  let taken = false
  through.pipe(parser)
  const first = await Promise.race([found, ended])
  if (!first) {
    throw new AppError('invalid_request', 'the multipart body has no part', { fix: 'Send one part with the file.' })
  }
  const { file, name } = first
  return { fileName: name ?? null, bytes: part() }

  async function* part(): AsyncGenerator<Uint8Array> {
    try {
      yield* file
    } catch (error) {
      throw explained(error)
    }
    // The closing boundary proves that the part was whole.
    await ended
  }
}

function parserOf(type: string): BusboyInstance {
  try {
    return new Busboy({ headers: { 'content-type': type }, isPartAFile: () => true })
  } catch (cause) {
    throw new AppError('invalid_request', 'the Content-Type names no boundary', { cause })
  }
}

const GZIP_FAULT = /^Z_/

function explained(error: unknown): unknown {
  if (error instanceof AppError) return error
  const { code } = (error ?? {}) as { code?: unknown }
  if (typeof code === 'string' && GZIP_FAULT.test(code)) {
    return new AppError('file_unreadable', 'the gzip body is damaged or cut short', { cause: error })
  }
  return new AppError('invalid_request', 'the multipart body is damaged or cut short', { cause: error })
}

/** Reads what is left of a request and throws it away. True once it has ended; false when the client or the time has gone. */
export function drained(request: IncomingMessage, signal: AbortSignal): Promise<boolean> {
  if (request.complete && request.readableEnded) return Promise.resolve(true)
  return new Promise((resolve) => {
    if (signal.aborted || request.destroyed) return resolve(request.complete)
    request.once('end', () => resolve(true))
    request.once('close', () => resolve(request.complete))
    signal.addEventListener('abort', () => resolve(false), { once: true })
    request.unpipe()
    request.resume()
  })
}
