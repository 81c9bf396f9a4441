import type { Page, RangeInput, ReadInput, SourceRecord } from '../connector.ts'
import { inOrder } from '../in-order.ts'
import { type ActivityFeed, type Content, type ContentList, openFeed } from './client.ts'
import type { OfficeConfig } from './config.ts'
import { CONTENT_TYPES, type ContentType } from './content-types.ts'
import { recordsOf } from './records.ts'
import { isGone, isNotStarted, isOfSubscription, isPageForgotten, isWindowRefused } from './refusals.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Lists overlap, and a list read a moment ago may have grown since. */
export const OVERLAP_SECONDS = 2 * 3_600
export const SWEEP_EVERY_SECONDS = 86_400
export const SWEEP_REACH_SECONDS = 2 * 86_400
export const REACH_DAYS = 7
/** Windows that begin more than seven days back are refused; clocks may differ by a few minutes. */
const REACH_MS = REACH_DAYS * DAY_MS - 5 * 60_000
/** Longer windows are refused, or answered in part. */
const WINDOW_MS = DAY_MS
/** Blobs that are fetched while the one before is stored. */
const AHEAD = 3
const ORIGIN = 'office 365 activity'

/** A list under way: of what became available within [from, to). */
interface Window {
  contentType: ContentType
  from: string
  to: string
  /** Of its next page; null at the beginning. */
  next: string | null
}

interface Position {
  v: 1
  /** By content type: up to where its list was read to the end. */
  readTo: Partial<Record<ContentType, string>>
  /** By content type: the list under way. */
  live: Partial<Record<ContentType, Window>>
  /** When the last sweep was begun. */
  sweptAt: string
  /** Windows of a sweep still to be read. */
  sweep: Window[]
}

interface Reading extends Pick<ReadInput<OfficeConfig>, 'config' | 'seen' | 'access'> {
  feed: ActivityFeed
  /** Blobs that this run has met: the seen-set knows them only once they are stored. */
  met: Set<string>
}

/**
 * Type by type: what is left of a sweep, or a new one when it is due, then what became available up to `until`. A type
 * whose subscription is missing or disabled keeps no other from being read; it is told at the end.
 */
export async function* read(input: ReadInput<OfficeConfig>): AsyncGenerator<Page> {
  const { config, until, access } = input
  const reading: Reading = { ...input, feed: openFeed(input), met: new Set() }
  const position = structuredClone(input.position as unknown as Position | null) ?? begin(until)
  planSweep(position, config, until, access.now())
  position.sweep = stillKept(position.sweep, access.now())
  let refused: unknown
  for (const contentType of chosen(config)) {
    try {
      for await (const portion of typePortions(reading, position, contentType, until))
        yield pageOf(portion, structuredClone(position) as unknown as Page['after'])
    } catch (error) {
      if (!isOfSubscription(error)) throw error
      refused ??= error
    }
  }
  if (refused !== undefined) throw refused
}

/** Moves the position with each portion that it yields. */
async function* typePortions(
  reading: Reading,
  position: Position,
  contentType: ContentType,
  until: Date,
): AsyncGenerator<Portion> {
  for (const window of position.sweep.filter((each) => each.contentType === contentType)) {
    const done = () => {
      position.sweep = position.sweep.filter((each) => each !== window)
    }
    for await (const portion of portionsOf(reading, window)) {
      if (portion.isLast) done()
      yield portion
    }
    done()
  }
  const lost = forgottenOf(position, contentType, reading.access.now())
  if (lost) yield lost
  for (let reached = false; !reached; ) {
    position.live[contentType] ??= nextLive(reading, position, contentType, until.getTime())
    const live = position.live[contentType] as Window
    reached = Date.parse(live.to) > until.getTime() - 1000
    for await (const portion of portionsOf(reading, live)) {
      if (portion.isLast) {
        position.readTo[contentType] = live.to
        delete position.live[contentType]
      }
      yield portion
    }
    // Its subscription is starting: there is nothing to read yet.
    if (position.live[contentType] === live) {
      delete position.live[contentType]
      return
    }
  }
}

const chosen = ({ contentTypes }: OfficeConfig): ContentType[] =>
  CONTENT_TYPES.filter((contentType) => contentTypes.includes(contentType))

/** What became available within a range and nobody has read yet; its position resumes it. */
export async function* readRange(input: RangeInput<OfficeConfig>): AsyncGenerator<Page> {
  const { config, from, to, access } = input
  const now = access.now()
  const reached = input.position as { v: 1; windows: Window[] } | null
  const [start, end] = [Math.max(from.getTime(), now - REACH_MS), Math.min(to.getTime(), now)]
  const windows = reached
    ? stillKept(structuredClone(reached.windows), now)
    : chosen(config).flatMap((each) => cut(each, start, end))
  const reading: Reading = {
    ...input,
    // A range starts nothing: what is not subscribed to has no past.
    config: { ...config, startSubscriptions: false },
    feed: openFeed(input),
    met: new Set(),
  }
  for (let window = windows[0]; window; window = windows[0]) {
    for await (const portion of portionsOf(reading, window)) {
      if (portion.isLast) windows.shift()
      yield pageOf(portion, { v: 1, windows: structuredClone(windows) })
    }
  }
}

const begin = (until: Date): Position => ({
  v: 1,
  readTo: {},
  live: {},
  sweptAt: until.toISOString(),
  sweep: [],
})

/** The sweep ends where live reading goes on. After a pause it begins as much further back: nothing falls between two. */
function planSweep(position: Position, config: OfficeConfig, until: Date, now: number): void {
  const sweptAt = Date.parse(position.sweptAt)
  if (position.sweep.length > 0 || until.getTime() - sweptAt < SWEEP_EVERY_SECONDS * 1000) return
  const from = Math.max(sweptAt - (SWEEP_REACH_SECONDS - SWEEP_EVERY_SECONDS) * 1000, now - REACH_MS)
  position.sweptAt = until.toISOString()
  position.sweep = chosen(config).flatMap((each) => cut(each, from, Date.parse(position.readTo[each] ?? '')))
}

