import type { StoredRows } from '../db/activity-rows.ts'
import type { Connection } from '../db/connection.ts'
import { type ActiveIndicator, recomputeRollups } from './compile.ts'
import { PersonDays } from './person-days.ts'
import { type MeetingBook, type Meetings, noteMeetings, recomputeSeen } from './seen.ts'
import { dropLost, noteTreatments, type Pairs, type TreatmentBook } from './treated.ts'

/** What one import remembers from chunk to chunk. */
export interface Books {
  meetings: MeetingBook
  treatments: TreatmentBook
}

/**
 * Counts what one transaction stores: taken chunk by chunk, while the database is at work, and counted once. Of the rows
 * it keeps no more than their days and what the import had not met before.
 */
export class Counting {
  readonly #books: Books
  readonly #touched: string
  readonly #days = new PersonDays()
  readonly #meetings: Meetings[] = []
  readonly #pairs: Pairs[] = []
  #hasSubjects = false
  #hasSpecial = false

  /** `touched` names the table in which person-days are noted. */
  constructor(books: Books, touched: string) {
    this.#books = books
    this.#touched = touched
  }

  take(rows: StoredRows): void {
    const { meetings, treatments } = this.#books
    this.#days.take(rows)
    this.#meetings.push(meetings.take(rows))
    this.#pairs.push(treatments.take(rows.subjects))
    this.#hasSubjects ||= rows.subjects.size > 0
    this.#hasSpecial ||= rows.hasSpecial
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
    const any = this.#hasSubjects || (this.#hasSpecial && !onlyAdded)
    const mayLose = await noteTreatments(tx, treatments, touched, { pairs: this.#pairs, any, onlyAdded })
    if (onlyAdded) await noteMeetings(tx, meetings, this.#meetings, touched)
    else {
      await recomputeSeen(tx, touched)
      meetings.clear()
    }
    if (onlyAdded && mayLose) await dropLost(tx, indicators, touched)
    await recomputeRollups(tx, indicators, touched, { onlyAdded })
  }
}
