const FIRST_SLOTS = 2 ** 10
/** 10 MB; there are two such tables at most. */
const SLOTS_AT_MOST = 2 ** 19
const FILLED_AT_MOST = 0.6
const EMPTY = -1

/**
 * Numbers by pairs of numbers, in arrays: a Map would make an object of every pair, and an import asks for four of them
 * for every activity. What does not fit any more is forgotten in halves, the older first: whatever was kept within the
 * last 300,000 pairs is known, so that within one chunk no pair is new twice.
 */
export class MeetingTable {
  readonly #slotsAtMost: number
  #recent: Slots
  #older: Slots | null = null

  /** `slotsAtMost` is a power of two. */
  constructor(slotsAtMost = SLOTS_AT_MOST) {
    this.#slotsAtMost = slotsAtMost
    this.#recent = new Slots(Math.min(FIRST_SLOTS, slotsAtMost))
  }

  clear(): void {
    this.#recent = new Slots(Math.min(FIRST_SLOTS, this.#slotsAtMost))
    this.#older = null
  }

  get(first: number, second: number): number | undefined {
    return this.#recent.get(first, second) ?? this.#older?.get(first, second)
  }

  /** Keeps `value` where nothing or a greater one was kept; false where what was kept stays. `first` is not negative. */
  lower(first: number, second: number, value: number): boolean {
    const known = this.get(first, second)
    if (known !== undefined && known <= value) return false
    if (this.#recent.isFull) this.#makeRoom()
    this.#recent.set(first, second, value)
    return true
  }

  #makeRoom(): void {
    const { size } = this.#recent
    if (size < this.#slotsAtMost) {
      this.#recent = this.#recent.resized(size * 2)
      return
    }
    this.#older = this.#recent
    this.#recent = new Slots(size)
  }
}

class Slots {
  readonly size: number
  readonly #firsts: Float64Array
  readonly #seconds: Int32Array
  readonly #values: Float64Array
  #filled = 0

  constructor(size: number) {
    this.size = size
    this.#firsts = new Float64Array(size).fill(EMPTY)
    this.#seconds = new Int32Array(size)
    this.#values = new Float64Array(size)
  }

  get isFull(): boolean {
    return this.#filled >= this.size * FILLED_AT_MOST
  }

  get(first: number, second: number): number | undefined {
    const slot = this.#slotOf(first, second)
    return this.#firsts[slot] === EMPTY ? undefined : this.#values[slot]
  }

  set(first: number, second: number, value: number): void {
    const slot = this.#slotOf(first, second)
    if (this.#firsts[slot] === EMPTY) this.#filled += 1
    this.#firsts[slot] = first
    this.#seconds[slot] = second
    this.#values[slot] = value
  }

  resized(size: number): Slots {
    const larger = new Slots(size)
    for (let slot = 0; slot < this.size; slot += 1) {
      const first = this.#firsts[slot] as number
      if (first !== EMPTY) larger.set(first, this.#seconds[slot] as number, this.#values[slot] as number)
    }
    return larger
  }

  #slotOf(first: number, second: number): number {
    const mask = this.size - 1
    let mixed = Math.imul(first | 0, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d)
    let slot = (mixed ^ (mixed >>> 13)) & mask
    while (this.#firsts[slot] !== EMPTY && (this.#firsts[slot] !== first || this.#seconds[slot] !== second))
      slot = (slot + 1) & mask
    return slot
  }
}
