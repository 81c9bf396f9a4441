import type { IncomingHttpHeaders, IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { reset } from './listening.ts'

/** What a stand-in answers. The body is whole: stand-ins hold their data in memory. */
export interface Answer {
  status: number
  headers?: Record<string, string>
  body?: Buffer | string
}

/** What a fault can look at to decide whether it is meant. */
export interface SeenRequest {
  method: string
  /** Decoded path without the query. */
  path: string
  query: URLSearchParams
  headers: IncomingHttpHeaders
  /** The stand-in's own name of the operation, e.g. `GetObject`. */
  operation: string
}

/** A text matches an operation exactly, or any part of `METHOD /path?query`; a pattern is tried on the latter. */
export type FaultMatch = string | RegExp | ((request: SeenRequest) => boolean)

export interface Fault {
  /** Default: every request. */
  match?: FaultMatch
  /** Let this many matching requests pass first. Default 0. */
  skip?: number
  /** How many requests it hits before it is used up; Infinity until cleared. Default 1. */
  times?: number
  /** Answer this status instead of the real answer. */
  status?: number
  headers?: Record<string, string>
  body?: Buffer | string
  /** The vendor's error code: the stand-in words the body (and the status, where the code implies one). */
  code?: string
  /** Let this many bytes of the body out, then end the connection. 0 = right after the head. A shorter body is whole. */
  cutAfterBytes?: number
  /** Reset the connection without any answer. */
  reset?: boolean
  /** Never answer; the connection stays open until the other side gives up. */
  hang?: boolean
  /** Wait before doing anything else. */
  delayMs?: number
  /** Then wait for this as well: the answer is kept back until somebody lets it go. */
  until?: Promise<unknown>
  /** Carry the request out and spoil only its answer: the acknowledgement that got lost. */
  handled?: boolean
}

/** One armed fault: says how often it has hit so that a test can prove that it did. */
export interface ArmedFault {
  readonly hits: number
  disarm(): void
}

interface Armed {
  fault: Fault
  skip: number
  left: number
  hits: number
}

/** Faults waiting for requests. The one armed first wins; each request meets one at most. */
export class Faults {
  private armed: Armed[] = []

  /** Arms one fault. Throws RangeError where the counts cannot be meant. */
  next(fault: Fault): ArmedFault {
    const { skip = 0, times = 1, cutAfterBytes = 0, delayMs = 0 } = fault
    for (const [name, value, least] of [
      ['skip', skip, 0],
      ['times', times, 1],
      ['cutAfterBytes', cutAfterBytes, 0],
      ['delayMs', delayMs, 0],
    ] as const) {
      if (!(value >= least)) throw new RangeError(`faults.next: ${name} must be at least ${least}, got ${value}`)
    }
    const entry: Armed = { fault, skip, left: times, hits: 0 }
    this.armed.push(entry)
    return {
      get hits() {
        return entry.hits
      },
      disarm: () => {
        this.armed = this.armed.filter((other) => other !== entry)
      },
    }
  }

  clear(): void {
    this.armed = []
  }

  /** Faults that have not been used up. 0 at the end of a test means that all of them were met. */
  get pending(): number {
    return this.armed.length
  }

  /** The fault this request meets, counted as used. */
  take(request: SeenRequest): Fault | undefined {
    for (const entry of this.armed) {
      if (!matches(entry.fault.match, request)) continue
      if (entry.skip > 0) {
        entry.skip--
        continue
      }
      entry.hits++
      entry.left--
      if (entry.left <= 0) this.armed = this.armed.filter((other) => other !== entry)
      return entry.fault
    }
    return undefined
  }
}

function matches(match: FaultMatch | undefined, request: SeenRequest): boolean {
  if (match === undefined) return true
  if (typeof match === 'function') return match(request)
  const query = request.query.toString()
  const line = `${request.method} ${request.path}${query === '' ? '' : `?${query}`}`
  if (typeof match === 'string') return request.operation === match || line.includes(match)
  // A global or sticky pattern keeps its place between calls and would match every other time.
  return new RegExp(match.source, match.flags.replace(/[gy]/g, '')).test(line)
}

/** 429 as vendors send it: a number becomes delta-seconds, a Date an HTTP date (RFC 9110 §10.2.3). */
export function throttled(retryAfter: number | Date): Pick<Fault, 'status' | 'headers'> {
  const value = typeof retryAfter === 'number' ? String(retryAfter) : retryAfter.toUTCString()
  return { status: 429, headers: { 'retry-after': value } }
}

export interface Served {
  faults: Faults
  /** Names the operation; must not read the body. */
  operation(request: IncomingMessage): string
  handle(request: IncomingMessage): Promise<Answer>
  /** Words a fault that has a `code`. */
  wordFault?(request: IncomingMessage, fault: Fault & { code: string }): Answer
  /** Every request once, with the status that went out, or null where none did. */
  answered?(request: IncomingMessage, status: number | null): void
}

/** A request listener whose answers the armed faults can spoil. A handler that throws is a defect and answers 500. */
export function serve(served: Served): RequestListener {
  return (request, response) => {
    void answer(served, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else send(request, response, { status: 500, body: `stand-in failed: ${String(error)}\n` })
    })
  }
}

