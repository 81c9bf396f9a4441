import { AppError } from '../../domain/errors.ts'
import { type Access, noteDate } from '../access.ts'

/** A source that says nothing for so long will not say anything. */
const SILENCE_MS = 60_000
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

/** The head of an answer; its body is still on its way. */
export interface Opened {
  status: number
  headers: Headers
  /** The bytes as they arrive. Throws body_too_large, timeout, connector_unreachable. */
  body: AsyncGenerator<Uint8Array>
}

/**
 * Sends one request and awaits the head of its answer. A redirect is an answer like any other: nothing is followed. The
 * time limit is one of silence: however long a body is, and however long its reader takes, it may be read to its end.
 */
export async function send(
  access: Access,
  request: Request,
  signal: AbortSignal,
  maxBytes = MAX_REPLY_BYTES,
): Promise<Opened> {
  const { url, method, headers, body, doing, timeoutMs = SILENCE_MS } = request
  await access.budget?.take(access, signal)
  const patience = new Patience(timeoutMs)
  try {
    const response = await patience.during(
      access.fetch(url, {
        method,
        headers,
        redirect: 'manual',
        signal: AbortSignal.any([signal, patience.signal]),
        ...(body === undefined ? {} : { body }),
      }),
    )
    noteDate(access, response.headers.get('date'))
    return {
      status: response.status,
      headers: response.headers,
      body: bodyOf(response, { doing, signal, maxBytes, patience }),
    }
  } catch (error) {
    throw asUnreachable(error, doing, signal)
  }
}

/** The answer with its body read whole. */
export async function exchange(
  access: Access,
  request: Request,
  signal: AbortSignal,
  maxBytes = MAX_REPLY_BYTES,
): Promise<Answer> {
  return whole(await send(access, request, signal, maxBytes))
}

/** Reads an answer to its end. */
export async function whole({ status, headers, body }: Opened): Promise<Answer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return { status, headers, text: Buffer.concat(chunks).toString('utf8') }
}

/** Ends a request that is left waiting for too long. Its time runs only while the source is waited for. */
class Patience {
  readonly #stop = new AbortController()
  readonly #ms: number

  constructor(ms: number) {
    this.#ms = ms
  }

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  async during<T>(answer: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#stop.abort(new DOMException('no answer in time', 'TimeoutError')), this.#ms)
    try {
      return await answer
    } finally {
      clearTimeout(timer)
    }
  }
}

interface Reading {
  doing: string
  signal: AbortSignal
  maxBytes: number
  patience: Patience
}

async function* bodyOf(response: Response, { doing, signal, maxBytes, patience }: Reading): AsyncGenerator<Uint8Array> {
  if (response.body === null) return
  const pieces = (response.body as unknown as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  let bytes = 0
  try {
    for (;;) {
      const next = await patience.during(pieces.next())
      if (next.done) return
      bytes += next.value.length
      if (bytes > maxBytes) {
        throw new AppError('body_too_large', `${doing} failed: the answer is longer than ${maxBytes} bytes`)
      }
      yield next.value
    }
  } catch (error) {
    throw asUnreachable(error, doing, signal)
  } finally {
    // Whoever stops half-way leaves no connection open.
    await pieces.return?.().catch(() => {})
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
