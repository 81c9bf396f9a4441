import type { AlertEvent, ExportEvent } from '../../domain/alert.ts'

/** Receivers should not have to take more than this in one message. */
export const MAX_BODY_BYTES = 20_000

/** The exact bytes that are signed and sent; the same for every attempt of one delivery. */
export function webhookBody(number: number, event: ExportEvent): string {
  const type = event.type === 'alert' ? `insider_risk.alert.${event.change}` : 'insider_risk.manifest'
  const timestamp = event.type === 'alert' ? event.updated : event.created
  const write = (data: ExportEvent) => JSON.stringify({ type, timestamp, data: { sequence: number, ...data } })
  return shortened(event, write, MAX_BODY_BYTES)
}

/** Leaves out the weightless evidence first until the text fits; `evidence_omitted` says how much was left out. */
export function shortened(event: ExportEvent, write: (event: ExportEvent) => string, maxBytes: number): string {
  const whole = write(event)
  if (event.type !== 'alert' || Buffer.byteLength(whole) <= maxBytes) return whole
  const byWeight = [...event.evidence].sort((a, b) => b.weight - a.weight)
  let [few, many] = [0, byWeight.length]
  const keep = (count: number): AlertEvent => {
    const kept = new Set(byWeight.slice(0, count))
    return {
      ...event,
      evidence: event.evidence.filter((each) => kept.has(each)),
      evidence_omitted: event.evidence.length - count,
    }
  }
  while (few < many) {
    const middle = Math.ceil((few + many) / 2)
    if (Buffer.byteLength(write(keep(middle))) <= maxBytes) few = middle
    else many = middle - 1
  }
  return write(keep(few))
}
