import type { DeliveryOutcome } from './exporter.ts'

/** Longest wait that a receiver may ask for; it asks again if it needs longer. */
export const MAX_RETRY_AFTER_MS = 15 * 60_000

/** Below 500 these say "not now"; everything else there says "not so". */
const NOT_NOW: ReadonlySet<number> = new Set([408, 425, 429])

/** What a status and its `Retry-After` mean for a delivery. The answer's body is not looked at. */
export function httpOutcome(status: number, retryAfter: string | undefined, now = Date.now()): DeliveryOutcome {
  const responseCode = String(status)
  if (status >= 200 && status < 300) return { state: 'accepted', responseCode }
  const detail = `the receiver answered ${status}`
  if (NOT_NOW.has(status) || (status >= 500 && status < 600)) {
    const retryAfterMs = retryAfterOf(retryAfter, now)
    return { state: 'retry', responseCode, detail, ...(retryAfterMs === null ? {} : { retryAfterMs }) }
  }
  return { state: 'refused', responseCode, detail, fix: fixOf(status) }
}

/** Milliseconds to wait, 0..MAX_RETRY_AFTER_MS; null where the header is absent or is neither seconds nor a date. */
export function retryAfterOf(header: string | undefined, now = Date.now()): number | null {
  if (header === undefined) return null
  const text = header.trim()
  // Date.parse takes almost anything; an HTTP date begins with a day's name (RFC 9110 §5.6.7).
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : /^[A-Z][a-z]+,? /.test(text) ? Date.parse(text) - now : NaN
  return Number.isNaN(wait) ? null : Math.min(Math.max(wait, 0), MAX_RETRY_AFTER_MS)
}

function fixOf(status: number): string {
  switch (status) {
    case 401:
      return 'Give both sides the same signing secret; then resume.'
    case 403:
      return 'Let the receiver accept requests of this platform; then resume.'
    case 404:
      return "Correct the destination's address; then resume."
    case 410:
      return 'The receiver wants no more messages: enter another address and resume, or retire the destination.'
    case 413:
      return 'Let the receiver take messages of 20,000 bytes; then resume.'
    default:
      return status >= 300 && status < 400
        ? 'Enter the address that the receiver redirects to, since redirects are not followed; then resume.'
        : 'Look into the log of the receiver for the reason, correct it or the address; then resume.'
  }
}