async function answer(served: Served, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const fault = served.faults.take(seen(request, served.operation(request)))
  if (fault?.delayMs !== undefined) await sleep(fault.delayMs)
  const replaced = fault !== undefined && (fault.reset || fault.hang || fault.status !== undefined || fault.code)
  let real: Answer | undefined
  if (fault?.handled) real = await served.handle(request)
  await fault?.until
  if (!replaced) real ??= await served.handle(request)
  if (fault?.hang) {
    request.resume()
    served.answered?.(request, null)
    return
  }
  if (fault?.reset) {
    served.answered?.(request, null)
    reset(request.socket)
    return
  }
  const out = fault !== undefined && replaced ? worded(served, request, fault) : (real as Answer)
  served.answered?.(request, out.status)
  send(request, response, out, fault?.cutAfterBytes)
}

function worded(served: Served, request: IncomingMessage, fault: Fault): Answer {
  const byCode = fault.code === undefined ? undefined : served.wordFault?.(request, { ...fault, code: fault.code })
  return {
    status: fault.status ?? byCode?.status ?? 500,
    headers: { ...byCode?.headers, ...fault.headers },
    body: fault.body ?? byCode?.body ?? '',
  }
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer, cutAfterBytes?: number): void {
  const body = Buffer.from(answer.body ?? '')
  const bodiless = request.method === 'HEAD' || answer.status === 304 || answer.status === 204
  const headers: Record<string, string> = { ...answer.headers }
  if (!bodiless) headers['content-length'] = String(body.length)
  response.writeHead(answer.status, headers)
  if (bodiless) response.end()
  else if (cutAfterBytes === undefined || cutAfterBytes >= body.length) response.end(body)
  else {
    response.flushHeaders()
    const ended = () => request.socket.destroy()
    if (cutAfterBytes === 0) setImmediate(ended)
    else response.write(body.subarray(0, cutAfterBytes), ended)
  }
  // What was not read has to go, or the connection cannot be used again.
  request.resume()
}

function seen(request: IncomingMessage, operation: string): SeenRequest {
  const { path, query } = target(request)
  return { method: request.method ?? 'GET', path, query, headers: request.headers, operation }
}

/**
 * Path (percent-decoded) and query of a request target. Not `new URL`: that folds `..` and `//`, which object keys may
 * contain. A malformed escape leaves the path as it came.
 */
export function target(request: IncomingMessage): { path: string; rawPath: string; query: URLSearchParams } {
  const url = request.url ?? '/'
  const mark = url.indexOf('?')
  const rawPath = mark === -1 ? url : url.slice(0, mark)
  const query = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1))
  try {
    return { path: decodeURIComponent(rawPath), rawPath, query }
  } catch {
    return { path: rawPath, rawPath, query }
  }
}

/** Reads a request's body whole. `null` where it is longer than the limit; the rest is then dropped unread. */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size <= limitBytes) chunks.push(chunk)
  }
  return size > limitBytes ? null : Buffer.concat(chunks)
}
