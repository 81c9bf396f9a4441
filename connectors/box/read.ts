import { isAppError } from '../../domain/errors.ts'
import type { Page, RangeInput, ReadInput } from '../connector.ts'
import { type EnterpriseEvents, type EventsPage, openEvents } from './client.ts'
import type { BoxConfig } from './config.ts'

const DAY_MS = 86_400_000
export const SWEEP_EVERY_SECONDS = 7 * 86_400
export const SWEEP_REACH_SECONDS = 8 * 86_400
/** The log of the last day is still being written. */
const UNSETTLED_MS = DAY_MS
/** The stream keeps 14 days: what was not asked for so long may have been dropped from it. */
const STREAM_KEEPS_MS = 13 * DAY_MS
const ORIGIN = 'box enterprise events'
/** The oldest that the stream keeps. Sent once, never stored. */
const OLDEST = '0'

interface Window {
  from: string
  to: string
  position: string | null
}

interface Position {
  v: 1
  /** Of the stream; null before the first page. */
  position: string | null
  /** When the stream was last read to its end. */
  readAt: string
  /** When the log was last read again for events that the stream left out. */
  sweptAt: string
  /** Windows of the log still to be read: a sweep, or what was lost with a position. */
  windows: Window[]
}

/** Windows of the log that are due, then the stream to its end. */
export async function* read(input: ReadInput<BoxConfig>): AsyncGenerator<Page> {
  const { until } = input
  const events = openEvents(input)
  const position = (input.position as unknown as Position | null) ?? begin(until)
  const page = (found: unknown[]): Page => pageOf(found, structuredClone(position) as unknown as Page['after'])

  plan(position, until)
  yield* readWindows(events, position, page)
  for (let recovered = false; ; ) {
    let found: EventsPage
    try {
      found = await events.live(position.position ?? OLDEST)
    } catch (error) {
      if (!isAppError(error) || error.code !== 'source_cursor_lost' || position.position === null || recovered)
        throw error
      recovered = true
      await recover(events, position, until)
      yield page([])
      yield* readWindows(events, position, page)
      continue
    }
    const { next } = found
    const moved = next !== null && next !== position.position
    if (next !== null) position.position = next
    const ended = found.events.length === 0 || !moved
    if (ended) position.readAt = until.toISOString()
    yield page(found.events)
    // A short page is not the end; one without events is, and so is one that leads nowhere.
    if (ended) return
  }
}

/** The log of a window; its position resumes it. */
export async function* readRange(input: RangeInput<BoxConfig>): AsyncGenerator<Page> {
  const reached = (input.position as { position?: string; done?: true } | null) ?? {}
  if (reached.done) return
  for await (const { events, next } of windowPages(openEvents(input), input.from, input.to, reached.position ?? null)) {
    yield pageOf(events, next === null ? { v: 1, done: true } : { v: 1, position: next })
  }
}

const begin = (until: Date): Position => ({
  v: 1,
  position: null,
  readAt: until.toISOString(),
  sweptAt: until.toISOString(),
  windows: [],
})

/** Adds the sweep when it is due, and what the stream has dropped when it was not read for too long. */
function plan(position: Position, until: Date): void {
  const now = until.getTime()
  if (position.position !== null && now - Date.parse(position.readAt) > STREAM_KEEPS_MS) {
    position.windows.push(windowOf(Date.parse(position.readAt) - DAY_MS, now))
    position.readAt = until.toISOString()
  }
  if (now - Date.parse(position.sweptAt) >= SWEEP_EVERY_SECONDS * 1000) {
    position.windows.push(windowOf(now - SWEEP_REACH_SECONDS * 1000, now - UNSETTLED_MS))
    position.sweptAt = until.toISOString()
  }
}

const windowOf = (from: number, to: number): Window => ({
  from: new Date(from).toISOString(),
  to: new Date(to).toISOString(),
  position: null,
})

/** A position that the source no longer knows: the stream from now on, what was before from the log. */
async function recover(events: EnterpriseEvents, position: Position, until: Date): Promise<void> {
  // First the stream, so that nothing falls between the two.
  position.position = await events.now()
  position.windows.push(windowOf(Date.parse(position.readAt) - DAY_MS, until.getTime() + DAY_MS))
}

async function* readWindows(
  events: EnterpriseEvents,
  position: Position,
  page: (found: unknown[]) => Page,
): AsyncGenerator<Page> {
  for (let window = position.windows[0]; window; window = position.windows[0]) {
    for await (const found of windowPages(events, new Date(window.from), new Date(window.to), window.position)) {
      window.position = found.next
      yield page(found.events)
    }
    position.windows.shift()
    yield page([])
  }
}

async function* windowPages(
  events: EnterpriseEvents,
  from: Date,
  to: Date,
  resume: string | null,
): AsyncGenerator<EventsPage> {
  let position = resume
  for (;;) {
    const found = await windowPage(events, from, to, position)
    const ended = found.events.length === 0 || found.next === null || found.next === position
    yield ended ? { events: found.events, next: null } : found
    if (ended) return
    position = found.next
  }
}

/** A window whose position is refused is read from its beginning. */
async function windowPage(
  events: EnterpriseEvents,
  from: Date,
  to: Date,
  position: string | null,
): Promise<EventsPage> {
  try {
    return await events.window(from, to, position)
  } catch (error) {
    if (position === null || !isAppError(error) || error.code !== 'source_cursor_lost') throw error
    return events.window(from, to, null)
  }
}

const pageOf = (events: unknown[], after: Page['after']): Page => ({
  origin: ORIGIN,
  records: events.map((record, index) => ({ line: index + 1, record })),
  after,
  whole: true,
})
