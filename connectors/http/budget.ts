import type { Access, RequestLimit } from '../access.ts'

/** Share of a documented limit that is used: other readers of the same account need some of it too. */
const SHARE = 0.9

/** A sliding window over the requests sent: no stretch of it holds more than the allowed ones. */
class Window {
  readonly #allowed: number
  readonly #windowMs: number
  /** When the last requests were sent, oldest first. */
  readonly #sent: number[] = []

  constructor({ requests, perSeconds }: Pick<RequestLimit, 'requests' | 'perSeconds'>) {
    this.#allowed = Math.max(1, Math.floor(requests * SHARE))
    this.#windowMs = perSeconds * 1000
  }

  /** Milliseconds until one more request may be sent. */
  waitMs(now: number): number {
    while (this.#sent.length > 0 && (this.#sent[0] as number) <= now - this.#windowMs) this.#sent.shift()
    return this.#sent.length < this.#allowed ? 0 : (this.#sent[0] as number) + this.#windowMs - now
  }

  count(now: number): void {
    this.#sent.push(now)
  }
}

/** What a source allows, over one time or two. */
export class Budget {
  readonly #windows: readonly Window[]

  constructor(limit: RequestLimit) {
    this.#windows = [limit, ...(limit.also ? [limit.also] : [])].map((each) => new Window(each))
  }

  /** Settles when one more request may be sent, and counts it. */
  async take(access: Pick<Access, 'now' | 'pause'>, signal: AbortSignal): Promise<void> {
    for (;;) {
      const now = access.now()
      const waitMs = Math.max(...this.#windows.map((window) => window.waitMs(now)))
      if (waitMs <= 0) {
        for (const window of this.#windows) window.count(now)
        return
      }
      await access.pause(waitMs, signal)
    }
  }
}
