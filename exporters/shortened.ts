import type { AlertEvent, ExportEvent } from '../domain/alert.ts'

/** A policy's name is cut to this when an event without any evidence is still too long. */
const SHORT_NAME_CHARACTERS = 200

/**
 * Words an event within `maxBytes` of UTF-8. Too long, it loses evidence, the least weighty first and the later one
 * of equals, and `evidence_omitted` counts it; order of the rest is kept. `alsoFits` may ask for more than bytes. Ids, scores and the link always stay. Throws
 * RangeError when even that is too long, which no event of this platform can be.
 */
export function shortened(
  event: ExportEvent,
  maxBytes: number,
  write: (event: ExportEvent) => string,
  alsoFits: (event: ExportEvent) => boolean = () => true,
): string {
  const within = (each: ExportEvent): string | null => {
    const text = write(each)
    return Buffer.byteLength(text) <= maxBytes && alsoFits(each) ? text : null
  }
  const whole = within(event)
  if (whole !== null) return whole
  if (event.type === 'alert') {
    const ranked = event.evidence.map((_, index) => index)
    ranked.sort((a, b) => weight(event, b) - weight(event, a) || a - b)
    let kept = 0
    let tooMany = event.evidence.length
    while (kept + 1 < tooMany) {
      const middle = (kept + tooMany) >> 1
      if (within(keeping(event, ranked, middle)) !== null) kept = middle
      else tooMany = middle
    }
    const least = keeping(event, ranked, kept)
    const text = within(least)
    if (text !== null) return text
    const name = Array.from(event.policy.name).slice(0, SHORT_NAME_CHARACTERS).join('')
    const bare = within({ ...least, policy: { ...event.policy, name: `${name}…` } })
    if (bare !== null) return bare
  }
  throw new RangeError(`event ${event.event_id} cannot be worded within ${maxBytes} bytes`)
}

const weight = (event: AlertEvent, index: number): number => event.evidence[index]?.weight ?? 0

function keeping(event: AlertEvent, ranked: readonly number[], count: number): AlertEvent {
  const kept = new Set(ranked.slice(0, count))
  return {
    ...event,
    evidence: event.evidence.filter((_, index) => kept.has(index)),
    evidence_omitted: event.evidence_omitted + event.evidence.length - count,
  }
}
