import { AppError } from '../../domain/errors.ts'
import type { Access } from '../access.ts'
import { type Answer, exchange, type Request, send, whole } from './exchange.ts'
import { parseJson } from './json.ts'
import { type Explain, type Fixes, type Refusal, refusalOf, unreadable } from './refusal.ts'
import { retrying } from './retrying.ts'
import { type SignIn, tokenFor } from './sign-in.ts'
import type { Token } from './token.ts'

export interface HttpSource {
  access: Access
  signal: AbortSignal
  /** Where every request goes: scheme, host and port, and the path that calls start at. */
  base: string
  signIn: SignIn
  /** Reads the vendor's error bodies. */
  explain?: Explain
  /** What to do, in the vendor's own terms. */
  fixes?: Fixes
  /** Sent with every call. */
  headers?: Readonly<Record<string, string>>
}

export interface Call {
  /** In words for a message: `reading the audit log`. Never a person's data. */
  doing: string
  /** Default GET. Every call may be repeated: sources are only read. */
  method?: 'GET' | 'POST'
  /** Below the base, or a link out of an answer: it has to lead to the base's own host. */
  to: string
  query?: Readonly<Record<string, string | number | undefined>>
  /** Sent as JSON. */
  json?: unknown
  headers?: Readonly<Record<string, string>>
  /** How long the source may be silent. Milliseconds, default a minute. */
  timeoutMs?: number
  /** Bytes of the answer at most. */
  maxBytes?: number
  /** A success with another body is tried again, as one that is no JSON: it came from somewhere else. */
  expects?: { what: string; holds(body: unknown): boolean }
}

export interface JsonReply {
  body: unknown
  headers: Headers
}

export interface StreamReply {
  body: AsyncGenerator<Uint8Array>
  headers: Headers
}

export interface Http {
  /** The parsed body; integers beyond 2^53 are strings of their digits. Throws `Refusal` and other AppErrors. */
  json(call: Call): Promise<JsonReply>
  /** The bytes as they arrive; a fault in mid-body is thrown to the reader, who reads the page again. */
  stream(call: Call): Promise<StreamReply>
}

/**
 * The one way by which connectors talk HTTP: signs in and renews, waits as the source asks, tries again what may be
 * tried again, and never leaves the configured host.
 */
export function openHttp(source: HttpSource): Http {
  const { access, signal } = source

  const call = async <T>(asked: Call, perform: (request: Request) => Promise<T | Refusal>): Promise<T> => {
    const url = addressOf(source.base, asked)
    return retrying(access, signal, async () => {
      const first = await authorized(source)
      const done = await perform(requestOf(url, asked, { ...source.headers, ...first.headers }))
      if (!isRefused(done)) return done as T
      if (!first.token || !mayRenew(done)) throw done
      // Once: a token that is refused as soon as it was made is no matter of time.
      const second = await authorized(source, first.token)
      const again = await perform(requestOf(url, asked, { ...source.headers, ...second.headers }))
      if (isRefused(again)) throw again
      return again as T
    })
  }

  const refusal = (asked: Call, answer: Answer) =>
    refusalOf(asked.doing, answer, access.now(), { explain: source.explain, fixes: source.fixes })

  return {
    json: (asked) =>
      call(asked, async (request) => {
        const answer = await exchange(access, request, signal, asked.maxBytes)
        if (!isSuccess(answer.status)) return refusal(asked, answer)
        const body = parseJson(answer.text)
        if (body === undefined) throw unreadable(asked.doing, 'JSON')
        if (asked.expects?.holds(body) === false) throw unreadable(asked.doing, asked.expects.what)
        return { body, headers: answer.headers }
      }),
    stream: (asked) =>
      call(asked, async (request) => {
        const answer = await send(access, request, signal, asked.maxBytes)
        if (isSuccess(answer.status)) return { body: answer.body, headers: answer.headers }
        return refusal(asked, await whole(answer))
      }),
  }
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300

const isRefused = (done: unknown): done is Refusal => done instanceof AppError

/** A token that is refused may have been taken back before its time; what the vendor explains otherwise was not. */
const mayRenew = ({ answered, code }: Refusal): boolean =>
  answered === 401 && (code === 'credential_refused' || code === 'credential_expired')

async function authorized(
  { access, signIn, signal }: HttpSource,
  refused?: Token,
): Promise<{ headers: Readonly<Record<string, string>>; token?: Token }> {
  if (signIn.kind === 'fixed') return { headers: signIn.headers }
  const token = await tokenFor(access, signIn, signal, refused)
  return { headers: { authorization: `${token.type} ${token.value}` }, token }
}

function requestOf(url: URL, asked: Call, headers: Record<string, string>): Request {
  const { doing, method = 'GET', json, timeoutMs } = asked
  return {
    doing,
    url,
    method,
    headers: {
      accept: 'application/json',
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
      ...asked.headers,
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  }
}

function addressOf(base: string, { doing, to, query = {} }: Call): URL {
  const home = new URL(base)
  const absolute = /^[a-z][a-z0-9+.-]*:|^\/\//i.test(to)
  const url = new URL(
    linkWithin(base, absolute ? to : `${home.href.replace(/\/$/, '')}/${to.replace(/^\//, '')}`, doing),
  )
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  return url
}

/**
 * A link out of an answer as an absolute address. Throws source_refused for one that leads away: the credential belongs
 * to the configured host alone. Whoever keeps a link checks it first, or a foreign one would be met again for ever.
 */
export function linkWithin(base: string, link: string, doing: string): string {
  const home = new URL(base)
  let url: URL
  try {
    url = new URL(link, home)
  } catch {
    throw new AppError('source_refused', `${doing} failed: the source names a next page that is no address`)
  }
  if (url.origin !== home.origin || url.username !== '') {
    throw new AppError('source_refused', `${doing} failed: the source names a next page on another host`, {
      fix: 'If the source is served from several hosts, set the address that its links lead to.',
    })
  }
  return url.href
}
