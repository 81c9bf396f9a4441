import { expect, test } from 'vitest'
import { isLate, isSilent, rhythmOf } from './rhythm.ts'

const HOUR = 3_600_000
/** A Monday, so that days count from the start of a week. */
const MONDAY = Date.UTC(2026, 2, 2)
const at = (day: number, hour: number) => new Date(MONDAY + (day * 24 + hour) * HOUR)

/** Hourly from 8 to 18 on working days. */
const office = (weeks: number) =>
  Array.from({ length: weeks * 7 }, (_, day) => day)
    .filter((day) => day % 7 < 5)
    .flatMap((day) => Array.from({ length: 11 }, (_, hour) => at(day, hour + 8)))

test('a weekend without data is no outage', () => {
  const sundayNight = at(3 * 7 + 6, 23)
  const { ageHours, usualHours } = rhythmOf(office(4), sundayNight)
  expect([ageHours, usualHours]).toEqual([53, 53])
  expect(isLate(53, 53)).toBe(false)
})

test('the same silence in the middle of a week is one', () => {
  const arrivals = office(4).filter((each) => each < at(3 * 7 + 1, 12))
  const wednesdayEvening = at(3 * 7 + 2, 18)
  const { ageHours, usualHours } = rhythmOf(arrivals, wednesdayEvening)
  expect([ageHours, usualHours]).toEqual([31, 0])
  expect([isLate(31, 0), isSilent(31, 0)]).toEqual([true, true])
  expect([isLate(3, 0), isSilent(3, 0)]).toEqual([true, false])
})

test('nothing is usual before two weeks are known, nor where nothing came', () => {
  expect(rhythmOf(office(2), at(13, 12)).usualHours).toBeNull()
  expect(rhythmOf([], at(0, 0))).toEqual({ ageHours: null, usualHours: null })
})
