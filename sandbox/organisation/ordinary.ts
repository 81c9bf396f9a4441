import { type Act, DAY_MS, type Draft, HOUR_MS, type World } from './drafts.ts'
import { ACCESS_LOGS, ARCHIVE_TO, type Bucket, DEPARTMENT_BUCKETS, HOMES, objectBytes, objectKey } from './estate.ts'
import { COUNTRIES } from './names.ts'
import type { Person } from './people.ts'
import { homeAddress, officeAddress, PLACES, zoneOffsetMs } from './places.ts'
import { hashOf, Random } from './random.ts'
import { backupAsCaller, type Call, LOG_DELIVERY, personAsCaller } from './records.ts'

const FIRST_HOUR = 9
const OFFICE_HOURS = 9
/** Holidays, illness, meetings. People with a part are always there: their history has to be known. */
const PRESENCE = 0.84
/** Share of weekend days on which somebody does a little. */
const WEEKEND = 0.03
/** So long everybody goes round all their buckets: what is met later is new to them. */
const SETTLING_DAYS = 13

/** One person's ordinary work on one day of their calendar, by the office hours of their zone. */
export function* personDay(world: World, index: number, day: number): Generator<Draft> {
  const random = new Random(world.seed, hashOf('day'), index, Math.floor(day / DAY_MS))
  const weekday = new Date(day).getUTCDay()
  const hasPart = world.cast.has(index)
  if (weekday === 0 || weekday === 6) {
    if (hasPart || !random.chance(WEEKEND)) return
  } else if (!hasPart && !random.chance(PRESENCE)) return
  const person = world.person(index)
  const count = Math.max(1, Math.round(world.eventsPerPersonDay * (0.5 + random.unit())))
  const opens = day + FIRST_HOUR * HOUR_MS - zoneOffsetMs(person.zone, day)
  const settling = day - world.calendar.from.getTime() < SETTLING_DAYS * DAY_MS
  const buckets = DEPARTMENT_BUCKETS[person.department]
  const turn = Math.floor(day / DAY_MS)
  for (let number = 0; number < count; number += 1) {
    const chosen = settling
      ? (turn + number) % buckets.length
      : Math.min(Math.floor(random.unit() ** 2 * buckets.length), buckets.length - 1)
    const at = opens + Math.floor(random.unit() * OFFICE_HOURS * HOUR_MS)
    yield {
      at,
      account: (buckets[chosen] as Bucket).account,
      number: number * buckets.length + chosen,
      person: index,
      act: ORDINARY,
    }
  }
}

/** Where somebody is on a day: two fixed days a week at home, abroad while travelling. */
export function addressOn(world: World, person: Person, at: number): string {
  const { travel } = world.calendar
  const place = PLACES[person.country]
  if (person.role === 'travelling' && at >= travel.from.getTime() && at < travel.to.getTime()) {
    const abroad = COUNTRIES[(COUNTRIES.indexOf(person.country) + 4) % COUNTRIES.length] as typeof person.country
    return homeAddress(PLACES[abroad], person.index + 1)
  }
  const weekday = new Date(at).getUTCDay()
  const atHome = weekday === 0 || weekday === 6 || (weekday + person.index) % 5 < 2
  return atHome ? homeAddress(place, person.index) : officeAddress(place, person.index)
}

/** Everybody has some hundred objects of a bucket that are theirs to work on. */
const OWN_OBJECTS = 250

function ownKey(bucket: Bucket, person: Person, random: Random): string {
  const number = (hashOf(person.index) + random.whole(0, OWN_OBJECTS)) % bucket.objects
  if (bucket !== HOMES) return objectKey(bucket, number)
  const { first, last } = person.name
  return random.chance(0.15)
    ? `people/${first} ${last}/yearly-review-${2020 + (number % 6)}.pdf`
    : `home/${person.userName}/${objectKey(bucket, number)}`
}

const DENIED = { code: 'AccessDenied', message: 'Access Denied' }

