import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { ApiOptions } from '../../api/deps.ts'
import { createApi } from '../../api/server.ts'
import { createStaff, createToken, type Role } from '../../db/staff.ts'
import { type World, world } from '../harness/world.ts'

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

export interface Caller {
  staffId: string
  tokenId: string
  token: string
  get(path: string, ask?: Ask): Promise<Answer>
  post(path: string, ask?: Ask): Promise<Answer>
  put(path: string, ask?: Ask): Promise<Answer>
  patch(path: string, ask?: Ask): Promise<Answer>
}

export interface Api extends AsyncDisposable {
  w: World
  /** Base address, without /v1. */
  url: string
  /** Somebody new with these roles. */
  as(...roles: Role[]): Promise<Caller>
  /** With whatever token, or none. */
  with(token: string | null): Omit<Caller, 'staffId' | 'tokenId' | 'token'>
}

/** The API over real HTTP, its answers held against the contract, with a database and workers of its own. */
export async function api(options: ApiOptions & { workers?: boolean } = {}): Promise<Api> {
  const { workers = false, ...rest } = options
  const w = await world(workers ? {} : { queues: [] })
  const server = createApi(w.deps, {
    validateResponses: true,
    ratePerMinute: 100_000,
    refusedPerMinute: 100_000,
    ...rest,
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const caller = (token: string | null) => {
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
        const text = await response.text()
        const isJson = response.headers.get('Content-Type')?.includes('json')
        return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers }
      }
    return { get: send('GET'), post: send('POST'), put: send('PUT'), patch: send('PATCH') }
  }

  return {
    w,
    url,
    with: caller,
    async as(...roles) {
      const staffId = await createStaff(w.t.db, { name: roles.join(' and '), roles })
      const { tokenId, secret } = await createToken(w.t.db, { staffId, label: 'test', expiresInDays: 1 })
      return { staffId, tokenId, token: secret, ...caller(secret) }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await w[Symbol.asyncDispose]()
    },
  }
}
