import { randomUUID } from 'node:crypto'
import type { Bench } from '../../sandbox/benches/bench.ts'
import * as benches from '../../sandbox/benches/registry.ts'
import { VirtualClock } from '../../sandbox/clock.ts'

export interface SandboxOptions {
  /** 0: free ports. */
  firstPort: number
  say(text: string): void
  until: Promise<void>
}

/** Events of the days before the start. */
const PAST_EVENTS = 400
const PAST_MS = 6 * 86_400_000
/** From then on one event at every vendor so often. */
const EVERY_MS = 20_000
const PAGE_EVENTS = 100

/** Those whom all stand-ins know, so that one person shows up at several vendors. */
const PEOPLE = Array.from({ length: 12 }, (_, index) => `person-${String(index + 1).padStart(2, '0')}@sandbox.example`)

/** Runs every vendor's stand-in with the clock of this machine until it is asked to stop. */
export async function runSandbox({ firstPort, say, until }: SandboxOptions): Promise<void> {
  const started: Bench[] = []
  try {
    for (const [index, vendor] of Object.values(benches).entries()) {
      const port = firstPort === 0 ? 0 : firstPort + index
      const bench = await vendor.start(new VirtualClock(), { port, pageEvents: PAGE_EVENTS })
      started.push(bench)
      const now = Date.now()
      for (let event = 0; event < PAST_EVENTS; event += 1)
        stage(bench, event, now - (PAST_MS * (PAST_EVENTS - event)) / PAST_EVENTS)
      const variant = vendor.variant === undefined ? '' : ` (${vendor.variant})`
      say(
        `${vendor.kind}${variant}: set up a connector of this kind with\n${JSON.stringify(bench.settings, null, 2)}\n`,
      )
    }
    say('The stand-ins run and go on having events. Ctrl-C ends them.')
    let event = PAST_EVENTS
    const timer = setInterval(() => {
      for (const bench of started) stage(bench, event, Date.now())
      event += 1
    }, EVERY_MS)
    await until
    clearInterval(timer)
  } finally {
    for (const bench of started) await bench[Symbol.asyncDispose]()
  }
}

const stage = (bench: Bench, event: number, ms: number): void =>
  bench.stage({
    marker: `document-${event}-${randomUUID().slice(0, 8)}`,
    person: PEOPLE[event % PEOPLE.length] as string,
    at: new Date(ms),
    availableAt: new Date(ms + 5_000),
    form: 'plain',
    behindCursor: false,
  })
