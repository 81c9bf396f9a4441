import type { StoredRows } from '../db/activity-rows.ts'
import type { Connection } from '../db/connection.ts'
import { type ActiveIndicator, recomputeRollups } from './compile.ts'
import { PersonDays } from './person-days.ts'
import { type MeetingBook, type MetRows, noteMeetings, recomputeSeen } from './seen.ts'
import { dropLost, noteTreatments, type TreatmentBook } from './treated.ts'

/** What one import remembers from chunk to chunk. */
export interface Books {
  meetings: MeetingBook
  treatments: TreatmentBook
}

/** Counts what one transaction stores: taken chunk by chunk, while the database is at work, and counted once. */
export class Counting {
  readonly #books: Books
  readonly #touched: string
  readonly #chunks: MetRows[] = []
  readonly #days = new PersonDays()

  /** `touched` names the table in which person-days are noted. */
  constructor(books: Books, touched: string) {
    this.#books = books
    this.#touched = touched
  }

  take(rows: StoredRows): void {
    this.#days.take(rows)
    this.#chunks.push({ rows, meetings: this.#books.meetings.take(rows) })
  }

  /**
   * Brings first meetings, departments of patients and rollups of the touched person-days up to what is stored now.
   * `onlyAdded` is false when something that counted before may count no longer: a correction, a fact that changed.
   */
  async count(tx: Connection, indicators: readonly ActiveIndicator[], onlyAdded: boolean): Promise<void> {
    const touched = this.#touched
    const { meetings, treatments } = this.#books
    await this.#days.note(tx, touched)
    // First: it may touch further days.
    const chunks = this.#chunks.map(({ rows }) => rows)
    const mayLose = await noteTreatments(tx, treatments, touched, { chunks, onlyAdded })
    if (onlyAdded) await noteMeetings(tx, meetings, this.#chunks, touched)
    else {
      await recomputeSeen(tx, touched)
      meetings.clear()
    }
    if (onlyAdded && mayLose) await dropLost(tx, indicators, touched)
    await recomputeRollups(tx, indicators, touched, { onlyAdded })
  }
}
