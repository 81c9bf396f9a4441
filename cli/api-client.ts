import { randomUUID } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError, ERROR_CODES, type ErrorCode } from '../domain/errors.ts'

export interface ApiClient {
  /** Throws the API's problem as an AppError with its code, detail and fix. */
  get<T>(path: string): Promise<T>
  /** Streams a file; nothing of it is held in memory. */
  sendFile<T>(path: string, file: Readable, bytes?: number): Promise<{ status: number; body: T }>
}

interface Answer {
  status: number
  text: string
}

/** An API call takes so long at most; a file as long as it flows. */
const ANSWER_WITHIN_MS = 60_000

/** The HTTP API as the command line uses it. `base` is the address without /v1. */
export function apiClient(base: string, token: string): ApiClient {
  const root = addressOf(base)
  const { request } = root.protocol === 'https:' ? https : http

  async function ask(
    method: string,
    path: string,
    body?: { file: Readable; bytes?: number | undefined },
  ): Promise<Answer> {
    const url = new URL(`${root.pathname.replace(/\/$/, '')}/v1${path}`, root)
    const asked = request(url, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        Accept: 'application/json',
        ...(method === 'POST' ? { 'Idempotency-Key': randomUUID() } : {}),
        ...(body ? { 'Content-Type': 'application/octet-stream' } : {}),
        ...(body?.bytes === undefined ? {} : { 'Content-Length': body.bytes }),
      },
    })
    asked.setTimeout(ANSWER_WITHIN_MS, () => asked.destroy(new Error('no answer in time')))
    const answered = new Promise<Answer>((resolve, reject) => {
      asked.once('error', reject)
      asked.once('response', (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (piece) => {
          text += piece
        })
        response.once('error', reject)
        response.once('end', () => resolve({ status: response.statusCode ?? 0, text }))
      })
    })
    if (!body) {
      asked.end()
      return answered
    }
    // A refusal arrives while the file is still being sent, and the line then closes: the answer counts, not the break.
    const sent = pipeline(body.file, asked).catch((error: unknown) => error)
    try {
      return await answered
    } catch (error) {
      const broken = await sent
      throw isOfTheFile(broken) ? broken : error
    }
  }

  async function call<T>(...asked: Parameters<typeof ask>): Promise<{ status: number; body: T }> {
    let answer: Answer
    try {
      answer = await ask(...asked)
    } catch (cause) {
      if (isOfTheFile(cause)) throw cause
      throw new AppError('api_unreachable', `the API at ${root.origin} does not answer`, {
        cause,
        fix: 'Check --api or OPENIRM_API, and that `openirm serve` or `openirm up` runs there.',
      })
    }
    const body = parsed(answer, root)
    if (answer.status >= 400) throw problem(body, answer.status)
    return { status: answer.status, body: body as T }
  }

  return {
    get: async <T>(path: string) => (await call<T>('GET', path)).body,
    sendFile: (path, file, bytes) => call('POST', path, { file, bytes }),
  }
}

function addressOf(base: string): URL {
  if (!URL.canParse(base) || !/^https?:/i.test(base)) {
    throw new AppError('invalid_request', '--api is not an http or https address', {
      fix: 'Give it like http://127.0.0.1:8080.',
    })
  }
  return new URL(base)
}

function parsed({ status, text }: Answer, root: URL): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new AppError('api_unreachable', `what answers at ${root.origin} (status ${status}) is not OpenIRM's API`, {
      fix: 'Check --api or OPENIRM_API; give the address without /v1.',
    })
  }
}

function problem(body: unknown, status: number): AppError {
  const { code, detail, fix, field } = body as Record<string, string | undefined>
  const known = code !== undefined && code in ERROR_CODES ? (code as ErrorCode) : 'internal'
  return new AppError(known, detail ?? `the API answered ${status}`, {
    ...(fix === undefined ? {} : { fix }),
    ...(field === undefined ? {} : { field }),
  })
}

/** Reading the file failed, not sending it. */
const isOfTheFile = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && ['open', 'read'].includes((error as NodeJS.ErrnoException).syscall ?? '') && 'path' in error
