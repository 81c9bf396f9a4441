import { randomUUID } from 'node:crypto'
import { noteStatus } from './statuses.ts'

export interface Answer {
  status: number
  body: any
  headers: Headers
}

export interface Ask {
  json?: unknown
  /** A file. */
  bytes?: Uint8Array | string
  headers?: Record<string, string>
  /** Idempotency key; a new one for every POST unless told. null leaves it out. */
  key?: string | null
  /** Revision for If-Match. */
  revision?: number
}

export interface Requests {
  get(path: string, ask?: Ask): Promise<Answer>
  post(path: string, ask?: Ask): Promise<Answer>
  put(path: string, ask?: Ask): Promise<Answer>
  patch(path: string, ask?: Ask): Promise<Answer>
}

/** Asks the API at this base address, without /v1, under a token or none. */
export function caller(url: string, token: string | null): Requests {
  const send =
    (method: string) =>
    async (path: string, ask: Ask = {}): Promise<Answer> => {
      const headers: Record<string, string> = {
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...(ask.json === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(ask.bytes === undefined ? {} : { 'Content-Type': 'application/octet-stream' }),
        ...(method === 'POST' && ask.key !== null ? { 'Idempotency-Key': ask.key ?? randomUUID() } : {}),
        ...(ask.revision === undefined ? {} : { 'If-Match': `"${ask.revision}"` }),
        ...ask.headers,
      }
      const body = ask.bytes ?? (ask.json === undefined ? undefined : JSON.stringify(ask.json))
      const response = await fetch(`${url}${path.startsWith('/v1') || !path.startsWith('/') ? path : `/v1${path}`}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: body as NonNullable<RequestInit['body']> }),
      })
      noteStatus(method, response.url, response.status)
      const text = await response.text()
      const isJson = response.headers.get('Content-Type')?.includes('json')
      return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers }
    }
  return { get: send('GET'), post: send('POST'), put: send('PUT'), patch: send('PATCH') }
}
