import type { Random } from '../random.ts'
import { type Employee, PARTS, type Patient } from './people.ts'

/** What every file is written from. */
export interface Story {
  seed: number
  staff: readonly Employee[]
  patients: readonly Patient[]
  /** Oldest first, today excluded. */
  days: readonly string[]
  today: string
}

/** Days before the end on which the intruder worked last. */
export const LAST_DAY = 6

/** Whether somebody is there on a day: most weekdays, few weekends, nobody after the last working day. */
export function worksOn({ days }: Story, index: number, day: string, random: Random): boolean {
  const isWeekend = [0, 6].includes(new Date(`${day}T00:00:00Z`).getUTCDay())
  const works = random.chance(isWeekend ? 0.15 : 0.8)
  return works && !(index === PARTS.intruder && day > (days.at(-LAST_DAY) as string))
}

/** Of the last so many days, those on which somebody stays late. */
export const lateDays = ({ days }: Story): string[] =>
  days.slice(-12).filter((day) => ![0, 6].includes(new Date(`${day}T00:00:00Z`).getUTCDay()))

/** Seconds of a UTC day as a clock shows them. */
export const clock = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(11, 19)
