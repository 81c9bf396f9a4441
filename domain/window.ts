/** Calendar days are UTC and written `YYYY-MM-DD`, so they compare as text. */

const DAY_MS = 86_400_000

export const dayOf = (instant: Date): string => instant.toISOString().slice(0, 10)

export const addDays = (day: string, days: number): string =>
  dayOf(new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS))

/** Days from the first to the second; negative when the second is earlier. */
export const daysBetween = (from: string, to: string): number =>
  (Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY_MS

export const minDay = (a: string, b: string): string => (a < b ? a : b)
export const maxDay = (a: string, b: string): string => (a > b ? a : b)
