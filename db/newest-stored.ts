import { sql } from 'kysely'
import type { ActivityRows } from './activity-rows.ts'
import { days, instants } from './binary.ts'
import type { Connection } from './connection.ts'

const DAY_MS = 86_400_000

/**
 * Up to where the months of a connector's activities are filled. What is newer is not stored yet, and most of what a log
 * says is: only the rest has to be looked up. Of one transaction that nothing of the connector comes in between.
 */
export class NewestStored {
  readonly #connectorId: string
  /** Day → first day of its month, both in days since 1970-01-01. */
  readonly #months = new Map<number, number>()
  /** Month → its newest instant, -Infinity where there is none. */
  readonly #newest = new Map<number, number>()
  readonly #moved = new Set<number>()

  constructor(connectorId: string) {
    this.#connectorId = connectorId
  }

  /** Asks for the months of these rows that were not asked for before. */
  async ask(tx: Connection, rows: ActivityRows, order: Uint32Array): Promise<void> {
    const asked = new Set<number>()
    for (const row of order) {
      const month = this.#monthOf(rows.instants[row] as number)
      if (!this.#newest.has(month)) asked.add(month)
    }
    if (asked.size === 0) return
    const months = [...asked]
    const found = await sql<{ month: string; at: Date }>`
      select month, at from activity_newest where connector_id = ${this.#connectorId}
        and month = any (${days(months.length, (n) => months[n] as number)}::date[])`.execute(tx)
    for (const month of months) this.#newest.set(month, Number.NEGATIVE_INFINITY)
    for (const { month, at } of found.rows) this.#newest.set(Date.parse(month) / DAY_MS, at.getTime())
  }

  isNewer(ms: number): boolean {
    return ms > (this.#newest.get(this.#monthOf(ms)) as number)
  }

  /** Takes rows that were just stored. */
  take(rows: ActivityRows, stored: Uint32Array): void {
    for (const row of stored) {
      const ms = rows.instants[row] as number
      if (!this.isNewer(ms)) continue
      const month = this.#monthOf(ms)
      this.#newest.set(month, ms)
      this.#moved.add(month)
    }
  }

  async remember(tx: Connection): Promise<void> {
    const moved = [...this.#moved]
    if (moved.length === 0) return
    const month = (n: number) => moved[n] as number
    await sql`
      insert into activity_newest (connector_id, month, at)
      select ${this.#connectorId}::uuid, * from unnest(
        ${days(moved.length, month)}::date[],
        ${instants(moved.length, (n) => this.#newest.get(month(n)) as number)}::timestamptz[])
      on conflict (connector_id, month) do update set at = excluded.at`.execute(tx)
  }

  #monthOf(ms: number): number {
    const day = Math.floor(ms / DAY_MS)
    let month = this.#months.get(day)
    if (month === undefined) {
      const date = new Date(day * DAY_MS)
      month = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / DAY_MS
      this.#months.set(day, month)
    }
    return month
  }
}
