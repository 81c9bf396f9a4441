import { sql } from 'kysely'
import type { StoredRows } from '../db/activity-rows.ts'
import { bigints, bools, days } from '../db/binary.ts'
import type { Connection } from '../db/connection.ts'
import { MeetingTable } from './meeting-table.ts'

const DAY_MS = 86_400_000

/** The UTC days on which identities did what was stored; of hundreds of thousands of them some are here twice. */
export class PersonDays {
  readonly identities: number[] = []
  /** Counted from 1970-01-01. */
  readonly days: number[] = []
  readonly #places = new MeetingTable()

  /** Of each row the place of its person-day; new ones follow each other in the order of the rows. */
  take({ rows, order }: StoredRows): Int32Array {
    const places = new Int32Array(order.length)
    let identity = -1
    let day = 0
    let place = 0
    for (let n = 0; n < order.length; n += 1) {
      const row = order[n] as number
      const rowDay = Math.floor((rows.instants[row] as number) / DAY_MS)
      // Most rows are of the same person and day as the one before.
      if (rows.identities[row] !== identity || rowDay !== day) {
        identity = rows.identities[row] as number
        day = rowDay
        place = this.#placeOf(identity, day)
      }
      places[n] = place
    }
    return places
  }

  #placeOf(identity: number, day: number): number {
    const known = this.#places.get(identity, day)
    if (known !== undefined) return known
    const place = this.days.length
    this.#places.lower(identity, day, place)
    this.identities.push(identity)
    this.days.push(day)
    return place
  }

  /** Notes them in a table with identity_id, day and is_counted. */
  async note(tx: Connection, touched: string, isCounted: (place: number) => boolean): Promise<void> {
    const count = this.days.length
    if (count === 0) return
    await sql`
      insert into ${sql.raw(touched)} (identity_id, day, is_counted)
      select * from unnest(${bigints(count, (n) => this.identities[n] as number)}::bigint[],
                           ${days(count, (n) => this.days[n] as number)}::date[],
                           ${bools(count, isCounted)}::boolean[])`.execute(tx)
  }
}
