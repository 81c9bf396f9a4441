import type { Access, RequestLimit } from '../access.ts'

/** Share of a documented limit that is used: other readers of the same account need some of it too. */
const SHARE = 0.9

/** A sliding window over the requests sent: no stretch of `perSeconds` holds more than the allowed ones. */
export class Budget {
  readonly #allowed: number
  readonly #windowMs: number
  /** When the last requests were sent, oldest first. */
  readonly #sent: number[] = []

  constructor({ requests, perSeconds }: RequestLimit) {
    this.#allowed = Math.max(1, Math.floor(requests * SHARE))
    this.#windowMs = perSeconds * 1000
  }

  /** Settles when one more request may be sent, and counts it. */
  async take(access: Pick<Access, 'now' | 'pause'>, signal: AbortSignal): Promise<void> {
    for (;;) {
      const now = access.now()
      while (this.#sent.length > 0 && (this.#sent[0] as number) <= now - this.#windowMs) this.#sent.shift()
      if (this.#sent.length < this.#allowed) {
        this.#sent.push(now)
        return
      }
      await access.pause((this.#sent[0] as number) + this.#windowMs - now, signal)
    }
  }
}
