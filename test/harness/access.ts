import { type Access, openAccess, type RequestLimit } from '../../connectors/access.ts'
import type { VirtualClock } from '../../sandbox/clock.ts'

export interface VirtualAccess extends Access {
  /** What was waited for, milliseconds. */
  readonly pauses: number[]
}

/** An access that lives by a stand-in's clock: a wait moves the clock and takes no time. */
export function virtualAccess(clock: VirtualClock, limit: RequestLimit | null = null): VirtualAccess {
  const pauses: number[] = []
  return Object.assign(openAccess(limit), {
    pauses,
    now: () => clock.now().getTime(),
    async pause(ms: number, signal: AbortSignal) {
      signal.throwIfAborted()
      pauses.push(ms)
      clock.advance(ms)
    },
  })
}
