import { AppError } from '../../domain/errors.ts'
import { calendarOf, castOf, PEOPLE_AT_LEAST, WEEKS_AT_LEAST } from './cast.ts'
import type { World } from './drafts.ts'
import { type HrFile, hrFilesOf, RENAMED_SCENARIO } from './hr-files.ts'
import { isLeaver } from './peaks.ts'
import { MAIL_DOMAIN, type Person, personAt, personalStringsOf, type Role } from './people.ts'
import { hashOf } from './random.ts'
import { type TeamEvent, teamEvents } from './team-log.ts'
import { type Balance, type TrailObject, trailBalance, trailObjects } from './trail.ts'

export type { Balance, HrFile, Person, Role, TeamEvent, TrailObject }
export { RENAMED_SCENARIO }

export interface OrganisationOptions {
  /** Any whole number or text; the same one always gives the same bytes. */
  seed: number | string
  /** 30 to 100,000. */
  people?: number
  /** Weeks of activity before `until`, at least 4. */
  weeks?: number
  /** End of the story: nothing is later. */
  until: Date
  /** The organisation's two accounts. */
  accounts?: readonly [string, string]
  region?: string
  /** Present for an organisation trail: one more level in the keys. */
  organisationId?: string
  /** Mean of S3 calls per person and working day. */
  eventsPerPersonDay?: number
}

export interface Expectations {
  /** Addresses of the people for whom the departing-employee policy raises an alert. */
  alertsFor: string[]
  /** Addresses of the other leavers. */
  noAlertsFor: string[]
  /** Addresses of the people with innocent peaks, who are not leaving. */
  innocentPeaks: string[]
  /** Day on which the one who takes data gave notice. */
  notice: Date
}

export interface Organisation {
  /** Made when first asked for; `person` serves where there are too many to hold. */
  readonly people: readonly Person[]
  person(index: number): Person
  personalStrings(): Generator<string>
  hrFiles(): HrFile[]
  /** In the order of delivery; one day is planned and one object written at a time. */
  cloudTrailObjects(): Generator<TrailObject>
  /** What an import of all objects must report, under the key `sharedEventID`, else `recipientAccountId/eventID`. */
  expectedTrail(): Balance & { objects: number }
  /** What some of them do in a Dropbox team, oldest first; no two events are equal. */
  teamEvents(): TeamEvent[]
  readonly expectations: Expectations
  readonly accounts: readonly [string, string]
  readonly region: string
  /** Mail domain of IAM user names, for the S3 connector. */
  readonly userDomain: string
  /** An account of somebody else, with which data is shared. */
  readonly foreignAccount: string
  /** Days that an import has to look back to see all objects. */
  readonly daysBack: number
}

const PEOPLE_AT_MOST = 100_000
const ACCOUNTS = ['410872951336', '527340918264'] as const
const FOREIGN_ACCOUNT = '930415728806'

/**
 * An organisation of people who do not exist, with weeks of their work in Amazon S3 and the files of its HR system.
 * One leaver takes data, the others do not. Throws settings_invalid for sizes outside the limits.
 */
export function generateOrganisation(options: OrganisationOptions): Organisation {
  const {
    people = 200,
    weeks = 6,
    until,
    accounts = ACCOUNTS,
    region = 'eu-central-1',
    eventsPerPersonDay = 6,
  } = options
  inRange('people', people, PEOPLE_AT_LEAST, PEOPLE_AT_MOST)
  inRange('weeks', weeks, WEEKS_AT_LEAST, 104)
  const seed = hashOf(options.seed)
  const cast = castOf(seed, people)
  const person = (index: number): Person => personAt(seed, index, cast)
  const known = new Map<number, Person>()
  const world: World = {
    seed,
    people,
    eventsPerPersonDay,
    accounts,
    foreignAccount: FOREIGN_ACCOUNT,
    region,
    cast,
    calendar: calendarOf(weeks, until),
    person(index) {
      const found = known.get(index) ?? person(index)
      if (known.size >= REMEMBERED) known.clear()
      known.set(index, found)
      return found
    },
  }
  const addressesOf = (wanted: (role: Role) => boolean): string[] =>
    [...cast].flatMap(([index, role]) => (wanted(role) ? [person(index).address] : []))
  let everybody: Person[] | undefined
  return {
    get people() {
      everybody ??= Array.from({ length: people }, (_, index) => person(index))
      return everybody
    },
    person,
    *personalStrings() {
      for (let index = 0; index < people; index += 1) yield* personalStringsOf(person(index))
    },
    hrFiles: () => hrFilesOf(world),
    cloudTrailObjects: () => trailObjects(world, options.organisationId),
    expectedTrail: () => trailBalance(world),
    teamEvents: () => teamEvents(world),
    expectations: {
      alertsFor: addressesOf((role) => role === 'leaver-taking'),
      noAlertsFor: addressesOf((role) => isLeaver(role) && role !== 'leaver-taking'),
      innocentPeaks: addressesOf((role) => role !== 'employee' && !isLeaver(role)),
      notice: world.calendar.notice,
    },
    accounts,
    region,
    userDomain: MAIL_DOMAIN,
    foreignAccount: FOREIGN_ACCOUNT,
    daysBack: weeks * 7 + 2,
  }
}

/** People kept at hand while their day is written. */
const REMEMBERED = 5_000

function inRange(field: string, value: number, from: number, to: number): void {
  if (Number.isInteger(value) && value >= from && value <= to) return
  throw new AppError('settings_invalid', `${field} must be a whole number from ${from} to ${to}`, {
    field,
    fix: `Give ${field} a value in that range.`,
  })
}
