import { createServer, type IncomingMessage } from 'node:http'
import { VirtualClock } from '../clock.ts'
import { type Answer, type Fault, Faults, readBody, serve, target } from '../faults.ts'
import { listen } from '../listening.ts'
import { RequestLog, type VendorRequest } from './requests.ts'
import { json } from './tokens.ts'

const MAX_BODY_BYTES = 1024 * 1024
/** Below this path a person or a test steers the stand-in. */
const CONTROL = '/_control'

export interface VendorRequestIn {
  method: string
  path: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
  body: Buffer
}

export interface VendorRoutes {
  /** The operation a request is for; faults and the request log name it. `unknown` where there is none. */
  operation(method: string, path: string): string
  handle(request: VendorRequestIn, operation: string): Promise<Answer> | Answer
  /** Words a fault that names the vendor's own error code. */
  wordFault?(fault: Fault & { code: string }): Answer
  /** Stages the events of a control request. Throws RangeError where one does not fit. */
  stage?(events: readonly unknown[]): void
  /** Sets what an admin of the vendor would: permissions, licences. Throws RangeError for what there is none of. */
  set?(state: Record<string, unknown>): void
}

export interface VendorOptions {
  clock?: VirtualClock
  /** Default 0: a free one. */
  port?: number
}

export interface Vendor extends AsyncDisposable {
  url: string
  port: number
  clock: VirtualClock
  faults: Faults
  requests: VendorRequest[]
  /** The vendor's own clock relative to `clock`, as its `Date` header tells it. Milliseconds, default 0. */
  clockOffsetMs: number
  /** The clock moves on by so much with every request: a source that takes its time. Milliseconds, default 0. */
  tickMs: number
  close(): Promise<void>
}

/**
 * What every vendor's stand-in is made of: real HTTP on 127.0.0.1, armed faults, a request log, a clock of its own, and
 * `/_control` to steer them from outside:
 * `POST /_control/clock {"set": "2026-11-20T09:00:00Z"}` or `{"advanceMs": 60000}` · `POST /_control/events [ … ]` ·
 * `POST /_control/state {"roles": []}` · `POST /_control/faults {"match": "events", "status": 503, "times": 2}` · `DELETE /_control/faults` · `GET /_control/requests`
 */
export async function startVendor(
  routes: VendorRoutes,
  { clock = new VirtualClock(), port = 0 }: VendorOptions = {},
): Promise<Vendor> {
  const faults = new Faults()
  const log = new RequestLog(clock)

  const vendorRoutes = serve({
    faults,
    operation(request) {
      const operation = routes.operation(request.method ?? 'GET', target(request).path)
      if (vendor.tickMs > 0) clock.advance(vendor.tickMs)
      log.met(request, operation)
      return operation
    },
    async handle(request) {
      const { path, query } = target(request)
      const method = request.method ?? 'GET'
      const body = await readBody(request, MAX_BODY_BYTES)
      if (body === null) return dated(json(413, { error: 'too large' }))
      const operation = routes.operation(method, path)
      return dated(await routes.handle({ method, path, query, headers: request.headers, body }, operation))
    },
    answered: (request, status) => log.answered(request, status),
    ...(routes.wordFault
      ? { wordFault: (_, fault) => dated((routes.wordFault as NonNullable<typeof routes.wordFault>)(fault)) }
      : {}),
  })
  const controlRoutes = serve({
    faults: new Faults(),
    operation: () => 'control',
    handle: (request) => control(request, { clock, faults, requests: log.requests, routes }),
  })
  const dated = (answer: Answer): Answer => ({
    ...answer,
    headers: { date: new Date(clock.now().getTime() + vendor.clockOffsetMs).toUTCString(), ...answer.headers },
  })

  const listening = await listen(
    createServer((request, response) =>
      (target(request).path.startsWith(`${CONTROL}/`) ? controlRoutes : vendorRoutes)(request, response),
    ),
    port,
  )
  const vendor: Vendor = {
    url: `http://127.0.0.1:${listening.port}`,
    port: listening.port,
    clock,
    faults,
    requests: log.requests,
    clockOffsetMs: 0,
    tickMs: 0,
    close: listening.close,
    [Symbol.asyncDispose]: listening.close,
  }
  return vendor
}

/** For a vendor whose state is members of its own: sets those that may be set. */
export function setMembers<T extends object>(vendor: T, may: readonly (keyof T & string)[], state: Partial<T>): void {
  for (const name of Object.keys(state)) {
    if (!may.includes(name as keyof T & string)) throw new RangeError(`there is no ${name}, only ${may.join(', ')}`)
  }
  Object.assign(vendor, state)
}

interface Steered {
  clock: VirtualClock
  faults: Faults
  requests: VendorRequest[]
  routes: VendorRoutes
}

async function control(request: IncomingMessage, { clock, faults, requests, routes }: Steered): Promise<Answer> {
  const asked = `${request.method} ${target(request).path.slice(CONTROL.length)}`
  try {
    const body = (await readBody(request, MAX_BODY_BYTES * 16)) ?? Buffer.alloc(0)
    const sent = body.length > 0 ? JSON.parse(body.toString()) : undefined
    if (asked === 'GET /requests') return json(200, requests)
    if (asked === 'DELETE /faults') {
      faults.clear()
      return { status: 204 }
    }
    if (asked === 'POST /faults') {
      faults.next(sent as Fault)
      return { status: 204 }
    }
    if (asked === 'POST /clock') {
      if (sent?.set !== undefined) clock.set(sent.set)
      if (sent?.advanceMs !== undefined) clock.advance(sent.advanceMs)
      return json(200, { now: clock.now() })
    }
    if (asked === 'POST /events' && routes.stage && Array.isArray(sent)) {
      routes.stage(sent)
      return { status: 204 }
    }
    if (asked === 'POST /state' && routes.set) {
      routes.set(sent)
      return { status: 204 }
    }
    return json(404, { error: `there is no control ${asked}` })
  } catch (error) {
    return json(400, { error: String(error) })
  }
}
