import type { NewestStored } from '../db/newest-stored.ts'
import type { PersonDays } from './person-days.ts'

/** More people of a day are not remembered: 16 bytes each and more. */
const PEOPLE_AT_MOST = 200_000

/**
 * Who has done something on the last day that an import has stored, where all that is stored of that day is its own: a log
 * in order of time goes on within it.
 */
export class DayUnderWay {
  #day = Number.NaN
  #writer = ''
  #people: Set<number> | null = null

  /** Whether nothing was stored of a person-day before the transaction under way. */
  isEmpty(newest: NewestStored, identity: number, day: number): boolean {
    if (newest.isUntouched(day)) return true
    return this.#goesOn(newest, day) && this.#people?.has(identity) === false
  }

  #goesOn(newest: NewestStored, day: number): boolean {
    return this.#people !== null && day === this.#day && newest.isOnlyBy(this.#writer, day)
  }

  /** Takes what the transaction `writer` has stored. */
  take(newest: NewestStored, writer: string, { identities, days }: PersonDays): void {
    let last = Number.NEGATIVE_INFINITY
    for (const day of days) if (day > last) last = day
    if (last === Number.NEGATIVE_INFINITY) return
    const known = this.#goesOn(newest, last) ? this.#people : newest.isUntouched(last) ? new Set<number>() : null
    for (const [n, day] of days.entries()) if (day === last) known?.add(identities[n] as number)
    this.#day = last
    this.#writer = writer
    this.#people = known !== null && known.size <= PEOPLE_AT_MOST ? known : null
  }
}
