import { sql } from 'kysely'
import type { Connection } from '../db/connection.ts'
import { MeetingTable } from './meeting-table.ts'

/** What one import has noted. It holds until somebody's correction takes some of it away, which `seenRevision` tells. */
export class Book {
  protected readonly noted = new MeetingTable()
  #revision: number | undefined

  /** Forgets everything where something was taken away since the last call, and says so. */
  forgetsAsOf(revision: number): boolean {
    // What was taken before the first call is stored by a transaction that nobody else sees yet.
    const forgets = this.#revision !== undefined && this.#revision !== revision
    if (forgets) this.noted.clear()
    this.#revision = revision
    return forgets
  }

  /** Begins anew, behind a transaction that noted by itself what it brought. */
  clear(): void {
    this.noted.clear()
    this.#revision = undefined
  }
}

/** How often something that imports remember was taken away. The first number drawn leaves `last_value` as it was. */
export async function seenRevision(tx: Connection): Promise<number> {
  const drawn = await sql<{ n: number }>`select last_value + is_called::int as n from seen_revision`.execute(tx)
  return drawn.rows[0]?.n ?? 0
}
