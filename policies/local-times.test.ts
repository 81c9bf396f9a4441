import fc from 'fast-check'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { testDatabase } from '../test/harness/database.ts'
import { LocalTimes } from './local-times.ts'

const DAY_MS = 86_400_000
/** Whole hours, half and quarter ones, and one whose summer time is half an hour. */
const ZONES = ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Apia']
const FIRST = Date.parse('1973-01-01T00:00:00Z')
const LAST = Date.parse('2101-01-01T00:00:00Z')
/** Around changes of the clock, and the day that Samoa left out. */
const ODD = ['2026-03-29T00:59:59.999Z', '2026-03-29T01:00:00Z', '2026-04-04T15:00:00Z', '2011-12-30T10:00:00Z']

test('hours and weekdays are those of the database, in any zone', async () => {
  await using t = await testDatabase()
  const times = new LocalTimes(ZONES)
  const instant = fc.oneof(fc.integer({ min: FIRST, max: LAST }), fc.constantFrom(...ODD.map(Date.parse)))
  await fc.assert(
    fc.asyncProperty(fc.array(instant, { minLength: 50, maxLength: 200 }), async (instants) => {
      const days = instants.map((ms) => Math.floor(ms / DAY_MS))
      await times.learn(t.db, days)
      expect(days.every((day) => times.knows(day))).toBe(true)
      const { rows } = await sql<{ ms: string; zone: string; hour: number; weekday: number }>`
        select ms, zone, extract(hour from at at time zone zone)::int as hour,
               extract(isodow from at at time zone zone)::int as weekday
        from unnest(${instants}::bigint[]) as ms cross join lateral to_timestamp(ms / 1000.0) as at
        cross join unnest(${ZONES}::text[]) as zone`.execute(t.db)
      for (const { ms, zone, hour, weekday } of rows)
        expect([ms, zone, times.hourOf(zone, Number(ms)), times.weekdayOf(zone, Number(ms))]).toEqual([
          ms,
          zone,
          hour,
          weekday,
        ])
    }),
    { numRuns: 20 },
  )
})

test('days are learned once, and those before clocks changed at whole quarters never', async () => {
  await using t = await testDatabase()
  const times = new LocalTimes(['Africa/Monrovia'])
  const days = [FIRST / DAY_MS - 1, FIRST / DAY_MS]
  await times.learn(t.db, days)
  expect(days.map((day) => times.knows(day))).toEqual([false, true])
  expect(new LocalTimes(['UTC']).knows(-1)).toBe(true)
})
