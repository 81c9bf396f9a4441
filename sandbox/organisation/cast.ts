import { COUNTRIES, type Country } from './names.ts'
import type { Role } from './people.ts'
import { hashOf } from './random.ts'

/** Fewer people could not fill the parts. */
export const PEOPLE_AT_LEAST = 30

const ORDINARY_LEAVERS = 3
const RELEASE_TEAM = 10
const TRAVELLERS = 3

/** Who plays what: index → part; everybody else is an employee. Ends at people who are found anywhere in the organisation. */
export function castOf(seed: number, people: number): Map<number, Role> {
  const cast = new Map<number, Role>()
  let at = hashOf(`cast${seed}`) % people
  const give = (role: Role, from?: Country): void => {
    for (let tried = 0; tried < people; tried += 1) {
      at = (at + 1) % people
      if (cast.has(at) || (from !== undefined && COUNTRIES[at % COUNTRIES.length] !== from)) continue
      cast.set(at, role)
      return
    }
  }
  // Night in Germany is night in UTC, so that this one cannot be explained by a time zone.
  give('leaver-taking', 'DE')
  give('leaver-handing-over', 'GB')
  for (let index = 0; index < ORDINARY_LEAVERS; index += 1) give('leaver-ordinary')
  give('migrating', 'PL')
  for (let index = 0; index < TRAVELLERS; index += 1) give('travelling')
  for (let index = 0; index < Math.min(RELEASE_TEAM, Math.floor(people / 6)); index += 1) give('releasing')
  return cast
}

const DAY_MS = 86_400_000

/** When things happen, counted back from the end of the story. UTC days. */
export interface Calendar {
  /** First instant with activity, a midnight. */
  from: Date
  until: Date
  migration: Date
  release: Date
  travel: { from: Date; to: Date }
  /** The taking leaver gives notice this day. */
  notice: Date
  /** Another leaver downloads what a colleague will need. */
  handover: Date
  lastDay: Date
}

/** Shorter stories would leave no history to compare with. */
export const WEEKS_AT_LEAST = 4

export function calendarOf(weeks: number, until: Date): Calendar {
  const today = Math.floor(until.getTime() / DAY_MS) * DAY_MS
  const back = (days: number): Date => new Date(today - days * DAY_MS)
  /** The last working day at or before. */
  const working = (days: number): Date => {
    const day = back(days)
    const weekday = day.getUTCDay()
    return back(days + (weekday === 6 ? 1 : weekday === 0 ? 2 : 0))
  }
  return {
    from: back(weeks * 7),
    until,
    migration: working(13),
    release: working(6),
    travel: { from: back(12), to: back(5) },
    notice: working(8),
    handover: working(4),
    lastDay: new Date(today + 6 * DAY_MS),
  }
}
