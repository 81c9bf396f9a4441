/** A date and time as the sources write it: any number of fractional digits, an offset with or without colon, or none. */
const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,12}))?)?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?$/i
/** Salesforce's `TIMESTAMP`: always GMT. */
const COMPACT = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(?:\.(\d{1,12}))?$/

export interface InstantOptions {
  /** What a time without a zone means; without this it is none. */
  assume?: 'UTC'
}

/**
 * The one parser of times that connectors use. Texts in ISO 8601 or `YYYYMMDDhhmmss.SSS` (GMT); milliseconds are what is
 * kept. Null when the value is no time, names a day that does not exist, or has no zone and none is assumed.
 */
export function instantOf(value: unknown, { assume }: InstantOptions = {}): Date | null {
  if (typeof value !== 'string') return null
  const compact = COMPACT.exec(value)
  const found = compact ?? ISO.exec(value)
  if (!found) return null
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = ''] = found
  const zone = compact ? 'Z' : (found[8] ?? (assume === 'UTC' ? 'Z' : undefined))
  if (zone === undefined) return null
  const parts = [year, month, day, hour, minute, second].map(Number) as [number, number, number, number, number, number]
  const ms = Number(fraction.slice(0, 3).padEnd(3, '0'))
  const local = Date.UTC(parts[0], parts[1] - 1, parts[2], parts[3], parts[4], parts[5], ms)
  const read = new Date(local)
  const exists =
    read.getUTCMonth() === parts[1] - 1 && read.getUTCDate() === parts[2] && read.getUTCHours() === parts[3] % 24
  if (!exists || parts[3] > 23 || parts[4] > 59 || parts[5] > 60) return null
  return new Date(local - offsetMs(zone))
}

function offsetMs(zone: string): number {
  if (zone.toUpperCase() === 'Z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(3).replace(':', '') || 0)
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000
}

/** Whole seconds, as vendors want them in queries: `2026-11-20T09:03:11Z`. */
export const toSeconds = (at: Date | number): string => `${new Date(at).toISOString().slice(0, 19)}Z`
