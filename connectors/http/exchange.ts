import { AppError } from '../../domain/errors.ts'
import type { Access } from '../access.ts'

/** A source that says nothing for so long will not say anything. */
const TIMEOUT_MS = 60_000
/** JSON replies are pages of at most a few thousand records. */
export const MAX_REPLY_BYTES = 64 * 1024 * 1024

export interface Request {
  /** What the request is for, in words for a message: `reading the audit log`. Never a person's data. */
  doing: string
  url: URL
  method: string
  headers: Record<string, string>
  body?: string
  timeoutMs?: number
}

export interface Answer {
  status: number
  headers: Headers
  text: string
}

/** Sends one request and awaits the head of its answer. A redirect is an answer like any other: nothing is followed. */
export async function send(access: Access, request: Request, signal: AbortSignal): Promise<Response> {
  const { url, method, headers, body, timeoutMs = TIMEOUT_MS } = request
  await access.budget?.take(access, signal)
  try {
    return await access.fetch(url, {
      method,
      headers,
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      ...(body === undefined ? {} : { body }),
    })
  } catch (error) {
    throw asUnreachable(error, request.doing, signal)
  }
}

/** The answer with its body read whole. */
export async function exchange(
  access: Access,
  request: Request,
  signal: AbortSignal,
  maxBytes = MAX_REPLY_BYTES,
): Promise<Answer> {
  const response = await send(access, request, signal)
  const chunks: Uint8Array[] = []
  for await (const chunk of bodyOf(response, request.doing, signal, maxBytes)) chunks.push(chunk)
  return { status: response.status, headers: response.headers, text: Buffer.concat(chunks).toString('utf8') }
}

/** The bytes of a body as they arrive. Throws body_too_large, connector_unreachable. */
export async function* bodyOf(
  response: Response,
  doing: string,
  signal: AbortSignal,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  if (response.body === null) return
  let bytes = 0
  try {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      if (bytes > maxBytes) {
        throw new AppError('body_too_large', `${doing} failed: the answer is longer than ${maxBytes} bytes`)
      }
      yield chunk
    }
  } catch (error) {
    throw asUnreachable(error, doing, signal)
  }
}

/** The network's own code, `UND_ERR_SOCKET` or `ECONNREFUSED`; its text may hold addresses and stays behind. */
function asUnreachable(error: unknown, doing: string, signal: AbortSignal): unknown {
  if (error instanceof AppError) return error
  if (signal.aborted) return signal.reason
  const { name, cause } = (error ?? {}) as { name?: string; cause?: { code?: string } }
  if (name === 'TimeoutError') return new AppError('timeout', `${doing} failed: no answer in time`)
  return new AppError('connector_unreachable', `${doing} failed${cause?.code ? `: ${cause.code}` : ''}`, {
    fix: 'Check that the source is up and that this machine reaches it.',
  })
}
