const FIRST_OBJECTS = 2_048
const FILLED_AT_MOST = 0.6

/** Which objects a rollup has met: a Map would make an object of every one. */
export class DistinctObjects {
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
