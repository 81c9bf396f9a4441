import type { IncomingMessage } from 'node:http'
import type { VirtualClock } from '../clock.ts'
import { target } from '../faults.ts'

/** One request as a stand-in saw it. Values of parameters and headers are not kept: some are secrets. */
export interface VendorRequest {
  /** By the stand-in's clock. */
  at: Date
  method: string
  path: string
  /** Names of the query's parameters and of the headers, sorted. */
  query: string[]
  headers: string[]
  /** The `Host` that the client meant to reach. */
  host: string
  operation: string
  /** null while unanswered, and for good where a fault left it so. */
  status: number | null
}

/** Every request a stand-in met, in order. */
export class RequestLog {
  readonly requests: VendorRequest[] = []
  readonly #entries = new WeakMap<IncomingMessage, VendorRequest>()
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  met(request: IncomingMessage, operation: string): void {
    const { path, query } = target(request)
    const entry: VendorRequest = {
      at: this.#clock.now(),
      method: request.method ?? 'GET',
      path,
      query: [...new Set(query.keys())].sort(),
      headers: Object.keys(request.headers).sort(),
      host: request.headers.host ?? '',
      operation,
      status: null,
    }
    this.requests.push(entry)
    this.#entries.set(request, entry)
  }

  answered(request: IncomingMessage, status: number | null): void {
    const entry = this.#entries.get(request)
    if (entry) entry.status = status
  }
}
