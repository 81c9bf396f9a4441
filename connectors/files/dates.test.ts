import { expect, test } from 'vitest'
import { type DateFormat, parseDate } from './dates.ts'

const read = (text: string, format: DateFormat = 'iso', zone = 'UTC') =>
  parseDate(text, format, zone)?.at.toISOString() ?? null

test('local dates may have a clock of twelve hours', () => {
  const us = (text: string) => read(text, 'MM/DD/YYYY', 'America/Chicago')
  expect(us('3/1/2026 2:15:09 PM')).toBe('2026-03-01T20:15:09.000Z')
  expect(us('03/01/2026 12:05 am')).toBe('2026-03-01T06:05:00.000Z')
  expect(us('03/01/2026, 12:05 P.M.')).toBe('2026-03-01T18:05:00.000Z')
  expect(us('03/01/2026 14:05')).toBe('2026-03-01T20:05:00.000Z')
  for (const wrong of ['3/1/2026 0:15 AM', '3/1/2026 13:15 PM', '3/1/2026 2:15 XM', '13/1/2026 2:15 PM'])
    expect(us(wrong), wrong).toBeNull()
})

test('ISO dates keep milliseconds of any fraction and know a day that does not exist', () => {
  expect(read('2026-04-23T15:18:02.4675041+05:30')).toBe('2026-04-23T09:48:02.467Z')
  expect(read('2026-04-23 15:18:02')).toBe('2026-04-23T15:18:02.000Z')
  expect(read('2026-02-29')).toBeNull()
  for (const last of ['2000-02-29', '2028-02-29', '2026-04-30', '2026-12-31', '2200-12-31', '1900-02-28'])
    expect(read(last), last).toBe(`${last}T00:00:00.000Z`)
  for (const wrong of [
    '1900-02-29',
    '2200-02-29',
    '2026-02-30',
    '2026-04-31',
    '2026-01-32',
    '2026-01-00',
    '2201-01-01',
  ])
    expect([read(wrong), read(`${wrong}T00:00:00.000Z`)], wrong).toEqual([null, null])
  for (const wrong of ['0000-01-01', '9999-12-31', '2026-01-01T24:00:00Z', '2026-01-01T10:00:60Z', ''])
    expect(read(wrong), wrong).toBeNull()
})
test('seconds and milliseconds since 1970', () => {
  expect(read('1763629391', 'unix_seconds')).toBe('2025-11-20T09:03:11.000Z')
  expect(read('1763629391.123', 'unix_seconds')).toBe('2025-11-20T09:03:11.123Z')
  expect(read('1763629391123', 'unix_milliseconds')).toBe('2025-11-20T09:03:11.123Z')
  for (const wrong of ['2025-11-20', '1e9', '', '1763629391123']) expect(read(wrong, 'unix_seconds'), wrong).toBeNull()
})

test('what most logs write is read as any other ISO date', () => {
  // The same instant, written so that it is not what most logs write.
  const oddly = (text: string) => read(text.replace('Z', '+00:00'))
  for (const text of [
    '2026-04-23T15:18:02Z',
    '2026-04-23 15:18:02.467Z',
    '2026-02-29T15:18:02Z',
    '2026-04-23T24:18:02Z',
    '2026-13-23T15:18:02Z',
    '2026-00-23T15:18:02Z',
    '1899-12-31T15:18:02Z',
    '20a6-04-23T15:18:02Z',
    '2026-04-23T15:18:02.4x7Z',
    '2026-04-23T15:18:0 Z',
  ])
    expect(read(text), text).toBe(oddly(text))
  expect(read('2026-04-23T15:18:02.467Z')).toBe('2026-04-23T15:18:02.467Z')
})