/** The shares of what people do with objects. */
const ORDINARY: Act = {
  id: 1,
  call(world, draft, random) {
    const person = world.person(draft.person)
    const buckets = DEPARTMENT_BUCKETS[person.department]
    const bucket = buckets[draft.number % buckets.length] as Bucket
    const call = callOf(world, draft, bucket)
    const key = ownKey(bucket, person, random)
    const roll = random.unit()
    if (roll < 0.55) return { ...call, name: 'GetObject', key, bytesOut: objectBytes(bucket, random) }
    if (roll < 0.56) return { ...call, name: 'GetObject', key, error: DENIED }
    if (roll < 0.64) return { ...call, name: 'HeadObject', key }
    if (roll < 0.66) return { ...call, name: 'GetObjectTagging', key, parameters: { tagging: '' } }
    if (roll < 0.76)
      return {
        ...call,
        name: 'ListObjects',
        parameters: { 'list-type': '2', prefix: key.slice(0, key.indexOf('/') + 1) },
      }
    if (roll < 0.78) return { ...call, name: 'ListObjectVersions', parameters: { versions: '' } }
    if (roll < 0.97) return { ...call, name: 'PutObject', key, readOnly: false, bytesIn: objectBytes(bucket, random) }
    return { ...call, name: 'DeleteObject', key, readOnly: false }
  },
}

/** A read by the draft's person of a bucket, from where they are. */
export function callOf(world: World, { at, person: index }: Draft, bucket: Bucket, address?: string): Call {
  const person = world.person(index)
  const account = world.accounts[bucket.account] as string
  const caller = personAsCaller(world.seed, person, account, address ?? addressOn(world, person, at), at)
  return { at, region: world.region, caller, recipient: account, name: 'GetObject', bucket, readOnly: true }
}

const BACKUP_HOUR = 1
const BACKUP_OBJECTS = 40
const LOG_FILES = 12

/** What machines do every day: a backup that reads a lot at night, and a service that writes its logs. */
export function* serviceDay(world: World, day: number): Generator<Draft> {
  const random = new Random(world.seed, hashOf('services'), Math.floor(day / DAY_MS))
  for (let number = 0; number < BACKUP_OBJECTS; number += 1) {
    yield {
      at: day + BACKUP_HOUR * HOUR_MS + number * 90_000 + random.whole(0, 60_000),
      account: ARCHIVE_TO.account,
      number,
      person: -1,
      act: BACKUP,
    }
  }
  for (let number = 0; number < LOG_FILES; number += 1) {
    yield {
      at: day + Math.floor(((number + random.unit()) * DAY_MS) / LOG_FILES),
      account: ACCESS_LOGS.account,
      number,
      person: -1,
      act: LOG_WRITE,
    }
  }
}

const BACKUP: Act = {
  id: 2,
  call(world, { at }, random) {
    const account = world.accounts[ARCHIVE_TO.account] as string
    const key = objectKey(ARCHIVE_TO, random.whole(0, ARCHIVE_TO.objects))
    const bytesOut = 20 * objectBytes(ARCHIVE_TO, random)
    return {
      at,
      region: world.region,
      caller: backupAsCaller(account),
      recipient: account,
      name: 'GetObject',
      bucket: ARCHIVE_TO,
      key,
      bytesOut,
      readOnly: true,
    }
  },
}

export const LOG_WRITE: Act = {
  id: 3,
  call(world, { at }, random) {
    const recipient = world.accounts[ACCESS_LOGS.account] as string
    const key = objectKey(ACCESS_LOGS, random.whole(0, ACCESS_LOGS.objects))
    const bytesIn = objectBytes(ACCESS_LOGS, random)
    return {
      at,
      region: world.region,
      caller: LOG_DELIVERY,
      recipient,
      name: 'PutObject',
      bucket: ACCESS_LOGS,
      key,
      bytesIn,
      readOnly: false,
    }
  },
}
