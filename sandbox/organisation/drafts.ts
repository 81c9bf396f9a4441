import type { Calendar } from './cast.ts'
import type { Person, Role } from './people.ts'
import { Random } from './random.ts'
import type { Call } from './records.ts'

/** What every part of the story is drawn from. */
export interface World {
  seed: number
  people: number
  eventsPerPersonDay: number
  /** The organisation's accounts; people sign in to the one that owns the bucket. */
  accounts: readonly string[]
  foreignAccount: string
  region: string
  cast: ReadonlyMap<number, Role>
  calendar: Calendar
  person(index: number): Person
}

/** An event that is planned but not written: small, since a day of a large organisation is planned at once. */
export interface Draft {
  at: number
  /** Account that owns what is touched. */
  account: number
  /** With `person` and `act`, what the event's details are drawn from. */
  number: number
  /** −1 for a service. */
  person: number
  act: Act
}

export interface Act {
  id: number
  call(world: World, draft: Draft, random: Random): Call
}

/** Details of an event: the same whenever and however often it is written. */
export const randomOf = ({ seed }: World, { act, at, number, person }: Draft, key = 0): Random =>
  new Random(seed, act.id, person + 1, number, Math.floor(at / 1000), key)

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
