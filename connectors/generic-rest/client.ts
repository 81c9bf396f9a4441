import { AppError } from '../../domain/errors.ts'
import type { ReadInput } from '../connector.ts'
import { type Http, openHttp } from '../http/client.ts'
import { pointed } from '../http/json-pointer.ts'
import { type Fixes, Refusal } from '../http/refusal.ts'
import { basic, clientCredentials, type SignIn } from '../http/sign-in.ts'
import type { WindowPage } from '../windows.ts'
import type { RestConfig } from './config.ts'
import { nextOf } from './paging.ts'

const DOING = 'reading the list'

/** Bounds of time that a request names. */
export interface Span {
  from?: Date
  to?: Date
}

export interface RestList {
  /** Throws settings_invalid where the answer has no list at its place. */
  page(span: Span, token: string | null): Promise<WindowPage>
}

export function openList({
  config,
  access,
  signal,
}: Pick<ReadInput<RestConfig>, 'config' | 'access' | 'signal'>): RestList {
  const http = openHttp({
    access,
    signal,
    base: new URL(config.url).origin,
    signIn: signInOf(config),
    headers: config.headers,
    fixes: FIXES,
  })
  let pages = 0
  return {
    async page(span, token) {
      pages += 1
      if (pages > config.maxPages) throw endless(config.maxPages)
      const { body, headers } = await http.json(callOf(config, span, token))
      const items = pointed(body, config.recordsAt)
      if (!Array.isArray(items)) throw noList(config, body)
      return { items, next: nextOf(config, { body, headers, count: items.length }, token) }
    },
  }
}

/** Links carry all that belongs to a page; what else tells one is a parameter beside those that are set. */
function callOf(config: RestConfig, { from, to }: Span, token: string | null): Parameters<Http['json']>[0] {
  const { url, method, paging, pageParameter, firstPage, sizeParameter, pageSize, sinceParameter, untilParameter } =
    config
  const shared = { doing: DOING, method, maxBytes: config.maxAnswerMegabytes * 1_000_000 } as const
  const isLink = paging === 'link_header' || paging === 'link_in_body'
  if (token !== null && isLink) return { ...shared, to: new URL(token, url).href }
  const place = token ?? (paging === 'page' ? String(firstPage) : paging === 'offset' ? '0' : undefined)
  const parameters: Record<string, string | number | undefined> = {
    ...config.parameters,
    ...(sizeParameter ? { [sizeParameter]: pageSize } : {}),
    ...(sinceParameter && from ? { [sinceParameter]: written(from, config, Math.floor) } : {}),
    ...(untilParameter && to ? { [untilParameter]: written(to, config, Math.ceil) } : {}),
    ...(pageParameter && place !== undefined ? { [pageParameter]: place } : {}),
  }
  return method === 'GET' ? { ...shared, to: url, query: parameters } : { ...shared, to: url, json: parameters }
}

/** Whole seconds are those around the instant: a window grows rather than lose its edge. */
function written(at: Date, { timeForm }: RestConfig, round: (seconds: number) => number): string | number {
  const seconds = round(at.getTime() / 1000)
  switch (timeForm) {
    case 'iso':
      return at.toISOString()
    case 'iso_seconds':
      return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
    case 'unix_seconds':
      return seconds
    default:
      return at.getTime()
  }
}

function signInOf(config: RestConfig): SignIn {
  const { auth, headerName, headerSecret = '', username = '', password = '' } = config
  if (auth === 'none') return { kind: 'fixed', headers: {} }
  if (auth === 'header') return { kind: 'fixed', headers: { [headerName.toLowerCase()]: headerSecret } }
  if (auth === 'basic') return basic(username, password)
  const { tokenUrl = '', clientId = '', clientSecret = '', clientIn, scope, audience } = config
  return clientCredentials({
    url: tokenUrl,
    clientId,
    clientSecret,
    clientIn,
    more: { ...(scope ? { scope } : {}), ...(audience ? { audience } : {}) },
    fixes: { credential_refused: 'Check the token address, client id and secret, and where they are sent.' },
  })
}

const FIXES: Fixes = {
  settings_invalid: 'Enter the address that the list itself has: redirects are not followed.',
  source_refused:
    'Correct the address, the parameters and how times are written: the source does not take the request.',
  permission_missing: 'Let the account read this list at the source.',
}

/** Of the answer only the kind is told: it may name people. */
function noList({ recordsAt }: RestConfig, body: unknown): AppError {
  const kind = Array.isArray(body)
    ? 'a list'
    : body === null
      ? 'null'
      : typeof body === 'object'
        ? 'an object'
        : 'a value'
  return new AppError(
    'settings_invalid',
    `${DOING} failed: the answer, ${kind}, has no list at ${recordsAt === '' ? 'its top' : recordsAt}`,
    { field: 'recordsAt', fix: 'Set where the records are, as a JSON pointer: /data/items.' },
  )
}

const endless = (most: number): AppError =>
  new AppError('source_refused', `${DOING} stopped: it has more than ${most} pages`, {
    field: 'maxPages',
    fix: 'Check that the paging comes to an end, shorten the windows, or allow more pages.',
  })

/** In mid-list only: the rest of the request was taken before, so that nothing but the place can be wrong with it. */
export const isPlaceRefused = (error: unknown): boolean =>
  error instanceof Refusal && (error.answered === 400 || error.answered === 404 || error.answered === 410)
