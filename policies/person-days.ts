import { sql } from 'kysely'
import type { StoredRows } from '../db/activity-rows.ts'
import { bigints, days } from '../db/binary.ts'
import type { Connection } from '../db/connection.ts'
import { MeetingTable } from './meeting-table.ts'

const DAY_MS = 86_400_000

/** The UTC days on which identities did what was stored; of hundreds of thousands of them some are here twice. */
export class PersonDays {
  readonly #met = new MeetingTable()
  readonly #identities: number[] = []
  readonly #days: number[] = []

  take({ identities, instants }: StoredRows): void {
    for (let row = 0; row < identities.length; row += 1) {
      const identity = identities[row] as number
      const day = Math.floor((instants[row] as number) / DAY_MS)
      if (!this.#met.lower(identity, day, 0)) continue
      this.#identities.push(identity)
      this.#days.push(day)
    }
  }

  /** Notes them in a table with identity_id and day. */
  async note(tx: Connection, touched: string): Promise<void> {
    const count = this.#days.length
    if (count === 0) return
    await sql`
      insert into ${sql.raw(touched)} (identity_id, day)
      select * from unnest(${bigints(count, (n) => this.#identities[n] as number)}::bigint[],
                           ${days(count, (n) => this.#days[n] as number)}::date[])`.execute(tx)
  }
}
