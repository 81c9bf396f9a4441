import { type ActivityRows, type StoredRows, UNTOLD } from '../db/activity-rows.ts'
import { grown } from '../db/arrays.ts'
import { BinaryRows, COPY_HEADER, COPY_TRAILER, viewOf } from '../db/binary.ts'
import { orderByKey } from '../db/order.ts'
import type { ActiveIndicator } from './compile.ts'
import type { Matcher } from './matching.ts'
import type { PersonDays } from './person-days.ts'

/** More are left to the database: a log of whole days has some tens of thousands. 70 bytes each. */
const ROLLUPS_AT_MOST = 2 ** 17
/** Of all rollups together. 12 bytes each, and as much again for the room between them. */
const OBJECTS_AT_MOST = 2 ** 19
/** `PersonDays` keeps apart at least so many. */
const PERSON_DAYS_AT_MOST = 250_000
const PIECE_BYTES = 512 * 1024

const KEY_BYTES = 16

/** In place of a person-day's first rollup. */
const NONE = -1
const LEFT = -2

const COLUMNS = 10
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
    if (matcher.keys.join() !== this.#matcher.keys.join() || days.length > PERSON_DAYS_AT_MOST) this.#gaveUp = true
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
    const isTooMuch = this.#rollups.count > ROLLUPS_AT_MOST || this.#objects.count > OBJECTS_AT_MOST
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
    const high = rows.objects.getInt32(8 * row)
    const low = rows.objects.getInt32(8 * row + 4)
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

const FIRST_ROLLUPS = 1_024

/** Rollups side by side: an object for each would take three times the memory. */
class Rollups {
  count = 0
  /** False once a sum was too large for a number to be exact. */
  isExact = true
  keys = new Uint16Array(FIRST_ROLLUPS)
  /** Of the same person-day; `NONE` behind the last one. */
  next = new Int32Array(FIRST_ROLLUPS)
  #counts = new Int32Array(FIRST_ROLLUPS)
  #objects = new Int32Array(FIRST_ROLLUPS)
  #items = new Float64Array(FIRST_ROLLUPS)
  #bytes = new Float64Array(FIRST_ROLLUPS)
  /** NaN where there is none. */
  #amounts = new Float64Array(FIRST_ROLLUPS)
  /** Milliseconds. */
  #firsts = new Float64Array(FIRST_ROLLUPS)
  #lasts = new Float64Array(FIRST_ROLLUPS)

  /** A rollup of nothing, in front of another one of its person-day. */
  add(key: number, next: number): number {
    if (this.count === this.keys.length) this.#grow()
    const at = this.count
    this.count += 1
    this.keys[at] = key
    this.next[at] = next
    this.#amounts[at] = Number.NaN
    this.#firsts[at] = Number.POSITIVE_INFINITY
    this.#lasts[at] = Number.NEGATIVE_INFINITY
    return at
  }

  take(at: number, rows: ActivityRows, row: number): void {
    const ms = rows.instants[row] as number
    const amount = rows.amounts[row] as number
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.#items[at] = (this.#items[at] as number) + (rows.items[row] as number)
    const bytes = (this.#bytes[at] as number) + (rows.sizes[row] as number)
    this.#bytes[at] = bytes
    if (bytes > Number.MAX_SAFE_INTEGER) this.isExact = false
    if (!(amount <= (this.#amounts[at] as number)) && !Number.isNaN(amount)) this.#amounts[at] = amount
    if (ms < (this.#firsts[at] as number)) this.#firsts[at] = ms
    if (ms > (this.#lasts[at] as number)) this.#lasts[at] = ms
  }

  takeObject(at: number): void {
    this.#objects[at] = (this.#objects[at] as number) + 1
  }

  write(at: number, rows: BinaryRows, identity: number, day: number, keys: readonly DataView[]): void {
    const amount = this.#amounts[at] as number
    rows.row(COLUMNS)
    rows.int8(identity)
    rows.date(day)
    rows.raw(keys[this.keys[at] as number] as DataView, 0, KEY_BYTES)
    rows.int4(this.#counts[at] as number)
    rows.int4(this.#objects[at] as number)
    rows.int8(this.#items[at] as number)
    rows.int8(this.#bytes[at] as number)
    if (Number.isNaN(amount)) rows.none()
    else rows.float8(amount)
    rows.instant(this.#firsts[at] as number)
    rows.instant(this.#lasts[at] as number)
  }

  #grow(): void {
    const size = this.keys.length * 2
    this.keys = grown(this.keys, size)
    this.next = grown(this.next, size)
    this.#counts = grown(this.#counts, size)
    this.#objects = grown(this.#objects, size)
    this.#items = grown(this.#items, size)
    this.#bytes = grown(this.#bytes, size)
    this.#amounts = grown(this.#amounts, size)
    this.#firsts = grown(this.#firsts, size)
    this.#lasts = grown(this.#lasts, size)
  }
}

const FIRST_OBJECTS = 2_048
const FILLED_AT_MOST = 0.6

/** Which objects a rollup has met: a Map would make an object of every one. */
class DistinctObjects {
  count = 0
  /** One more than the rollup; 0 in an empty slot. */
  #rollups = new Int32Array(FIRST_OBJECTS)
  #highs = new Int32Array(FIRST_OBJECTS)
  #lows = new Int32Array(FIRST_OBJECTS)

  /** False for an object that the rollup has met before. */
  add(rollup: number, high: number, low: number): boolean {
    if (this.count >= this.#rollups.length * FILLED_AT_MOST) this.#grow()
    const isNew = this.#put(rollup + 1, high, low)
    if (isNew) this.count += 1
    return isNew
  }

  #put(owner: number, high: number, low: number): boolean {
    const mask = this.#rollups.length - 1
    let slot = (Math.imul(owner, 0x9e3779b1) ^ low ^ (high >>> 7)) & mask
    for (;;) {
      const met = this.#rollups[slot] as number
      if (met === 0) break
      if (met === owner && this.#highs[slot] === high && this.#lows[slot] === low) return false
      slot = (slot + 1) & mask
    }
    this.#rollups[slot] = owner
    this.#highs[slot] = high
    this.#lows[slot] = low
    return true
  }

  #grow(): void {
    const [rollups, highs, lows] = [this.#rollups, this.#highs, this.#lows]
    const size = rollups.length * 2
    this.#rollups = new Int32Array(size)
    this.#highs = new Int32Array(size)
    this.#lows = new Int32Array(size)
    for (let slot = 0; slot < rollups.length; slot += 1) {
      const owner = rollups[slot] as number
      if (owner !== 0) this.#put(owner, highs[slot] as number, lows[slot] as number)
    }
  }
}
