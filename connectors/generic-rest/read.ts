import { AppError } from '../../domain/errors.ts'
import type { Page, RangeInput, ReadInput, SourceRecord } from '../connector.ts'
import { readWindows, readWindowsOf, type WindowPage, type Windows } from '../windows.ts'
import { isPlaceRefused, openList, type RestList } from './client.ts'
import type { RestConfig } from './config.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Unless it is set otherwise. */
export const OVERLAP_SECONDS = 3_600
export const SWEEP_EVERY_SECONDS = 86_400
export const SWEEP_REACH_SECONDS = 2 * 86_400
/** Whether a bound belongs to a window, no two sources agree: a second more, and event ids tell what is double. */
const EDGE_MS = 1_000
const ORIGIN = 'list of a REST API'

type Opened = Pick<ReadInput<RestConfig>, 'config' | 'access' | 'signal'>

/** By windows of time, behind the last cursor, or all of it each time: as it is set. */
export const read = (input: ReadInput<RestConfig>): AsyncIterable<Page> =>
  input.config.goesOn === 'by_time' ? readWindows(windowsOf(input), input) : readOn(input)

/** Records of a range; its positions resume it. Throws state_conflict for a source that is not asked by time. */
export function readRange(input: RangeInput<RestConfig>): AsyncIterable<Page> {
  if (input.config.goesOn === 'by_time') return readWindowsOf(windowsOf(input), input)
  throw new AppError('state_conflict', 'the past cannot be asked for: this source is not read by time', {
    fix: 'If the source takes a begin and an end, set their parameters and let it go on by time.',
  })
}

function windowsOf(input: Opened): Windows {
  const { startDaysBack, untilParameter, windowHours, overlapMinutes, sweepHours, reachDays } = input.config
  const list = openList(input)
  return {
    origin: ORIGIN,
    startDaysBack,
    // A window without an end is answered up to now: cut in two, its later part would be read twice.
    windowMs: untilParameter ? windowHours * HOUR_MS : Number.POSITIVE_INFINITY,
    overlapMs: overlapMinutes * 60_000,
    sweep: sweepHours === 0 ? null : { everyMs: SWEEP_EVERY_SECONDS * 1000, reachMs: sweepHours * HOUR_MS },
    reachMs: reachDays === undefined ? null : reachDays * DAY_MS,
    page: (from, to, token) => list.page({ from: new Date(from.getTime() - EDGE_MS), to }, token),
    isTokenRefused: isPlaceRefused,
    recordsOf,
  }
}

interface Position {
  v: 1
  /** Of the page to be read next; null = the first one. */
  token: string | null
}

/** Page after page; the next import goes on with the last cursor, or from the start. */
async function* readOn(input: ReadInput<RestConfig>): AsyncGenerator<Page> {
  const { config, until } = input
  const list = openList(input)
  const span = { from: new Date(until.getTime() - config.startDaysBack * DAY_MS) }
  let token = (input.position as unknown as Position | null)?.token ?? null
  for (let isAnew = false; ; ) {
    let found: WindowPage
    try {
      found = await list.page(span, token)
    } catch (error) {
      if (token === null || isAnew || !isPlaceRefused(error)) throw error
      // Forgotten by the source: from the first page on, where ids tell what is double.
      isAnew = true
      token = null
      continue
    }
    const isLast = found.next === null || (config.goesOn === 'by_cursor' && found.items.length === 0)
    const nextToken: string | null = found.next ?? (config.goesOn === 'by_cursor' ? token : null)
    const after: Position = { v: 1, token: nextToken }
    yield { origin: ORIGIN, records: recordsOf(found.items), after: { ...after }, whole: true }
    if (isLast) return
    token = nextToken
  }
}

const recordsOf = (items: readonly unknown[]): SourceRecord[] =>
  items.map((record, index) => ({ line: index + 1, record }))

/** One page as an import would begin with, to see what comes. */
export function firstPage(input: Opened & { now: Date }): Promise<WindowPage> {
  const list: RestList = openList(input)
  const from = new Date(input.now.getTime() - input.config.startDaysBack * DAY_MS)
  return list.page({ from, to: input.now }, null)
}
