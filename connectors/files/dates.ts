/** Dates as people and systems write them in files. */

/** The last two count from 1970-01-01T00:00:00Z. */
export const DATE_FORMATS = [
  'iso',
  'DD.MM.YYYY',
  'DD/MM/YYYY',
  'MM/DD/YYYY',
  'YYYY/MM/DD',
  'unix_seconds',
  'unix_milliseconds',
] as const
export type DateFormat = (typeof DATE_FORMATS)[number]

const UNIX_MS = { unix_seconds: 1_000, unix_milliseconds: 1 } as const
type Counted = keyof typeof UNIX_MS
type Local = Exclude<DateFormat, 'iso' | Counted>
const isCounted = (format: DateFormat): format is Counted => format in UNIX_MS

const FIRST_YEAR = 1900
const LAST_YEAR = 2200

const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i
const LOCAL: Record<Local, { pattern: RegExp; order: readonly ['y' | 'm' | 'd', 'y' | 'm' | 'd', 'y' | 'm' | 'd'] }> = {
  'DD.MM.YYYY': {
    pattern: /^(\d{1,2})\.(\d{1,2})\.(\d{4})(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s*([AP])\.?M\.?)?)?$/i,
    order: ['d', 'm', 'y'],
  },
  'DD/MM/YYYY': {
    pattern: /^(\d{1,2})\/(\d{1,2})\/(\d{4})(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s*([AP])\.?M\.?)?)?$/i,
    order: ['d', 'm', 'y'],
  },
  'MM/DD/YYYY': {
    pattern: /^(\d{1,2})\/(\d{1,2})\/(\d{4})(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s*([AP])\.?M\.?)?)?$/i,
    order: ['m', 'd', 'y'],
  },
  'YYYY/MM/DD': {
    pattern: /^(\d{4})\/(\d{1,2})\/(\d{1,2})(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s*([AP])\.?M\.?)?)?$/i,
    order: ['y', 'm', 'd'],
  },
}

export interface ParsedDate {
  at: Date
  /** True when the text had no zone and the assumed one was used. */
  zoneAssumed: boolean
}

interface Parts {
  y: number
  m: number
  d: number
  hour: number
  minute: number
  second: number
  ms: number
  offset: string | undefined
}

const DIGIT_0 = 0x30

