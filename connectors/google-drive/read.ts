import type { Page, RangeInput, ReadInput } from '../connector.ts'
import { readWindows, readWindowsOf, type Windows } from '../windows.ts'
import { isTokenRefused, openDriveLog } from './client.ts'
import type { GoogleDriveConfig } from './config.ts'
import { recordsOf } from './items.ts'

const DAY_MS = 86_400_000
/** Most events are readable within minutes; up to three hours have been seen. */
export const OVERLAP_SECONDS = 3 * 3_600
export const SWEEP_EVERY_SECONDS = 86_400
export const SWEEP_REACH_SECONDS = 2 * 86_400
export const REACH_DAYS = 180
/** A window is read newest first and counts only when it is whole: a short one costs little to read again. */
const WINDOW_MS = 6 * 3_600_000
/** Whether the first edge belongs to a window is not documented: a millisecond more, and ids tell what is double. */
const EDGE_MS = 1

export const read = (input: ReadInput<GoogleDriveConfig>): AsyncIterable<Page> => readWindows(windowsOf(input), input)

/** The log of a range; its position resumes it. */
export const readRange = (input: RangeInput<GoogleDriveConfig>): AsyncIterable<Page> =>
  readWindowsOf(windowsOf(input), input)

function windowsOf(input: Pick<ReadInput<GoogleDriveConfig>, 'config' | 'access' | 'signal'>): Windows {
  const log = openDriveLog(input)
  return {
    origin: 'google drive log',
    startDaysBack: input.config.startDaysBack,
    windowMs: WINDOW_MS,
    overlapMs: OVERLAP_SECONDS * 1000,
    sweep: { everyMs: SWEEP_EVERY_SECONDS * 1000, reachMs: SWEEP_REACH_SECONDS * 1000 },
    reachMs: REACH_DAYS * DAY_MS,
    page: (from, to, token) => log.window(new Date(from.getTime() - EDGE_MS), to, token),
    // How long a token lives is not documented.
    isTokenRefused,
    recordsOf,
  }
}
