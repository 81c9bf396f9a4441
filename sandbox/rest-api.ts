import type { Answer } from './faults.ts'
import { Timeline } from './vendor/timeline.ts'
import { json, TokenOffice } from './vendor/tokens.ts'
import { startVendor, type Vendor, type VendorOptions, type VendorRequestIn } from './vendor/vendor.ts'

type Json = Record<string, any>

export const REST_CLIENT = { clientId: 'sandbox-client', clientSecret: 'sandbox-client-secret' }
export const REST_KEY = 'Token sandbox-api-key'
export const REST_ACCOUNT = { username: 'reader', password: 'sandbox-password' }

export interface RestApiOptions extends VendorOptions {
  /** Default an hour. */
  tokenSeconds?: number
  /** Records of one page at most, whatever the client asks for. */
  pageRecords?: number
}

export interface RestApi extends Vendor {
  tokens: TokenOffice
  log: Timeline<Json>
  /** Cursors that were handed out are refused from now on. */
  forgetCursors(): void
}

/** A list under way, by its cursor. */
interface Place {
  span: { since: number; until: number }
  /** Records that were handed out. */
  handed: Set<Json>
}

/**
 * The audit API of no vendor at the socket: one log under one path per way to page, oldest first, between `since` and
 * `until`; signed in to by a key, basic authentication or OAuth. It has the habits that such APIs have, good and bad.
 */
export async function startRestApi(options: RestApiOptions = {}): Promise<RestApi> {
  const { pageRecords = 100, tokenSeconds = 3_600 } = options
  let places = new Map<string, Place>()

  const vendor = await startVendor(
    {
      operation: (method, path) => OPERATIONS[`${method} ${path}`] ?? 'unknown',
      handle(request, operation) {
        if (operation === 'token') return tokens.answer(request.body, request.headers)
        if (operation === 'unknown') return json(404, { error: 'there is no such list' })
        if (!isSignedIn(request)) return json(401, { error: 'sign in' })
        return LISTS[request.path]?.(parametersOf(request), request) ?? json(404, {})
      },
      stage: (events) => {
        for (const event of events) stage(event as Json)
      },
    },
    options,
  )
  const log = new Timeline<Json>(vendor.clock)
  const tokens = new TokenOffice({
    clock: vendor.clock,
    lifetimeSeconds: tokenSeconds,
    grants: (form) =>
      form.get('grant_type') === 'client_credentials' &&
      form.get('client_id') === REST_CLIENT.clientId &&
      form.get('client_secret') === REST_CLIENT.clientSecret,
  })

  function isSignedIn({ headers }: VendorRequestIn): boolean {
    const basic = Buffer.from(`${REST_ACCOUNT.username}:${REST_ACCOUNT.password}`).toString('base64')
    return (
      headers['x-api-key'] === REST_KEY ||
      headers.authorization === `Basic ${basic}` ||
      tokens.verdict(headers) === 'valid'
    )
  }

  function stage({ availableAt, ...event }: Json): void {
    const at = new Date(event['time'])
    if (Number.isNaN(at.getTime())) throw new RangeError('an event needs time')
    log.add(event, at, availableAt === undefined ? {} : { availableAt: new Date(availableAt) })
  }

  const within = ({ since, until }: Place['span']): Json[] =>
    log
      .byTime()
      .filter(({ at }) => at.getTime() >= since && at.getTime() < until)
      .map(({ record }) => record)
  const sizeOf = (parameters: URLSearchParams): number =>
    Math.min(pageRecords, Number(parameters.get('limit') ?? pageRecords))

  /** A page of what is left; the cursor of the next is the same list under a new name. */
  function onward(parameters: URLSearchParams): { events: Json[]; cursor: string | undefined } | undefined {
    const asked = parameters.get('cursor')
    const place = asked === null ? { span: spanOf(parameters), handed: new Set<Json>() } : places.get(asked)
    if (!place) return undefined
    const left = within(place.span).filter((event) => !place.handed.has(event))
    const events = left.slice(0, sizeOf(parameters))
    if (events.length === left.length) return { events, cursor: undefined }
    const cursor = `c${places.size + 1}`
    places.set(cursor, { span: place.span, handed: new Set([...place.handed, ...events]) })
    return { events, cursor }
  }

  const LISTS: Record<string, (parameters: URLSearchParams, request: VendorRequestIn) => Answer> = {
    '/link/events'(parameters, { path }) {
      const page = onward(parameters)
      if (!page) return json(400, { error: 'the cursor is not known' })
      const link = page.cursor && `<${vendor.url}${path}?cursor=${page.cursor}&limit=${sizeOf(parameters)}>; rel="next"`
      return json(200, page.events, link ? { link: `<${vendor.url}${path}>; rel="self", ${link}` } : {})
    },
    '/body-link/events'(parameters, { path }) {
      const page = onward(parameters)
      if (!page) return json(400, { error: 'the cursor is not known' })
      return json(200, { value: page.events, paging: { next: page.cursor ? `${path}?cursor=${page.cursor}` : null } })
    },
    '/cursor/events'(parameters) {
      const page = onward(parameters)
      if (!page) return json(410, { error: 'the cursor is too old' })
      return json(200, { data: { items: page.events }, meta: { 'next/cursor': page.cursor ?? '' } })
    },
    /** A stream: its cursor is a number, there is always one, and it stays where there is nothing new. */
    '/stream/events'(parameters) {
      const from = Number(parameters.get('cursor') ?? 0)
      const all = log.byArrival().map(({ record }) => record)
      const events = all.slice(from, from + sizeOf(parameters))
      return json(200, { events, cursor: from + events.length })
    },
    '/page/events'(parameters) {
      const size = sizeOf(parameters)
      const from = (Number(parameters.get('page') ?? 1) - 1) * size
      return json(200, { events: within(spanOf(parameters)).slice(from, from + size) })
    },
    '/offset/events'(parameters) {
      const from = Number(parameters.get('offset') ?? 0)
      return json(200, { events: within(spanOf(parameters)).slice(from, from + sizeOf(parameters)) })
    },
  }

  return Object.assign(vendor, {
    tokens,
    log,
    forgetCursors() {
      places = new Map()
    },
  })
}

const OPERATIONS: Record<string, string> = {
  'POST /oauth/token': 'token',
  ...Object.fromEntries(
    ['link', 'body-link', 'cursor', 'stream', 'page', 'offset'].flatMap((way) => [
      [`GET /${way}/events`, 'events'],
      [`POST /${way}/events`, 'events'],
    ]),
  ),
}

/** Of the address, or of a body of JSON. */
function parametersOf({ query, body, method }: VendorRequestIn): URLSearchParams {
  if (method === 'GET') return query
  const sent = JSON.parse(body.toString() || '{}') as Record<string, string>
  return new URLSearchParams(Object.entries(sent).map(([name, value]): [string, string] => [name, String(value)]))
}

/** Instants as ISO 8601, or as seconds since 1970. */
function spanOf(parameters: URLSearchParams): Place['span'] {
  const read = (name: string, otherwise: number): number => {
    const value = parameters.get(name)
    if (value === null) return otherwise
    return /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value)
  }
  return { since: read('since', 0), until: read('until', Number.POSITIVE_INFINITY) }
}