/** The digits from a place on as a number; NaN where one of them is none. */
function digits(text: string, from: number, count: number): number {
  let value = 0
  for (let at = from; at < from + count; at += 1) {
    const digit = text.charCodeAt(at) - DIGIT_0
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

/**
 * The wall clock of `2026-03-02T00:00:00`, three digits of milliseconds and `Z` or none, which most logs write; NaN for
 * anything else. No object is made for it: a log has millions.
 */
function plainIso(text: string): number {
  const length = text.endsWith('Z') ? text.length - 1 : text.length
  if ((length !== 19 && length !== 23) || (text[10] !== 'T' && text[10] !== ' ')) return Number.NaN
  if (text[4] !== '-' || text[7] !== '-' || text[13] !== ':' || text[16] !== ':') return Number.NaN
  if (length === 23 && text[19] !== '.') return Number.NaN
  const ms = length === 23 ? digits(text, 20, 3) : 0
  return (
    dayStart(digits(text, 0, 4), digits(text, 5, 2), digits(text, 8, 2)) +
    timeOfDay(digits(text, 11, 2), digits(text, 14, 2), digits(text, 17, 2), ms)
  )
}

/** When the day begins by UTC; NaN for one that does not exist, or of a year outside 1900–2200. */
function dayStart(year: number, month: number, day: number): number {
  const exists = year >= FIRST_YEAR && year <= LAST_YEAR && month >= 1 && month <= 12 && day >= 1
  // Day 0 of the next month is the last one of this.
  if (!exists || (day > 28 && day > new Date(Date.UTC(year, month, 0)).getUTCDate())) return Number.NaN
  return Date.UTC(year, month - 1, day)
}

/** Milliseconds since the day began; NaN for a time that no clock shows. */
const timeOfDay = (hour: number, minute: number, second: number, ms: number): number =>
  hour <= 23 && minute <= 59 && second <= 59 ? ((hour * 60 + minute) * 60 + second) * 1000 + ms : Number.NaN

/** Null when the text is no date in the format, names a day that does not exist, or a year outside 1900–2200. */
export function parseDate(text: string, format: DateFormat, assumedZone: string): ParsedDate | null {
  const trimmed = text.trim()
  if (isCounted(format)) return counted(trimmed, UNIX_MS[format])
  const plain = format === 'iso' ? plainIso(trimmed) : Number.NaN
  if (!Number.isNaN(plain)) return instantOf(plain, trimmed.endsWith('Z') ? 'Z' : undefined, assumedZone)
  const parts = format === 'iso' ? isoParts(trimmed) : localParts(trimmed, format)
  if (!parts) return null
  const wall = dayStart(parts.y, parts.m, parts.d) + timeOfDay(parts.hour, parts.minute, parts.second, parts.ms)
  return Number.isNaN(wall) ? null : instantOf(wall, parts.offset, assumedZone)
}

function instantOf(wall: number, offset: string | undefined, assumedZone: string): ParsedDate {
  const ahead = offset === undefined ? zoneOffsetMs(wall, assumedZone) : offsetMs(offset)
  return { at: new Date(wall - ahead), zoneAssumed: offset === undefined }
}

/** The same wall clock in ISO 8601, without a zone unless it is a count; null when the text is no date in the format. */
export function isoTextOf(text: string, format: Exclude<DateFormat, 'iso'>): string | null {
  const read = parseDate(text, format, 'UTC')
  if (read !== null && isCounted(format)) return read.at.toISOString()
  return read === null ? null : read.at.toISOString().slice(0, text.includes(':') ? 19 : 10)
}

function counted(text: string, unitMs: number): ParsedDate | null {
  if (!/^-?\d{1,13}(\.\d{1,9})?$/.test(text)) return null
  const at = new Date(Math.round(Number(text) * unitMs))
  const year = at.getUTCFullYear()
  return year >= FIRST_YEAR && year <= LAST_YEAR ? { at, zoneAssumed: false } : null
}

function isoParts(text: string): Parts | null {
  const found = ISO.exec(text)
  if (!found) return null
  const [, y, m, d, hour, minute, second, fraction, offset] = found
  return {
    y: Number(y),
    m: Number(m),
    d: Number(d),
    hour: Number(hour ?? 0),
    minute: Number(minute ?? 0),
    second: Number(second ?? 0),
    ms: Math.floor(Number(`0.${fraction ?? 0}`) * 1000),
    offset,
  }
}

function localParts(text: string, format: Local): Parts | null {
  const { pattern, order } = LOCAL[format]
  const found = pattern.exec(text)
  if (!found) return null
  const day = Object.fromEntries(order.map((name, index) => [name, Number(found[index + 1])])) as {
    y: number
    m: number
    d: number
  }
  const [clock, minute, second] = [found[4], found[5], found[6]].map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
  ]
  const hour = hourOf(clock, found[7])
  return hour === null ? null : { ...day, hour, minute, second, ms: 0, offset: undefined }
}

/** Of 24 hours, from a clock of 12 where the text says which half of the day; null for an hour that no clock shows. */
function hourOf(clock: number, half: string | undefined): number | null {
  if (half === undefined) return clock
  if (clock < 1 || clock > 12) return null
  return (clock % 12) + (half.toLowerCase() === 'p' ? 12 : 0)
}

function offsetMs(offset: string): number {
  if (offset === 'Z' || offset === 'z') return 0
  const sign = offset.startsWith('-') ? -1 : 1
  const digits = offset.replace(/\D/g, '')
  return sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))) * 60_000
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** How far the zone is ahead of UTC at a wall-clock time; at a change of clocks the earlier reading. */
function zoneOffsetMs(wall: number, zone: string): number {
  if (zone === 'UTC') return 0
  const at = (instant: number): number => {
    let format = formats.get(zone)
    if (!format) {
      format = new Intl.DateTimeFormat('en-US', {
        timeZone: zone,
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      })
      formats.set(zone, format)
    }
    const part = Object.fromEntries(
      format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]),
    ) as Record<string, number>
    const read = Date.UTC(
      part['year'] as number,
      (part['month'] as number) - 1,
      part['day'],
      part['hour'],
      part['minute'],
      part['second'],
    )
    return read - Math.floor(instant / 1000) * 1000
  }
  return at(wall - at(wall))
}
