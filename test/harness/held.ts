import v8 from 'node:v8'
import { runInNewContext } from 'node:vm'

v8.setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes that this process holds: what is only waiting to be collected, or was used by an earlier test, is not counted. */
export function heldBytes(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** The most that is held at any look, beyond what was held before. */
export class Held {
  readonly #before = heldBytes()
  #most = 0

  look(): void {
    this.#most = Math.max(this.#most, heldBytes() - this.#before)
  }

  get megabytes(): number {
    return this.#most / 1e6
  }
}

const LOOK_EVERY_MS = 1_000

/** The most megabytes that are held while the work is under way. */
export async function heldDuring(work: () => Promise<unknown>): Promise<number> {
  const held = new Held()
  const looking = setInterval(() => held.look(), LOOK_EVERY_MS)
  try {
    await work()
  } finally {
    clearInterval(looking)
  }
  held.look()
  return held.megabytes
}
