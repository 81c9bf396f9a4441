import type { ActivityRows } from '../db/activity-rows.ts'
import type { Connection } from '../db/connection.ts'
import { type ActiveIndicator, recomputeRollups } from './compile.ts'
import { type MeetingBook, noteMeetings, recomputeSeen } from './seen.ts'

export interface Counted {
  rows: ActivityRows
  /** Which of them were stored, in the order of their key. */
  stored: Uint32Array
  /** False when something that counted before may count no longer: a correction, a fact that changed. */
  onlyAdded: boolean
}

/** Brings first meetings and rollups of the touched person-days up to what is stored now. */
export async function countTouched(
  tx: Connection,
  book: MeetingBook,
  indicators: readonly ActiveIndicator[],
  touched: string,
  { rows, stored, onlyAdded }: Counted,
): Promise<void> {
  if (onlyAdded) await noteMeetings(tx, book, rows, stored, touched)
  else await recomputeSeen(tx, touched)
  await recomputeRollups(tx, indicators, touched, { onlyAdded })
}
