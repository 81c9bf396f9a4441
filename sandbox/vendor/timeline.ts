import type { VirtualClock } from '../clock.ts'

/** Something that happened at a vendor, and when the vendor lets it be read. */
export interface Staged<R> {
  record: R
  /** When it happened. */
  at: Date
  /** Not readable before this. */
  availableAt: Date
  /** Readable by time only: a live cursor has passed it already. */
  behindCursor?: boolean
}

/**
 * The one rule by which late events come about, whatever the vendor: each event happens at one time and becomes readable
 * at another, and only what is readable by now is listed.
 */
export class Timeline<R> {
  readonly #clock: VirtualClock
  readonly #staged: (Staged<R> & { order: number })[] = []

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  /** Default: readable as soon as it happened. */
  add(record: R, at: Date, { availableAt = at, behindCursor = false }: Partial<Staged<R>> = {}): void {
    this.#staged.push({ record, at, availableAt, behindCursor, order: this.#staged.length })
  }

  /** What is readable by now, as it happened. */
  byTime(): Staged<R>[] {
    return this.#readable().sort((a, b) => a.at.getTime() - b.at.getTime() || a.order - b.order)
  }

  /** What is readable by now, as it became readable; without what a live cursor never sees. */
  byArrival(): Staged<R>[] {
    return this.#readable()
      .filter(({ behindCursor }) => !behindCursor)
      .sort((a, b) => a.availableAt.getTime() - b.availableAt.getTime() || a.order - b.order)
  }

  get size(): number {
    return this.#staged.length
  }

  #readable(): (Staged<R> & { order: number })[] {
    const now = this.#clock.now()
    return this.#staged.filter(({ availableAt }) => availableAt <= now)
  }
}
