import type { ActivityRows } from '../db/activity-rows.ts'
import { grown } from '../db/arrays.ts'
import type { BinaryRows } from '../db/binary.ts'

const UUID_BYTES = 16
const COLUMNS = 10
/** In place of a rollup where there is none. */
export const NONE = -1

const FIRST_ROLLUPS = 1_024

/** Rollups side by side: an object for each would take three times the memory. */
export class Rollups {
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
    rows.raw(keys[this.keys[at] as number] as DataView, 0, UUID_BYTES)
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
