import { setTimeout as sleep } from 'node:timers/promises'
import createClient, { type Client } from 'openapi-fetch'
import { AppError, ERROR_CODES, type ErrorCode } from '../../domain/errors.ts'
import type { components, paths } from '../../openapi/generated/types.ts'

export type Wire = components['schemas']
export type Asker = Client<paths>

/** The API as somebody with this token meets it. */
export const askerFor = (url: string, token: string): Asker =>
  createClient<paths>({ baseUrl: `${url}/v1`, headers: { Authorization: `Bearer ${token}` } })

/** The same key on every attempt of an act, also after a restart: it is done once. */
export const once = (act: string) => ({ header: { 'Idempotency-Key': `demo.${act}` } })

export const ifMatch = (revision: number) => ({ header: { 'If-Match': `"${revision}"` } })

/** Bytes as they are, not as JSON. */
export const asFile = (bytes: Buffer) => ({
  body: bytes as never,
  bodySerializer: () => bytes as never,
  headers: { 'Content-Type': 'application/octet-stream' },
})

/** Somebody who is told to come back later does so for this long. */
const PATIENCE_MS = 180_000
const COME_BACK_MS = 500

interface Answer<Data> {
  data?: Data
  error?: unknown
  response: Response
}

/** The body of a success. Asks again while the platform says that later may do. Throws the problem as an AppError. */
export async function answerOf<Data>(ask: () => Promise<Answer<Data>>): Promise<Data> {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    let problem: AppError
    try {
      const { data, error, response } = await ask()
      if (error === undefined) return data as Data
      problem = problemOf(error, response)
    } catch (cause) {
      problem = new AppError('internal', 'the API could not be reached', { cause })
    }
    if (!problem.retryable || Date.now() > end) throw problem
    await sleep(COME_BACK_MS)
  }
}

export function problemOf(error: unknown, response: Response): AppError {
  const { code, detail, fix, field } = (error ?? {}) as { code?: string; detail?: string; fix?: string; field?: string }
  const known = code !== undefined && code in ERROR_CODES ? (code as ErrorCode) : 'internal'
  return new AppError(known, `${new URL(response.url).pathname}: ${detail ?? response.status}`, {
    ...(fix ? { fix } : {}),
    ...(field ? { field } : {}),
  })
}

/** Asks until the answer is as wanted. Throws timeout with `what` when it does not become so. */
export async function until<Data>(
  ask: () => Promise<Data>,
  wanted: (data: Data) => boolean,
  { what, withinMs = PATIENCE_MS, everyMs = 150 }: { what: string; withinMs?: number; everyMs?: number },
): Promise<Data> {
  const end = Date.now() + withinMs
  for (;;) {
    const data = await ask()
    if (wanted(data)) return data
    if (Date.now() > end) throw new AppError('timeout', `${what} did not come about within ${withinMs / 1000} s`)
    await sleep(everyMs)
  }
}

/** A page of a list holds so many at most. */
export const PAGE = 200

/** Every item of a list, page by page. */
export async function all<Item>(
  page: (cursor: string | undefined) => Promise<Answer<{ items: Item[]; nextCursor: string | null }>>,
): Promise<Item[]> {
  const items: Item[] = []
  let cursor: string | undefined
  do {
    const found = await answerOf(() => page(cursor))
    items.push(...found.items)
    cursor = found.nextCursor ?? undefined
  } while (cursor !== undefined)
  return items
}