function nextLive({ config, access }: Reading, { readTo }: Position, contentType: ContentType, until: number): Window {
  const known = readTo[contentType]
  const from = known === undefined ? until - config.startDaysBack * DAY_MS : Date.parse(known) - OVERLAP_SECONDS * 1000
  const start = Math.max(from, access.now() - REACH_MS)
  // A nominal time may lie before the last one: an empty window would be refused.
  const to = Math.min(start + WINDOW_MS, Math.max(until, start + 1000))
  return windowOf(contentType, start, to)
}

/** What the source has let go while nobody read it: one row in quarantine says from when to when. */
function forgottenOf(position: Position, contentType: ContentType, now: number): Portion | null {
  const { live, readTo } = position
  const oldest = now - REACH_MS
  // A list that has grown too old is not gone on with.
  const underWay = live[contentType]
  if (underWay && Date.parse(underWay.from) < oldest - HOUR_MS) delete live[contentType]
  const from = readTo[contentType]
  if (from === undefined || Date.parse(from) >= oldest) return null
  const to = new Date(oldest).toISOString()
  readTo[contentType] = to
  return { records: [goneRecord({ contentType, from, to })], isLast: false }
}

/** Windows that were begun long ago, without what the source has let go since. */
const stillKept = (windows: readonly Window[], now: number): Window[] =>
  windows.flatMap((window) => {
    const [from, oldest, to] = [Date.parse(window.from), now - REACH_MS, Date.parse(window.to)]
    if (from >= oldest - HOUR_MS) return [window]
    return to > oldest ? [windowOf(window.contentType, oldest, to)] : []
  })

const windowOf = (contentType: ContentType, from: number, to: number): Window => ({
  contentType,
  from: new Date(Math.floor(from / 1000) * 1000).toISOString(),
  to: new Date(Math.floor(to / 1000) * 1000).toISOString(),
  next: null,
})

function cut(contentType: ContentType, from: number, to: number): Window[] {
  const windows: Window[] = []
  for (let at = from; at < to; at += WINDOW_MS) windows.push(windowOf(contentType, at, Math.min(at + WINDOW_MS, to)))
  return windows
}

/** What is stored in one piece: the records of a blob, or the end of a list without any. */
interface Portion {
  records: SourceRecord[]
  seenKeys?: readonly string[]
  /** Nothing of the window is left. */
  isLast: boolean
}

/** Every blob of a window that nobody has read, from the page its list has come to. Nothing where it is not subscribed to. */
async function* portionsOf(reading: Reading, window: Window): AsyncGenerator<Portion> {
  for (;;) {
    const listed = await listOf(reading, window)
    if (listed === null) return
    const fresh = await unseen(reading, listed.contents)
    const reachNext = () => {
      window.next = listed.next
      return listed.next === null
    }
    if (fresh.length === 0) yield { records: [], isLast: reachNext() }
    let left = fresh.length
    for await (const { content, records } of inOrder(fresh, AHEAD, (each) => fetched(reading.feed, each))) {
      left -= 1
      reading.met.add(content.id)
      yield { records, seenKeys: [content.id], isLast: left === 0 && reachNext() }
    }
    if (window.next === null) return
  }
}

/** The next page of a list; its first where the link leads nowhere any more. Null where the subscription is starting. */
async function listOf({ feed, config, access }: Reading, window: Window): Promise<ContentList | null> {
  const first = () => feed.content(window.contentType, new Date(window.from), new Date(window.to))
  try {
    if (window.next === null || !feed.isOwn(window.next)) return await first()
    return await feed.goOn(window.next)
  } catch (error) {
    if (isPageForgotten(error) && window.next !== null) return first()
    if (isWindowRefused(error) && clamp(window, access.now())) return first()
    if (!isNotStarted(error) || !config.startSubscriptions) throw error
  }
  await feed.start(window.contentType)
  try {
    return await first()
  } catch (error) {
    if (isNotStarted(error)) return null
    throw error
  }
}

/** A window at the very edge of what is kept is moved in by an hour: the source's clock decides. */
function clamp(window: Window, now: number): boolean {
  const edge = now - REACH_MS + HOUR_MS
  if (Date.parse(window.from) >= edge || Date.parse(window.to) <= edge) return false
  Object.assign(window, windowOf(window.contentType, edge, Date.parse(window.to)))
  return true
}

async function unseen({ seen, met }: Reading, contents: readonly Content[]): Promise<Content[]> {
  const once = [...new Map(contents.filter(({ id }) => !met.has(id)).map((each) => [each.id, each])).values()]
  const known = await seen(once.map(({ id }) => id))
  return once.filter(({ id }) => !known.has(id))
}

/** A blob that is listed and no longer kept is one row in quarantine: nothing is left to be read. */
async function fetched(feed: ActivityFeed, content: Content): Promise<{ content: Content; records: SourceRecord[] }> {
  try {
    return { content, records: recordsOf(await feed.records(content)) }
  } catch (error) {
    if (!isGone(error)) throw error
    return { content, records: [goneRecord({ contentId: content.id })] }
  }
}

const goneRecord = (record: object): SourceRecord => ({
  line: 1,
  record,
  unreadable: { type: 'rejected', code: 'content_gone', expected: 'content that the source still keeps' },
})

const pageOf = ({ records, seenKeys }: Portion, after: Page['after']): Page => ({
  origin: ORIGIN,
  records,
  after,
  whole: true,
  ...(seenKeys ? { seenKeys } : {}),
})
