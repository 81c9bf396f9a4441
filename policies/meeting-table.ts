const FIRST_SLOTS = 2 ** 14
/** 12 MB; a table that would grow beyond is emptied. */
const SLOTS_AT_MOST = 2 ** 19
const FILLED_AT_MOST = 0.6
const EMPTY = -1

/**
 * Numbers by pairs of numbers, in three arrays: a Map would make an object of every pair, and an import asks for four
 * of them for every activity.
 */
export class MeetingTable {
  #firsts = new Float64Array(0)
  #seconds = new Int32Array(0)
  #values = new Float64Array(0)
  #filled = 0

  constructor() {
    this.clear()
  }

  clear(slots = FIRST_SLOTS): void {
    this.#firsts = new Float64Array(slots).fill(EMPTY)
    this.#seconds = new Int32Array(slots)
    this.#values = new Float64Array(slots)
    this.#filled = 0
  }

  /** Keeps `value` where nothing or a greater one was kept; false where what was kept stays. `first` is not negative. */
  lower(first: number, second: number, value: number): boolean {
    const slot = this.#slotOf(first, second)
    if (this.#firsts[slot] === EMPTY) {
      this.#firsts[slot] = first
      this.#seconds[slot] = second
      this.#values[slot] = value
      this.#filled += 1
      if (this.#filled > this.#firsts.length * FILLED_AT_MOST) this.#grow()
      return true
    }
    if ((this.#values[slot] as number) <= value) return false
    this.#values[slot] = value
    return true
  }

  #slotOf(first: number, second: number): number {
    const mask = this.#firsts.length - 1
    let mixed = Math.imul(first | 0, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d)
    let slot = (mixed ^ (mixed >>> 13)) & mask
    while (this.#firsts[slot] !== EMPTY && (this.#firsts[slot] !== first || this.#seconds[slot] !== second))
      slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    const [firsts, seconds, values] = [this.#firsts, this.#seconds, this.#values]
    if (firsts.length * 2 > SLOTS_AT_MOST) {
      this.clear()
      return
    }
    this.clear(firsts.length * 2)
    for (let slot = 0; slot < firsts.length; slot += 1) {
      const first = firsts[slot] as number
      if (first !== EMPTY) this.lower(first, seconds[slot] as number, values[slot] as number)
    }
  }
}
