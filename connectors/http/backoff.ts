const BASE_MS = 2_000
const MOST_MS = 5 * 60_000
/** A source may ask for at most so long a wait: a day-long one would be a mistake of its own. */
const RETRY_AFTER_MOST_MS = 15 * 60_000

/** Full jitter: anything up to twice as long as before, so that many readers do not come back at once. `attempt` from 1. */
export const backoffMs = (attempt: number, random: () => number = Math.random): number =>
  Math.round(random() * Math.min(MOST_MS, BASE_MS * 2 ** (attempt - 1)))

/** `Retry-After` in whole seconds or as an HTTP date (RFC 9110, 10.2.3); undefined when there is none that can be read. */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  const value = header.trim()
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), RETRY_AFTER_MOST_MS)
}
