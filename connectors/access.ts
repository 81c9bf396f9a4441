import { setTimeout as sleep } from 'node:timers/promises'
import { Budget } from './http/budget.ts'
import type { Token } from './http/token.ts'

/** Requests that a source allows within a time, as its vendor documents it. */
export interface RequestLimit {
  requests: number
  perSeconds: number
  /** A second limit that holds as well, over a longer time. */
  also?: { requests: number; perSeconds: number }
}

/**
 * What all calls of one connector share within a process: its tokens, its request budget, and the clock and the socket
 * by which they reach the source. Secrets are in `tokens` only, and nothing of it is ever stored.
 */
export interface Access {
  /** Milliseconds since the epoch. */
  now(): number
  /** Waits; rejects with the signal's reason when it is aborted. */
  pause(ms: number, signal: AbortSignal): Promise<void>
  fetch: typeof fetch
  /** By what was signed in with. A sign-in under way is shared. */
  tokens: Map<string, Promise<Token>>
  /** Null when the source documents no limit. */
  budget: Budget | null
  /** How far the source's clock is ahead of ours, where a sign-in was refused for it. */
  clockOffsetMs: number
  /** How far the source's clock is ahead of ours, by the date of its newest answer; null before one had a date. */
  aheadMs: number | null
}

export function openAccess(limit: RequestLimit | null = null): Access {
  return {
    now: Date.now,
    pause: async (ms, signal) => {
      await sleep(ms, undefined, { signal }).catch((error) => {
        signal.throwIfAborted()
        throw error
      })
    },
    fetch: (input, init) => fetch(input, init),
    tokens: new Map(),
    budget: limit ? new Budget(limit) : null,
    clockOffsetMs: 0,
    aheadMs: null,
  }
}

/** Keeps how far a clock is ahead that says this date, as HTTP words it, now. */
export function noteDate(access: Access, date: string | null | undefined): void {
  const at = Date.parse(date ?? '')
  if (!Number.isNaN(at)) access.aheadMs = at - access.now()
}

/** The accesses of a process, one per connector, so that imports and checks of one connector share token and budget. */
export class AccessBook {
  readonly #open: typeof openAccess
  readonly #accesses = new Map<string, { access: Access; limit: RequestLimit | null }>()

  constructor(open = openAccess) {
    this.#open = open
  }

  of(connectorId: string, limit: RequestLimit | null = null): Access {
    const known = this.#accesses.get(connectorId)
    if (!known) {
      const access = this.#open(limit)
      this.#accesses.set(connectorId, { access, limit })
      return access
    }
    if (JSON.stringify(known.limit) !== JSON.stringify(limit)) {
      known.access.budget = limit ? new Budget(limit) : null
      known.limit = limit
    }
    return known.access
  }
}
