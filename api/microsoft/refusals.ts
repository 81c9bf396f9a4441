const MINUTE_MS = 60_000
/** A fault is news again after the 15 tries of a script. */
const NEWS_AGAIN_MS = 30 * MINUTE_MS
const REMEMBERED = 10_000

/** Counts what was refused, per key and minute, and tells a first time from its repetitions. */
export class Refusals {
  readonly #perMinute: number
  readonly #counts = new Map<string, { from: number; count: number }>()
  readonly #told = new Map<string, number>()

  constructor(perMinute: number) {
    this.#perMinute = perMinute
  }

  add(key: string, now = Date.now()): void {
    const known = this.#counts.get(key)
    if (known && now - known.from < MINUTE_MS) known.count += 1
    else remember(this.#counts, key, { from: now, count: 1 })
  }

  isFull(key: string, now = Date.now()): boolean {
    const known = this.#counts.get(key)
    return known !== undefined && now - known.from < MINUTE_MS && known.count >= this.#perMinute
  }

  isNews(key: string, now = Date.now()): boolean {
    const told = this.#told.get(key)
    if (told !== undefined && now - told < NEWS_AGAIN_MS) return false
    remember(this.#told, key, now)
    return true
  }
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  if (map.size >= REMEMBERED) map.clear()
  map.set(key, value)
}
