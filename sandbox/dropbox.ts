import { randomBytes } from 'node:crypto'
import type { Answer, Fault } from './faults.ts'
import { Timeline } from './vendor/timeline.ts'
import { json, TokenOffice } from './vendor/tokens.ts'
import { startVendor, type Vendor, type VendorOptions, type VendorRequestIn } from './vendor/vendor.ts'

export const DROPBOX_APP = {
  appKey: 'sandbox-app',
  appSecret: 'sandbox-app-secret',
  refreshToken: 'sandbox-refresh-token',
}

type Json = Record<string, any>

export interface DropboxOptions extends VendorOptions {
  /** Seconds that a token lives; the real one is four hours. */
  tokenSeconds?: number
  /** Events of one page at most, whatever the client asks for. */
  pageEvents?: number
  /** Every so many replies one is empty though there is more, as the real one does. 0: none. */
  emptyEvery?: number
}

export interface Dropbox extends Vendor {
  tokens: TokenOffice
  log: Timeline<Json>
  /** From now on every cursor handed out so far is forgotten. */
  forgetCursors(kind: 'reset' | 'bad_cursor'): void
}

interface Cursor {
  start: number
  end: number | null
  /** The last event handed out: time and place among those of one second. */
  last: { at: number; handed: Set<Json> }
}

/**
 * The team log of Dropbox Business at the socket. A cursor walks by the events' own time, and what becomes readable behind
 * it is never handed out by it: the worst that the documentation leaves open.
 * Source: https://www.dropbox.com/developers/documentation/http/teams#team_log-get_events
 */
export async function startDropbox(options: DropboxOptions = {}): Promise<Dropbox> {
  const { pageEvents = 1000, emptyEvery = 0, tokenSeconds = 14_400 } = options
  const cursors = new Map<string, Cursor>()
  let forgotten: 'reset' | 'bad_cursor' = 'bad_cursor'
  let replies = 0

  const vendor = await startVendor(
    {
      operation: (method, path) => (method !== 'POST' ? 'unknown' : (OPERATIONS[path] ?? 'unknown')),
      handle(request, operation) {
        if (operation === 'token') return tokens.answer(request.body, request.headers)
        if (operation === 'unknown') return json(404, { error_summary: 'not_found/..' })
        const verdict = tokens.verdict(request.headers)
        if (verdict !== 'valid')
          return unauthorized(verdict === 'expired' ? 'expired_access_token' : 'invalid_access_token')
        return operation === 'get_events' ? begin(request) : goOn(request)
      },
      wordFault: worded,
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
      form.get('grant_type') === 'refresh_token' &&
      form.get('refresh_token') === DROPBOX_APP.refreshToken &&
      form.get('client_id') === DROPBOX_APP.appKey &&
      form.get('client_secret') === DROPBOX_APP.appSecret,
  })

  function stage({ availableAt, ...event }: Json): void {
    const at = new Date(event['timestamp'])
    if (Number.isNaN(at.getTime())) throw new RangeError('an event needs a timestamp')
    log.add(event, at, availableAt === undefined ? {} : { availableAt: new Date(availableAt) })
  }

  function begin({ body }: VendorRequestIn): Answer {
    const asked = JSON.parse(body.toString()) as Json
    const start = Date.parse(asked['time']?.['start_time'] ?? '1970-01-01T00:00:00Z')
    const end = asked['time']?.['end_time'] === undefined ? null : Date.parse(asked['time']['end_time'])
    if (Number.isNaN(start) || Number.isNaN(end ?? 0) || (end !== null && end <= start)) {
      return conflict('invalid_time_range')
    }
    return page({ start, end, last: { at: start, handed: new Set() } }, asked['limit'])
  }

  function goOn({ body }: VendorRequestIn): Answer {
    const cursor = cursors.get((JSON.parse(body.toString()) as Json)['cursor'])
    if (!cursor) {
      return forgotten === 'reset'
        ? json(409, { error_summary: 'reset/..', error: { '.tag': 'reset', reset: lastHanded() } })
        : conflict('bad_cursor')
    }
    return page(cursor, undefined)
  }

  let handedUpTo = 0
  const lastHanded = () => `${new Date(handedUpTo).toISOString().slice(0, 19)}Z`

  function page(cursor: Cursor, limit: number | undefined): Answer {
    replies += 1
    const { last } = cursor
    const ahead = log
      .byTime()
      .filter(({ record, at }) => {
        const second = Math.floor(at.getTime() / 1000) * 1000
        return second >= last.at && !last.handed.has(record) && (cursor.end === null || second < cursor.end)
      })
      .filter(({ behindCursor }) => cursor.end !== null || !behindCursor)
    const size = Math.min(pageEvents, limit ?? pageEvents)
    const isEmpty = emptyEvery > 0 && replies % emptyEvery === 0 && ahead.length > 0
    const handed = isEmpty ? [] : ahead.slice(0, size)
    const next: Cursor = { ...cursor, last: { at: last.at, handed: new Set(last.handed) } }
    for (const { record, at } of handed) {
      next.last.at = Math.max(next.last.at, Math.floor(at.getTime() / 1000) * 1000)
      next.last.handed.add(record)
      handedUpTo = Math.max(handedUpTo, at.getTime())
    }
    const name = `AAF9${randomBytes(12).toString('base64url')}`
    cursors.set(name, next)
    return json(200, {
      events: handed.map(({ record }) => record),
      cursor: name,
      has_more: ahead.length > handed.length,
    })
  }

  return Object.assign(vendor, {
    tokens,
    log,
    forgetCursors(kind: 'reset' | 'bad_cursor') {
      forgotten = kind
      cursors.clear()
    },
  })
}

const OPERATIONS: Record<string, string> = {
  '/oauth2/token': 'token',
  '/2/team_log/get_events': 'get_events',
  '/2/team_log/get_events/continue': 'continue',
}

const unauthorized = (tag: string): Answer => json(401, { error_summary: `${tag}/..`, error: { '.tag': tag } })
const conflict = (tag: string): Answer => json(409, { error_summary: `${tag}/..`, error: { '.tag': tag } })

function worded({ code, status }: Fault & { code: string }): Answer {
  if (code === 'missing_scope') {
    return json(401, {
      error_summary: 'missing_scope/..',
      error: { '.tag': 'missing_scope', required_scope: 'events.read' },
    })
  }
  if (code === 'expired_access_token') return unauthorized(code)
  if (code === 'too_many_requests') {
    return json(429, { error_summary: 'too_many_requests/..', error: { reason: { '.tag': code }, retry_after: 15 } })
  }
  return json(status ?? 500, { error_summary: `${code}/..`, error: { '.tag': code } })
}
