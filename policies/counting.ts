import { touchDays } from '../db/activities.ts'
import type { StoredRows } from '../db/activity-rows.ts'
import type { Connection } from '../db/connection.ts'
import { type ActiveIndicator, recomputeRollups } from './compile.ts'
import { type MeetingBook, noteMeetings, recomputeSeen } from './seen.ts'
import { dropLost, noteTreatments, type TreatmentBook } from './treated.ts'

/** What one import remembers from chunk to chunk. */
export interface Books {
  meetings: MeetingBook
  treatments: TreatmentBook
}

export interface Counted {
  /** What each chunk of the transaction stored. */
  chunks: readonly StoredRows[]
  /** False when something that counted before may count no longer: a correction, a fact that changed. */
  onlyAdded: boolean
}

/** Brings first meetings, departments of patients and rollups of the touched person-days up to what is stored now. */
export async function countTouched(
  tx: Connection,
  { meetings, treatments }: Books,
  indicators: readonly ActiveIndicator[],
  touched: string,
  { chunks, onlyAdded }: Counted,
): Promise<void> {
  await touchDays(tx, chunks)
  // First: it may touch further days.
  const mayLose = await noteTreatments(tx, treatments, touched, { chunks, onlyAdded })
  if (onlyAdded) await noteMeetings(tx, meetings, chunks, touched)
  else await recomputeSeen(tx, touched)
  if (onlyAdded && mayLose) await dropLost(tx, indicators, touched)
  await recomputeRollups(tx, indicators, touched, { onlyAdded })
}
