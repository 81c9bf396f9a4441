import type { Page, RangeInput, ReadInput } from '../connector.ts'
import { type ActivitiesPage, type DriveLog, isTokenRefused, openDriveLog } from './client.ts'
import type { GoogleDriveConfig } from './config.ts'
import { recordsOf } from './items.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Most events are readable within minutes; up to three hours have been seen. */
export const OVERLAP_SECONDS = 3 * 3_600
export const SWEEP_EVERY_SECONDS = 86_400
export const SWEEP_REACH_SECONDS = 2 * 86_400
export const REACH_DAYS = 180
/** A window is read newest first and counts only when it is whole: a short one costs little to read again. */
const WINDOW_MS = 6 * HOUR_MS
/** Whether the first edge belongs to a window is not documented: a millisecond more, and ids tell what is double. */
const EDGE_MS = 1
const ORIGIN = 'google drive log'

interface Window {
  from: string
  to: string
  /** Of the next, older page; null at the beginning. */
  pageToken: string | null
}

interface Position {
  v: 1
  /** Where the next live window begins: what became readable late before it is found by the sweep. */
  liveFrom: string
  /** The live window under way; `asOf` is the time of the import that opened it. */
  live: (Window & { asOf: string }) | null
  /** When the last sweep was begun. */
  sweptAt: string
  /** Windows of a sweep still to be read. */
  sweep: Window[]
}

/** What is left of a sweep, or a new one when it is due; then live windows up to `until`. */
export async function* read(input: ReadInput<GoogleDriveConfig>): AsyncGenerator<Page> {
  const { config, until } = input
  const log = openDriveLog(input)
  const position = (input.position as unknown as Position | null) ?? begin(config, until)
  const page = (items: unknown[]): Page => pageOf(items, structuredClone(position) as unknown as Page['after'])

  planSweep(position, until)
  for (let window = position.sweep[0]; window; window = position.sweep[0]) {
    for await (const items of pagesOf(log, window)) {
      if (window.pageToken === null) position.sweep.shift()
      yield page(items)
    }
  }
  for (let reached = false; !reached; ) {
    position.live ??= nextLive(position, until)
    const { live } = position
    reached = Date.parse(live.to) >= until.getTime()
    for await (const items of pagesOf(log, live)) {
      if (live.pageToken === null) finishLive(position, live)
      yield page(items)
    }
  }
}

/** The log of a range; its position resumes it. */
export async function* readRange(input: RangeInput<GoogleDriveConfig>): AsyncGenerator<Page> {
  const reached = input.position as { v: 1; windows: Window[] } | null
  const windows = reached ? structuredClone(reached.windows) : rangeWindows(input)
  const log = openDriveLog(input)
  for (let window = windows[0]; window; window = windows[0]) {
    for await (const items of pagesOf(log, window)) {
      if (window.pageToken === null) windows.shift()
      yield pageOf(items, { v: 1, windows: structuredClone(windows) })
    }
  }
}

const begin = ({ startDaysBack }: GoogleDriveConfig, until: Date): Position => ({
  v: 1,
  liveFrom: iso(until.getTime() - startDaysBack * DAY_MS),
  live: null,
  sweptAt: until.toISOString(),
  sweep: [],
})

/** The sweep ends where live reading goes on. After a pause it begins as much further back: nothing falls between two. */
function planSweep(position: Position, until: Date): void {
  const sweptAt = Date.parse(position.sweptAt)
  if (position.sweep.length > 0 || until.getTime() - sweptAt < SWEEP_EVERY_SECONDS * 1000) return
  const from = sweptAt - (SWEEP_REACH_SECONDS - SWEEP_EVERY_SECONDS) * 1000
  position.sweep = cut(Math.max(from, oldest(until)), Date.parse(position.live?.from ?? position.liveFrom))
  position.sweptAt = until.toISOString()
}

function nextLive(position: Position, until: Date): Window & { asOf: string } {
  const from = Math.max(Date.parse(position.liveFrom), oldest(until))
  const to = Math.min(from + WINDOW_MS, until.getTime())
  // A nominal time may lie before the last one: an empty window would be refused.
  return { ...windowOf(Math.min(from, to - EDGE_MS), to), asOf: until.toISOString() }
}

/** The window counts from now on, all of it but what may still have been on its way when it was read. */
function finishLive(position: Position, { to, asOf }: Window & { asOf: string }): void {
  position.liveFrom = iso(Math.min(Date.parse(to), Date.parse(asOf) - OVERLAP_SECONDS * 1000))
  position.live = null
}

/** The source moves what is older to there, and refuses a window that lies before it. */
const oldest = (until: Date): number => until.getTime() - REACH_DAYS * DAY_MS

/** Of a range, what lies between the oldest that the source keeps and now: a window outside of that would be refused. */
function rangeWindows({ from, to, access }: RangeInput<GoogleDriveConfig>): Window[] {
  const now = access.now()
  return cut(Math.max(from.getTime(), oldest(new Date(now))), Math.min(to.getTime(), now))
}

const iso = (ms: number): string => new Date(ms).toISOString()
const windowOf = (from: number, to: number): Window => ({ from: iso(from), to: iso(to), pageToken: null })

function cut(from: number, to: number): Window[] {
  const windows: Window[] = []
  for (let at = from; at < to; at += WINDOW_MS) windows.push(windowOf(at, Math.min(at + WINDOW_MS, to)))
  return windows
}

/**
 * Pages of a window from where it stands; its token is the next page's, null after the last. How long a token lives is
 * not documented: one that is refused begins the window anew, once.
 */
async function* pagesOf(log: DriveLog, window: Window): AsyncGenerator<unknown[]> {
  const [from, to] = [new Date(Date.parse(window.from) - EDGE_MS), new Date(window.to)]
  let isAnew = false
  do {
    let found: ActivitiesPage
    try {
      found = await log.window(from, to, window.pageToken)
    } catch (error) {
      if (window.pageToken === null || isAnew || !isTokenRefused(error)) throw error
      isAnew = true
      found = await log.window(from, to, null)
    }
    window.pageToken = found.next
    yield found.items
  } while (window.pageToken !== null)
}

const pageOf = (items: unknown[], after: Page['after']): Page => ({
  origin: ORIGIN,
  records: recordsOf(items),
  after,
  whole: true,
})
