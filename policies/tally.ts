import { type ActivityRows, type StoredRows, UNTOLD } from '../db/activity-rows.ts'
import { OBJECT_KEY_BYTES } from '../db/activity-writer.ts'
import { BinaryRows, COPY_HEADER, COPY_TRAILER, viewOf } from '../db/binary.ts'
import { orderByKey } from '../db/order.ts'
import type { ActiveIndicator } from './compile.ts'
import { DistinctObjects } from './distinct-objects.ts'
import type { Matcher } from './matching.ts'
import type { PersonDays } from './person-days.ts'
import { NONE, Rollups } from './rollup-columns.ts'

/** More are left to the database. */
export const TALLY_LIMITS = {
  /** A log of whole days has some tens of thousands. 70 bytes each. */
  rollups: 2 ** 17,
  /** Of all rollups together. 12 bytes each, and as much again for the room between them. */
  objects: 2 ** 19,
  /** `PersonDays` keeps apart at least so many. */
  personDays: 250_000,
}
const PIECE_BYTES = 512 * 1024

/** In place of the first rollup of a person-day that is left to the database. */
const LEFT = -2

export const COPY_ROLLUPS = `copy indicator_day (identity_id, day, rollup_key, count, objects, items, bytes, amount, first_at,
  last_at) from stdin (format binary)`

/**
 * Counts the rollups of person-days of which nothing was stored before the transaction, while their rows are at hand: what
 * the database would read again is all here. See decision 020 for when that is so.
 */
export class Tally {
  #matcher: Matcher | undefined
  #gaveUp = false
  /** By the place of a person-day: its first rollup, `NONE` or `LEFT`. */
  readonly #first: number[] = []
  readonly #rollups = new Rollups()
  readonly #objects = new DistinctObjects()
  readonly #limits: typeof TALLY_LIMITS

  constructor(limits = TALLY_LIMITS) {
    this.#limits = limits
  }

  /**
   * Takes rows that are stored; `places` says of each in which person-day it is. `isEmpty` is asked once for each of these.
   * Rows that another matcher has told of end the counting, where it tells of other rollups.
   */
  take(
    { rows, order }: StoredRows,
    matcher: Matcher,
    places: Int32Array,
    { identities, days }: PersonDays,
    isEmpty: (identity: number, day: number) => boolean,
  ): void {
    this.#matcher ??= matcher
    if (matcher.keys.join() !== this.#matcher.keys.join() || days.length > this.#limits.personDays) this.#gaveUp = true
    if (this.#gaveUp) return
    for (let place = this.#first.length; place < days.length; place += 1)
      this.#first.push(isEmpty(identities[place] as number, days[place] as number) ? NONE : LEFT)
    for (let n = 0; n < order.length; n += 1) {
      const row = order[n] as number
      const hits = rows.hits[row] as number
      const place = places[n] as number
      if (hits === 0 || this.#first[place] === LEFT) continue
      if (hits === UNTOLD) this.#first[place] = LEFT
      else for (const key of matcher.placesOf(hits)) this.#count(place, key, rows, row)
    }
    const isTooMuch = this.#rollups.count > this.#limits.rollups || this.#objects.count > this.#limits.objects
    if (isTooMuch || !this.#rollups.isExact) this.#gaveUp = true
  }

  #count(place: number, key: number, rows: ActivityRows, row: number): void {
    const first = this.#first[place] as number
    let rollup = first
    while (rollup !== NONE && this.#rollups.keys[rollup] !== key) rollup = this.#rollups.next[rollup] as number
    if (rollup === NONE) {
      rollup = this.#rollups.add(key, first)
      this.#first[place] = rollup
    }
    this.#rollups.take(rollup, rows, row)
    const high = rows.objects.getInt32(OBJECT_KEY_BYTES * row)
    const low = rows.objects.getInt32(OBJECT_KEY_BYTES * row + 4)
    if ((high !== 0 || low !== 0) && this.#objects.add(rollup, high, low)) this.#rollups.takeObject(rollup)
  }

  /** Leaves everything to the database. */
  giveUp(): void {
    this.#gaveUp = true
  }

  /** Whether all rollups that a person-day has are counted here. */
  isCounted = (place: number): boolean => !this.#gaveUp && (this.#first[place] ?? LEFT) !== LEFT

  /** Whether it counts the rollups of these indicators. */
  isOf(indicators: readonly ActiveIndicator[]): boolean {
    return this.#matcher?.isOf(indicators) === true
  }

  /** What `COPY_ROLLUPS` reads. A piece is sent before the next is asked for: its memory is used again. */
  *pieces({ identities, days }: PersonDays): Generator<Buffer> {
    const keys = (this.#matcher?.keys ?? []).map((key) => viewOf(Buffer.from(key.replaceAll('-', ''), 'hex')))
    const places = this.#first.flatMap((first, place) => (first >= 0 ? [place] : []))
    const order = orderByKey(
      Float64Array.from(places, (place) => identities[place] as number),
      Float64Array.from(places, (place) => days[place] as number),
      places.length,
    )
    const rows = new BinaryRows(PIECE_BYTES)
    yield COPY_HEADER
    for (let n = 0; n < order.length; n += 1) {
      const place = places[order[n] as number] as number
      const [identity, day] = [identities[place] as number, days[place] as number]
      for (let at = this.#first[place] as number; at !== NONE; at = this.#rollups.next[at] as number)
        this.#rollups.write(at, rows, identity, day, keys)
      if (rows.length < PIECE_BYTES) continue
      yield rows.bytes.subarray(0, rows.length)
      rows.clear()
    }
    yield rows.bytes.subarray(0, rows.length)
    yield COPY_TRAILER
  }
}
