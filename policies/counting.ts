import type { StoredRows } from '../db/activity-rows.ts'
import type { Connection } from '../db/connection.ts'
import { type ImportSession, TOUCHED } from '../db/import-session.ts'
import type { NewestStored } from '../db/newest-stored.ts'
import { type ActiveIndicator, lockTouched, recomputeRollups } from './compile.ts'
import type { DayUnderWay } from './day-under-way.ts'
import type { Matcher } from './matching.ts'
import { PersonDays } from './person-days.ts'
import { type MeetingBook, type Meetings, noteMeetings, recomputeSeen } from './seen.ts'
import { COPY_ROLLUPS, Tally } from './tally.ts'
import { dropLost, noteTreatments, type Pairs, type TreatmentBook } from './treated.ts'

/** What one import remembers from chunk to chunk. */
export interface Books {
  meetings: MeetingBook
  treatments: TreatmentBook
  underWay: DayUnderWay
}

/**
 * Counts what one transaction stores: taken chunk by chunk, while the database is at work, and counted once. Of the rows
 * it keeps no more than their days, what the import had not met before, and the rollups of person-days that begin with them.
 */
export class Counting {
  readonly #books: Books
  readonly #newest: NewestStored
  readonly #days = new PersonDays()
  readonly #tally = new Tally()
  readonly #meetings: Meetings[] = []
  readonly #pairs: Pairs[] = []
  #hasSubjects = false
  #hasSpecial = false

  /** `newest` knows how the days of the rows stood before the transaction. */
  constructor(books: Books, newest: NewestStored) {
    this.#books = books
    this.#newest = newest
  }

  /** `matcher` has told of the rows what they count for. */
  take(stored: StoredRows, matcher: Matcher): void {
    const { meetings, treatments, underWay } = this.#books
    const places = this.#days.take(stored)
    this.#tally.take(stored, matcher, places, this.#days, (identity, day) =>
      underWay.isEmpty(this.#newest, identity, day),
    )
    this.#meetings.push(meetings.take(stored))
    this.#pairs.push(treatments.take(stored.rows.subjects))
    this.#hasSubjects ||= stored.rows.subjects.size > 0
    this.#hasSpecial ||= stored.rows.special.length > 0
  }

  /**
   * Brings first meetings, departments of patients and rollups of the touched person-days up to what is stored now, by the
   * transaction `writer` of the session. `onlyAdded` is false when something that counted before may count no longer: a
   * correction, a fact that changed.
   */
  async count(
    session: ImportSession,
    tx: Connection,
    { indicators, onlyAdded, writer }: { indicators: readonly ActiveIndicator[]; onlyAdded: boolean; writer: string },
  ): Promise<void> {
    const touched = TOUCHED
    const { meetings, treatments, underWay } = this.#books
    if (!onlyAdded || !this.#tally.isOf(indicators)) this.#tally.giveUp()
    await this.#days.note(tx, touched, this.#tally.isCounted)
    // First: it may touch further days.
    const any = this.#hasSubjects || (this.#hasSpecial && !onlyAdded)
    const mayLose = await noteTreatments(tx, treatments, touched, { pairs: this.#pairs, any, onlyAdded })
    if (onlyAdded) await noteMeetings(tx, meetings, this.#meetings, touched)
    else {
      await recomputeSeen(tx, touched)
      meetings.clear()
    }
    if (onlyAdded && mayLose) await dropLost(tx, indicators, touched)
    const leavesCounted = await this.#copyRollups(session, tx)
    await recomputeRollups(tx, indicators, touched, { onlyAdded, leavesCounted })
    underWay.take(this.#newest, writer, this.#days)
  }

  /** Stores what was counted here; false when there is none, or it is not all any more that there is of these days. */
  async #copyRollups(session: ImportSession, tx: Connection): Promise<boolean> {
    const counted = new Set(this.#days.days.filter((_, place) => this.#tally.isCounted(place)))
    if (counted.size === 0) return false
    // Behind the locks of the person-days: whoever stored something of them has committed, or will find these.
    await lockTouched(tx, TOUCHED)
    if (!(await this.#newest.othersStayedAway(tx, counted))) return false
    await session.copy(COPY_ROLLUPS, this.#tally.pieces(this.#days))
    return true
  }
}
