import type { JSONWebKeySet } from 'jose'
import type { Answer, Fault } from './faults.ts'
import { Timeline } from './vendor/timeline.ts'
import { isValidAssertion, json, TokenOffice } from './vendor/tokens.ts'
import { startVendor, type Vendor, type VendorOptions } from './vendor/vendor.ts'

export const BOX_APP = { subjectId: '440022', clientId: 'sandbox-client', clientSecret: 'sandbox-client-secret' }

type Json = Record<string, any>

const DAY_MS = 86_400_000
/** Where the stream begins: far beyond what a double holds exactly. */
const FIRST_POSITION = 31_152_922_976_252_290_000n

export interface BoxOptions extends VendorOptions {
  /** Default an hour. */
  tokenSeconds?: number
  /** Events of one page at most, whatever the client asks for: short pages before the end. */
  pageEvents?: number
  /** Public keys of apps that sign in by JWT. */
  keys?: JSONWebKeySet
}

export interface Box extends Vendor {
  tokens: TokenOffice
  log: Timeline<Json>
  /** The last event of a page is the first of the next as well. */
  repeats: boolean
  /** Positions of the stream that were handed out are refused from now on. */
  forgetPositions(): void
}

/**
 * Enterprise events of Box at the socket: the stream as events become readable, the log by time.
 * Source: https://developer.box.com/reference/get-events
 */
export async function startBox(options: BoxOptions = {}): Promise<Box> {
  const { pageEvents = 500, tokenSeconds = 3600, keys = { keys: [] } } = options
  const handedOut = new Set<string>()
  const forgotten = new Set<string>()

  const vendor = await startVendor(
    {
      operation: (method, path) => OPERATIONS[`${method} ${path}`] ?? 'unknown',
      handle(request, operation) {
        if (operation === 'token') return tokens.answer(request.body, request.headers)
        if (operation === 'unknown') return worded({ code: 'not_found', status: 404 })
        if (tokens.verdict(request.headers) !== 'valid') return worded({ code: 'unauthorized', status: 401 })
        const stream = request.query.get('stream_type')
        if (stream === 'admin_logs_streaming') return live(request.query)
        return stream === 'admin_logs' ? window(request.query) : worded({ code: 'bad_request', status: 400 })
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
    more: { restricted_to: [] },
    async grants(form) {
      if (form.get('client_id') !== BOX_APP.clientId || form.get('client_secret') !== BOX_APP.clientSecret) return false
      if (form.get('grant_type') === 'client_credentials') {
        return form.get('box_subject_type') === 'enterprise' && form.get('box_subject_id') === BOX_APP.subjectId
      }
      return (
        form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer' &&
        (await isValidAssertion(form.get('assertion'), {
          clock: vendor.clock,
          keys,
          issuer: BOX_APP.clientId,
          audience: `${vendor.url}/oauth2/token`,
          maxLifetimeSeconds: 60,
          clockOffsetMs: vendor.clockOffsetMs,
        }))
      )
    },
  })

  function stage({ availableAt, ...event }: Json): void {
    const at = new Date(event['created_at'])
    if (Number.isNaN(at.getTime())) throw new RangeError('an event needs created_at')
    log.add(event, at, availableAt === undefined ? {} : { availableAt: new Date(availableAt) })
  }

  const sizeOf = (query: URLSearchParams) => Math.min(pageEvents, Number(query.get('limit') ?? 100))

  function live(query: URLSearchParams): Answer {
    const asked = query.get('stream_position') ?? '0'
    const all = log.byArrival()
    const end = FIRST_POSITION + BigInt(all.length)
    if (asked === 'now') return streamed([], end)
    let from = all.findIndex(({ availableAt }) => availableAt.getTime() >= vendor.clock.now().getTime() - 14 * DAY_MS)
    if (from === -1) from = all.length
    if (asked !== '0') {
      if (!/^\d+$/.test(asked) || forgotten.has(asked) || BigInt(asked) > end) {
        return worded({ code: 'bad_request', status: 400 })
      }
      // What is older than the stream keeps is left out without a word.
      from = Math.max(from, Number(BigInt(asked) - FIRST_POSITION))
    }
    const handed = all.slice(from, from + sizeOf(query))
    const again = vendorBox.repeats && from > 0 && handed.length > 0 ? all.slice(from - 1, from) : []
    const next = FIRST_POSITION + BigInt(from + handed.length)
    return streamed(
      [...again, ...handed].map(({ record }) => record),
      next,
    )
  }

  function streamed(entries: Json[], next: bigint): Answer {
    handedOut.add(String(next))
    forgotten.delete(String(next))
    return page(entries, next)
  }

  function window(query: URLSearchParams): Answer {
    const [after, before] = ['created_after', 'created_before'].map((name) => Date.parse(query.get(name) ?? ''))
    if (Number.isNaN(after) || Number.isNaN(before)) return worded({ code: 'bad_request', status: 400 })
    const found = log
      .byTime()
      .filter(({ at }) => at.getTime() >= (after as number) && at.getTime() < (before as number))
      .filter(({ at }) => at.getTime() >= vendor.clock.now().getTime() - 365 * DAY_MS)
    const from = Number(query.get('stream_position') ?? 0)
    const handed = found.slice(from, from + sizeOf(query))
    // The log says "0" when it has nothing more.
    return page(
      handed.map(({ record }) => record),
      handed.length === 0 ? 0n : BigInt(from + handed.length),
    )
  }

  const vendorBox: Box = Object.assign(vendor, {
    tokens,
    log,
    repeats: false,
    forgetPositions() {
      for (const position of handedOut) forgotten.add(position)
    },
  })
  return vendorBox
}

const OPERATIONS: Record<string, string> = { 'POST /oauth2/token': 'token', 'GET /2.0/events': 'events' }

/** The position is a bare number, as the real one often sends it. */
const page = (entries: Json[], next: bigint): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: `{"chunk_size":${entries.length},"next_stream_position":${next},"entries":${JSON.stringify(entries)}}`,
})

function worded({ code, status }: Pick<Fault, 'status'> & { code: string }): Answer {
  const answered = status ?? (code === 'rate_limit_exceeded' ? 429 : code === 'insufficient_scope' ? 403 : 500)
  return json(answered, { type: 'error', status: answered, code, message: code, request_id: 'sandbox' })
}
