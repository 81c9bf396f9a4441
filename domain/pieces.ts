const HOUR_MS = 3_600_000
const QUARTER_MS = HOUR_MS / 4

export interface Piece {
  from: Date
  /** Exclusive. */
  to: Date
}

/**
 * Cuts [from, to) at multiples of so many hours since 1970-01-01T00:00Z, the newest first: what is recent is asked for
 * most. The first and the last piece may be shorter. Empty when `to` is not after `from`.
 */
export function cutRange(from: Date, to: Date, pieceHours: number): Piece[] {
  const step = pieceHours * HOUR_MS
  const pieces: Piece[] = []
  for (let end = to.getTime(); end > from.getTime(); ) {
    const start = Math.max(Math.floor((end - 1) / step) * step, from.getTime())
    pieces.push({ from: new Date(start), to: new Date(end) })
    end = start
  }
  return pieces
}

/** Hours of the day [from, to) in a zone during which something is allowed; over midnight when from > to. */
export interface DailyHours {
  from: number
  to: number
  timeZone: string
}

/** Milliseconds until the hours begin; 0 within them. */
export function untilAllowed({ from, to, timeZone }: DailyHours, now: Date): number {
  const within = (at: Date): boolean => {
    const hour = hourIn(timeZone, at)
    return from < to ? hour >= from && hour < to : hour >= from || hour < to
  }
  if (within(now)) return 0
  // Zones change their clocks, and some are off by quarters: those are tried instead of computing with an offset that may
  // be another one then.
  for (let ahead = 1; ahead <= 26 * (HOUR_MS / QUARTER_MS); ahead += 1) {
    const next = new Date((Math.floor(now.getTime() / QUARTER_MS) + ahead) * QUARTER_MS)
    if (within(next)) return next.getTime() - now.getTime()
  }
  return HOUR_MS
}

const hourIn = (timeZone: string, at: Date): number =>
  Number(new Intl.DateTimeFormat('en-GB', { timeZone, hour: 'numeric', hourCycle: 'h23' }).format(at))
