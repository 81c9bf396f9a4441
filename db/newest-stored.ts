import { sql } from 'kysely'
import type { ActivityRows } from './activity-rows.ts'
import { days, instants } from './binary.ts'
import type { Connection } from './connection.ts'

const DAY_MS = 86_400_000

/** How a month stood when the transaction first asked. */
interface Month {
  /** Newest instant of the connector, moved by what the transaction stores; -Infinity where there is none. */
  newest: number
  /** Of any connector, before the transaction. */
  newestBefore: number
  /** Of the other connectors. */
  newestOfOthers: number
  /** Transaction that last stored something of the connector; null where none did. */
  writer: string | null
  /** Whether the transaction stored something in it. */
  written: boolean
}

const EMPTY = Number.NEGATIVE_INFINITY

/**
 * Up to where the months of activities are filled, by the connector and by others. What is newer is not stored yet, and
 * most of what a log says is: only the rest has to be looked up. Of one transaction that nothing of the connector comes in
 * between.
 */
export class NewestStored {
  readonly #connectorId: string
  /** Day → first day of its month, both in days since 1970-01-01. */
  readonly #firstDays = new Map<number, number>()
  readonly #months = new Map<number, Month>()

  constructor(connectorId: string) {
    this.#connectorId = connectorId
  }

  /** Asks for the months of these rows that were not asked for before. */
  async ask(tx: Connection, rows: ActivityRows, order: Uint32Array): Promise<void> {
    const asked = new Set<number>()
    for (let n = 0; n < order.length; n += 1) {
      const month = this.#monthOf(rows.instants[order[n] as number] as number)
      if (!this.#months.has(month)) asked.add(month)
    }
    if (asked.size === 0) return
    const months = [...asked]
    for (const month of months)
      this.#months.set(month, {
        newest: EMPTY,
        newestBefore: EMPTY,
        newestOfOthers: EMPTY,
        writer: null,
        written: false,
      })
    for (const { month, at, own, writer } of await this.#read(tx, months)) {
      const known = this.#months.get(month) as Month
      known.newestBefore = Math.max(known.newestBefore, at)
      if (own) Object.assign(known, { newest: at, writer })
      else known.newestOfOthers = Math.max(known.newestOfOthers, at)
    }
  }

  async #read(tx: Connection, months: readonly number[]) {
    const found = await sql<{ month: string; at: Date; own: boolean; writer: string }>`
      select month, at, connector_id = ${this.#connectorId} as own, xmin::text as writer from activity_newest
      where month = any (${days(months.length, (n) => months[n] as number)}::date[])`.execute(tx)
    return found.rows.map(({ month, at, own, writer }) => ({
      month: Date.parse(month) / DAY_MS,
      at: at.getTime(),
      own,
      writer,
    }))
  }

  isNewer(ms: number): boolean {
    return ms > this.#of(ms).newest
  }

  /** Whether nobody had stored anything of this day, or a later one of its month, before the transaction. */
  isUntouched(day: number): boolean {
    const ms = day * DAY_MS
    return this.#of(ms).newestBefore < ms
  }

  /** Whether nobody but the connector had, and it last by the transaction `writer`. */
  isOnlyBy(writer: string, day: number): boolean {
    const month = this.#of(day * DAY_MS)
    return month.writer === writer && month.newestOfOthers < day * DAY_MS
  }

  /** Whether the others have stored nothing meanwhile that is as late as one of these days. */
  async othersStayedAway(tx: Connection, asked: Iterable<number>): Promise<boolean> {
    const earliest = new Map<number, number>()
    for (const day of asked) {
      const month = this.#monthOf(day * DAY_MS)
      earliest.set(month, Math.min(earliest.get(month) ?? day, day))
    }
    const now = await this.#read(tx, [...earliest.keys()])
    return now.every(({ month, at, own }) => own || at < (earliest.get(month) as number) * DAY_MS)
  }

  /** Takes rows that were just stored. */
  take(rows: ActivityRows, stored: Uint32Array): void {
    for (let n = 0; n < stored.length; n += 1) {
      const ms = rows.instants[stored[n] as number] as number
      const month = this.#of(ms)
      month.written = true
      if (ms > month.newest) month.newest = ms
    }
  }

  /** Remembers it for whoever stores next; returns the transaction as `writer` names it. */
  async remember(tx: Connection): Promise<string> {
    const written = [...this.#months].filter(([, month]) => month.written)
    const month = (n: number) => (written[n] as [number, Month])[0]
    const newest = (n: number) => (written[n] as [number, Month])[1].newest
    const found = await sql<{ writer: string }>`
      with remembered as (
        insert into activity_newest (connector_id, month, at)
        select ${this.#connectorId}::uuid, * from unnest(
          ${days(written.length, month)}::date[], ${instants(written.length, newest)}::timestamptz[])
        on conflict (connector_id, month) do update set at = excluded.at
      )
      select pg_current_xact_id()::xid::text as writer`.execute(tx)
    return (found.rows[0] as { writer: string }).writer
  }

  #of(ms: number): Month {
    return this.#months.get(this.#monthOf(ms)) as Month
  }

  #monthOf(ms: number): number {
    const day = Math.floor(ms / DAY_MS)
    let month = this.#firstDays.get(day)
    if (month === undefined) {
      const date = new Date(day * DAY_MS)
      month = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / DAY_MS
      this.#firstDays.set(day, month)
    }
    return month
  }
}
