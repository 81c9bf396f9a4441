import { sql } from 'kysely'
import { days as dayNumbers } from '../db/binary.ts'
import type { Connection } from '../db/connection.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const QUARTER_MS = 900_000
const QUARTERS_A_DAY = 96
/** 1973-01-01. Before, clocks were set forward and back at odd minutes. */
const FIRST_DAY = 1_096
const DAYS_AT_MOST = 4_000

/**
 * How far zones are ahead of UTC on some days, as the database knows them: what is counted here has to end as it does
 * there, and both have tables of their own.
 */
export class LocalTimes {
  readonly #zones: readonly string[]
  /** Zone → day → milliseconds ahead, by quarters of an hour. */
  readonly #ahead = new Map<string, Map<number, Int32Array>>()
  #known = new Set<number>()

  constructor(zones: Iterable<string>) {
    this.#zones = [...new Set(zones)].filter((zone) => zone !== 'UTC')
  }

  /** Whether `hourOf` and `weekdayOf` answer for a UTC day, counted from 1970-01-01. */
  knows(day: number): boolean {
    return this.#zones.length === 0 || this.#known.has(day)
  }

  /** Asks for the days that are not known; those before 1973 stay unknown. */
  async learn(db: Connection, days: Iterable<number>): Promise<void> {
    const asked = [...new Set(days)].filter((day) => day >= FIRST_DAY && !this.knows(day))
    if (asked.length === 0) return
    if (this.#known.size + asked.length > DAYS_AT_MOST) this.#forget()
    const { rows } = await sql<{ zone: string; day: number; ahead: number[] }>`
      select zone, day - date '1970-01-01' as day, array_agg(
        extract(epoch from (quarter at time zone zone) - (quarter at time zone 'UTC'))::int * 1000 order by quarter) as ahead
      from unnest(${this.#zones}::text[]) as zone
      cross join unnest(${dayNumbers(asked.length, (n) => asked[n] as number)}::date[]) as day
      cross join lateral generate_series(
        day::timestamp at time zone 'UTC', (day::timestamp at time zone 'UTC') + interval '23:45', interval '15 minutes'
      ) as quarter
      group by 1, 2`.execute(db)
    for (const { zone, day, ahead } of rows) {
      const known = this.#ahead.get(zone) ?? new Map<number, Int32Array>()
      this.#ahead.set(zone, known.set(day, Int32Array.from(ahead)))
    }
    for (const day of asked) this.#known.add(day)
  }

  #forget(): void {
    this.#ahead.clear()
    this.#known = new Set()
  }

  /** Hour of the day, 0 to 23; null where it is not known. */
  hourOf(zone: string, ms: number): number | null {
    const local = this.#local(zone, ms)
    return local === null ? null : Math.floor((local - Math.floor(local / DAY_MS) * DAY_MS) / HOUR_MS)
  }

  /** ISO weekday, 1 for Monday; null where it is not known. */
  weekdayOf(zone: string, ms: number): number | null {
    const local = this.#local(zone, ms)
    if (local === null) return null
    // 1970-01-01 was a Thursday.
    const since = (Math.floor(local / DAY_MS) + 3) % 7
    return (since < 0 ? since + 7 : since) + 1
  }

  #local(zone: string, ms: number): number | null {
    if (zone === 'UTC') return ms
    const day = Math.floor(ms / DAY_MS)
    const ahead = this.#ahead.get(zone)?.get(day)?.[Math.floor(ms / QUARTER_MS) - day * QUARTERS_A_DAY]
    return ahead === undefined ? null : ms + ahead
  }
}
