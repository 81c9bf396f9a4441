/** Freshness by a source's own rhythm: how old its newest data usually is at this hour of the week. */

const HOUR_MS = 3_600_000
const WEEK_MS = 7 * 24 * HOUR_MS
/** Weeks that are looked back at, and how many of them have to be known. */
const WEEKS = 8
const LEAST_WEEKS = 2
export const RHYTHM_DAYS = WEEKS * 7 + 7

export interface Rhythm {
  /** Since the newest arrival; null when nothing ever came. */
  ageHours: number | null
  /** The greatest age at this hour of the week in the weeks before; null while too few are known. */
  usualHours: number | null
}

/** From the instants at which data came, in any order. A source that rests at weekends is old on Sundays each week. */
export function rhythmOf(arrivals: readonly Date[], now: Date): Rhythm {
  const times = arrivals.map((each) => each.getTime()).sort((a, b) => a - b)
  const first = times[0]
  if (first === undefined) return { ageHours: null, usualHours: null }
  const ageAt = (moment: number): number => {
    const last = times.findLast((time) => time <= moment)
    return last === undefined ? Number.NaN : (moment - last) / HOUR_MS
  }
  const usual: number[] = []
  for (let week = 1; week <= WEEKS; week += 1) {
    const age = ageAt(now.getTime() - week * WEEK_MS)
    if (!Number.isNaN(age)) usual.push(age)
  }
  return {
    ageHours: ageAt(now.getTime()),
    usualHours: usual.length < LEAST_WEEKS ? null : Math.max(...usual),
  }
}

/** Late is half as old again as usual and two hours; silent is three times as old and a day. */
export const isLate = (ageHours: number, usualHours: number): boolean =>
  ageHours > Math.max(usualHours * 1.5, usualHours + 2)
export const isSilent = (ageHours: number, usualHours: number): boolean =>
  ageHours > Math.max(usualHours * 3, usualHours + 24)
