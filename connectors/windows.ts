import type { Page, RangeInput, ReadInput, SourceRecord } from './connector.ts'

const DAY_MS = 86_400_000

/** One answer of a source that is asked for a window of time. */
export interface WindowPage {
  items: unknown[]
  /** Of the next page of the same window; null on the last one. */
  next: string | null
}

/** How a source is read that answers by time, page after page. */
export interface Windows {
  origin: string
  startDaysBack: number
  /** Windows are so long at most. */
  windowMs: number
  /** What became readable late, within this, is met by the next import. */
  overlapMs: number
  /** For what is later: so often, so far back. Null: nothing can be. */
  sweep: { everyMs: number; reachMs: number } | null
  /** How far back the source answers; null = as far as it has data. */
  reachMs: number | null
  /** A page of the window [from, to). A token belongs to the very window it came with. */
  page(from: Date, to: Date, token: string | null): Promise<WindowPage>
  /** True for the refusal of a token that is no longer good: its window begins anew, once. */
  isTokenRefused(error: unknown): boolean
  recordsOf(items: readonly unknown[]): SourceRecord[]
}

interface Window {
  from: string
  to: string
  /** Of the next page; null at the beginning. */
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
export async function* readWindows(
  windows: Windows,
  { position: reached, until }: Pick<ReadInput<unknown>, 'position' | 'until'>,
): AsyncGenerator<Page> {
  const position = (reached as unknown as Position | null) ?? begin(windows, until)
  const page = (items: unknown[]): Page => pageOf(windows, items, structuredClone(position) as unknown as Page['after'])

  planSweep(windows, position, until)
  for (let window = position.sweep[0]; window; window = position.sweep[0]) {
    for await (const items of pagesOf(windows, window)) {
      if (window.pageToken === null) position.sweep.shift()
      yield page(items)
    }
  }
  for (let isUpToDate = false; !isUpToDate; ) {
    position.live ??= nextLive(windows, position, until)
    const { live } = position
    isUpToDate = Date.parse(live.to) >= until.getTime()
    for await (const items of pagesOf(windows, live)) {
      if (live.pageToken === null) finishLive(windows, position, live)
      yield page(items)
    }
  }
}

/** The pages of a range; their positions resume it. */
export async function* readWindowsOf(
  windows: Windows,
  input: Pick<RangeInput<unknown>, 'position' | 'from' | 'to' | 'access'>,
): AsyncGenerator<Page> {
  const reached = input.position as { v: 1; windows: Window[] } | null
  const left = reached ? structuredClone(reached.windows) : rangeWindows(windows, input)
  for (let window = left[0]; window; window = left[0]) {
    for await (const items of pagesOf(windows, window)) {
      if (window.pageToken === null) left.shift()
      yield pageOf(windows, items, { v: 1, windows: structuredClone(left) })
    }
  }
}

const begin = ({ startDaysBack }: Windows, until: Date): Position => ({
  v: 1,
  liveFrom: iso(until.getTime() - startDaysBack * DAY_MS),
  live: null,
  sweptAt: until.toISOString(),
  sweep: [],
})

/** The sweep ends where live reading goes on. After a pause it begins as much further back: nothing falls between two. */
function planSweep(windows: Windows, position: Position, until: Date): void {
  const { sweep } = windows
  const sweptAt = Date.parse(position.sweptAt)
  if (!sweep || position.sweep.length > 0 || until.getTime() - sweptAt < sweep.everyMs) return
  const from = Math.max(sweptAt - (sweep.reachMs - sweep.everyMs), oldest(windows, until.getTime()))
  position.sweep = cut(windows, from, Date.parse(position.live?.from ?? position.liveFrom))
  position.sweptAt = until.toISOString()
}

function nextLive(windows: Windows, position: Position, until: Date): Window & { asOf: string } {
  const from = Math.max(Date.parse(position.liveFrom), oldest(windows, until.getTime()))
  const to = Math.min(from + windows.windowMs, until.getTime())
  // A nominal time may lie before the last one: an empty window would be refused.
  return { ...windowOf(Math.min(from, to - 1), to), asOf: until.toISOString() }
}

/** The window counts from now on, all of it but what may still have been on its way when it was read. */
function finishLive({ overlapMs }: Windows, position: Position, { to, asOf }: Window & { asOf: string }): void {
  position.liveFrom = iso(Math.min(Date.parse(to), Date.parse(asOf) - overlapMs))
  position.live = null
}

/** A source moves what is older to there, or refuses a window that lies before it. */
const oldest = ({ reachMs }: Windows, now: number): number => (reachMs === null ? 0 : now - reachMs)

/** Of a range, what lies between the oldest that the source keeps and now: a window outside of that would be refused. */
function rangeWindows(windows: Windows, { from, to, access }: Pick<RangeInput<unknown>, 'from' | 'to' | 'access'>) {
  const now = access.now()
  return cut(windows, Math.max(from.getTime(), oldest(windows, now)), Math.min(to.getTime(), now))
}

const iso = (ms: number): string => new Date(ms).toISOString()
const windowOf = (from: number, to: number): Window => ({ from: iso(from), to: iso(to), pageToken: null })

function cut({ windowMs }: Windows, from: number, to: number): Window[] {
  const windows: Window[] = []
  for (let at = from; at < to; at += windowMs) windows.push(windowOf(at, Math.min(at + windowMs, to)))
  return windows
}

/** Pages of a window from where it stands; its token is the next page's, null after the last. */
async function* pagesOf(windows: Windows, window: Window): AsyncGenerator<unknown[]> {
  const [from, to] = [new Date(window.from), new Date(window.to)]
  let isAnew = false
  do {
    let found: WindowPage
    try {
      found = await windows.page(from, to, window.pageToken)
    } catch (error) {
      if (window.pageToken === null || isAnew || !windows.isTokenRefused(error)) throw error
      isAnew = true
      found = await windows.page(from, to, null)
    }
    window.pageToken = found.next
    yield found.items
  } while (window.pageToken !== null)
}

const pageOf = ({ origin, recordsOf }: Windows, items: readonly unknown[], after: Page['after']): Page => ({
  origin,
  records: recordsOf(items),
  after,
  whole: true,
})
