/** The stand-in's idea of now for what is available and for `LastModified`. It runs with real time until it is set. */
export class VirtualClock {
  private fixed: number | undefined

  now(): Date {
    return new Date(this.fixed ?? Date.now())
  }

  /** From here on the clock stands still until it is set or advanced again. */
  set(at: Date | string): void {
    const ms = new Date(at).getTime()
    if (Number.isNaN(ms)) throw new RangeError('clock.set: not a date')
    this.fixed = ms
  }

  advance(ms: number): void {
    this.fixed = this.now().getTime() + ms
  }
}
