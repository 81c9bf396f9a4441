import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gunzipSync } from 'node:zlib'
import { open } from 'maxmind'
import { beforeAll, describe, expect, test } from 'vitest'
import { Needles } from '../../cli/demo/scan/needles.ts'
import { Held } from '../../test/harness/held.ts'
import { generateOrganisation, type Organisation, type TrailObject } from './index.ts'
import { COUNTRIES } from './names.ts'
import { ELSEWHERE, homeAddress, officeAddress, PLACES } from './places.ts'

const until = new Date('2026-11-23T02:00:00Z')

interface Event {
  eventID: string
  sharedEventID?: string
  recipientAccountId: string
  eventTime: string
  eventName: string
  userIdentity: { type: string; userName?: string; arn?: string; accountId?: string }
  sourceIPAddress: string
  requestParameters: Record<string, string>
  additionalEventData?: { bytesTransferredOut: number }
  resources?: { accountId?: string }[]
}

const recordsOf = ({ body }: TrailObject): Event[] =>
  (JSON.parse(gunzipSync(body).toString()) as { Records: Event[] }).Records
const ADDRESS = /^[a-z]{3,}\.[a-z]{7,}@northbridge\.example$/
const nameOf = ({ userIdentity }: Event): string | undefined =>
  userIdentity.userName ?? userIdentity.arn?.split('/').at(-1)
const keyOf = (event: Event): string => event.sharedEventID ?? `${event.recipientAccountId}/${event.eventID}`

describe('the default organisation', () => {
  let organisation: Organisation
  let objects: TrailObject[]
  let events: Event[]
  /** Of every object that can be read. */
  const records = new Map<TrailObject, Event[]>()
  const damaged: TrailObject[] = []

  beforeAll(() => {
    organisation = generateOrganisation({ seed: 7, until })
    objects = [...organisation.cloudTrailObjects()]
    for (const object of objects) {
      try {
        records.set(object, recordsOf(object))
      } catch {
        damaged.push(object)
      }
    }
    events = [...records.values()].flat()
  })

  test('is of a size that a demo imports in a minute', () => {
    expect(events.length).toBeGreaterThan(30_000)
    expect(events.length).toBeLessThan(42_000)
    expect(objects.length).toBeLessThan(1_100)
  })

  test('balances by the dedupe key, object by object and as a whole', () => {
    const seen = new Set<string>()
    for (const object of objects) {
      const own = records.get(object)
      if (own === undefined) {
        expect(object.expected).toEqual({ received: 1, stored: 0, duplicate: 0, quarantined: 1, ignored: 0 })
        continue
      }
      const fresh = own.filter((event) => !seen.has(keyOf(event)) && seen.add(keyOf(event)))
      const duplicate = own.length - fresh.length
      expect(object.expected).toEqual({
        received: own.length,
        stored: fresh.length,
        duplicate,
        quarantined: 0,
        ignored: 0,
      })
    }
    const received = events.length + damaged.length
    const duplicate = events.length - seen.size
    expect(damaged).toHaveLength(1)
    expect(duplicate).toBeGreaterThan(10)
    expect(organisation.expectedTrail()).toEqual({
      objects: objects.length,
      received,
      stored: seen.size,
      duplicate,
      quarantined: 1,
      ignored: 0,
    })
  })

  test('lays its keys out as CloudTrail does, in the order of delivery and never after the end', () => {
    let before = 0
    for (const { key, lastModified } of objects) {
      const found =
        /^AWSLogs\/(\d{12})\/CloudTrail\/eu-central-1\/(\d{4})\/(\d{2})\/(\d{2})\/\1_CloudTrail_eu-central-1_(\d{8}T\d{4})Z_[A-Za-z0-9]{16}\.json\.gz$/.exec(
          key,
        )
      expect(found, key).not.toBeNull()
      const [, , year, month, day, stamp] = found as RegExpExecArray
      expect(stamp).toBe(lastModified.toISOString().slice(0, 16).replaceAll(/[-:]/g, ''))
      expect(`${year}${month}${day}`).toBe(stamp?.slice(0, 8))
      expect(lastModified.getTime()).toBeGreaterThanOrEqual(before)
      before = lastModified.getTime()
    }
    expect(before).toBeLessThanOrEqual(until.getTime())
    expect(new Set(objects.map(({ key }) => key)).size).toBe(objects.length)
    expect(new Set(objects.map(({ key }) => key.split('/')[1]))).toEqual(new Set(organisation.accounts))
  })

  test('holds what real trails hold now and then', () => {
    const with_ = (member: string) => events.filter((event) => member in event)
    expect(with_('addendum')).toHaveLength(1)
    const originals = new Set(events.map(({ eventID }) => eventID))
    expect(originals).toContain(
      (with_('addendum')[0] as unknown as { addendum: { originalEventID: string } }).addendum.originalEventID,
    )
    expect(with_('transposition').map(({ eventName }) => eventName)).toEqual(['TransposeObject'])
    const shared = with_('sharedEventID')
    expect(shared).toHaveLength(6)
    expect(new Set(shared.map(({ sharedEventID }) => sharedEventID)).size).toBe(3)
    expect(new Set(shared.map(({ eventID }) => eventID)).size).toBe(6)
    const lateHours = [...records].map(
      ([{ lastModified }, own]) =>
        Math.min(...own.map(({ eventTime }) => lastModified.getTime() - Date.parse(eventTime))) / 3_600_000,
    )
    expect(lateHours.filter((hours) => hours > 8)).toHaveLength(2)
  })

  test('the team log is one page of distinct events, and one member opens links to anybody by night', () => {
    const log = organisation.teamEvents()
    expect(log.length).toBeGreaterThan(350)
    expect(log.length).toBeLessThan(1_000)
    expect(new Set(log.map((event) => JSON.stringify(event))).size).toBe(log.length)
    expect(log.map(({ timestamp }) => timestamp)).toEqual(log.map(({ timestamp }) => timestamp).sort())
    const opened = log.filter((event) => JSON.stringify(event).includes('"new_value":{".tag":"public"}'))
    expect(opened).toHaveLength(4)
    for (const event of opened) {
      expect(event['actor']).toMatchObject({ user: { email: organisation.expectations.alertsFor[0] } })
      expect([22, 23, 0, 1]).toContain(new Date(event.timestamp).getUTCHours())
    }
  })

  test('the one who takes data reads by night, far above the usual, from elsewhere, shares and deletes', () => {
    const [taker] = organisation.expectations.alertsFor
    const own = [
      ...new Map(events.filter((event) => nameOf(event) === taker).map((event) => [keyOf(event), event])).values(),
    ]
    const reads = own.filter(({ eventName }) => eventName === 'GetObject')
    const perDay = new Map<string, Set<string>>()
    for (const { eventTime, requestParameters } of reads) {
      const day = eventTime.slice(0, 10)
      perDay.set(
        day,
        (perDay.get(day) ?? new Set()).add(`${requestParameters['bucketName']}/${requestParameters['key']}`),
      )
    }
    const busiest = Math.max(...[...perDay.values()].map((keys) => keys.size))
    expect(busiest).toBeGreaterThan(500)
    const atNight = reads.filter(({ eventTime }) => [22, 23, 0, 1, 2, 3].includes(new Date(eventTime).getUTCHours()))
    expect(atNight.length).toBe(640 + 900 + 700)
    const bytes = atNight.reduce(
      (sum, { additionalEventData }) => sum + (additionalEventData?.bytesTransferredOut ?? 0),
      0,
    )
    expect(bytes).toBeGreaterThan(15e9)
    expect(own.filter(({ eventName }) => eventName === 'PutBucketPolicy')).toHaveLength(1)
    const copies = own.filter(({ resources }) =>
      resources?.some(({ accountId }) => accountId === organisation.foreignAccount),
    )
    expect(copies).toHaveLength(60)
    expect(own.filter(({ eventName }) => eventName === 'DeleteObject').length).toBeGreaterThanOrEqual(260)
    const firstElsewhere = own.find(
      ({ sourceIPAddress }) =>
        sourceIPAddress.startsWith(ELSEWHERE.homes[0] as string) ||
        sourceIPAddress.startsWith(ELSEWHERE.homes[1] as string),
    )
    expect(Date.parse(firstElsewhere?.eventTime ?? '')).toBeGreaterThan(organisation.expectations.notice.getTime())
  })

  test('the other leavers stay below what would raise an alert', () => {
    const { noAlertsFor } = organisation.expectations
    expect(noAlertsFor).toHaveLength(4)
    for (const address of noAlertsFor) {
      const own = events.filter((event) => nameOf(event) === address)
      expect(own.length).toBeGreaterThan(50)
      const perDay = new Map<string, number>()
      const firstMet = new Map<string, string>()
      for (const { eventName, eventTime, requestParameters } of own) {
        const day = eventTime.slice(0, 10)
        if (eventName === 'GetObject') perDay.set(day, (perDay.get(day) ?? 0) + 1)
        const bucket = requestParameters['bucketName'] as string
        if (day < (firstMet.get(bucket) ?? '9')) firstMet.set(bucket, day)
      }
      expect(Math.max(...perDay.values())).toBeLessThan(150)
      for (const day of firstMet.values())
        expect(Date.parse(day) - (until.getTime() - 42 * 86_400_000)).toBeLessThan(14 * 86_400_000)
    }
  })

  test('somebody who moves an archive, and machines, read more in a day than any leaver usually does', () => {
    const days = new Map<string, number>()
    for (const event of events)
      days.set(
        `${nameOf(event)} ${event.eventTime.slice(0, 10)}`,
        (days.get(`${nameOf(event)} ${event.eventTime.slice(0, 10)}`) ?? 0) + 1,
      )
    const [[busiest = ''] = []] = [...days].sort((a, b) => b[1] - a[1])
    expect(organisation.expectations.innocentPeaks).toContain(busiest.split(' ')[0])
    const services = events.filter(({ userIdentity }) => userIdentity.type === 'AWSService')
    expect(services.length).toBeGreaterThan(400)
    expect(events.some(({ userIdentity }) => userIdentity.type === 'IAMUser')).toBe(true)
  })

  test('names people in some keys, so that masking has something to do', () => {
    const keys = events.map(({ requestParameters }) => requestParameters['key'] ?? '')
    const { people } = organisation
    expect(
      people.filter(({ userName }) => keys.some((key) => key.startsWith(`home/${userName}/`))).length,
    ).toBeGreaterThan(50)
    expect(
      people.filter(({ name }) => keys.some((key) => key.includes(`${name.first} ${name.last}`))).length,
    ).toBeGreaterThan(20)
  })
})

test('the same seed gives the same bytes, another one others', () => {
  const digest = (seed: number | string) => {
    const organisation = generateOrganisation({ seed, until, people: 30, weeks: 4, eventsPerPersonDay: 1 })
    return [
      ...[...organisation.cloudTrailObjects()].map(({ key, body }) => key + body.toString('base64')),
      ...organisation.hrFiles().map(({ bytes }) => bytes.toString('base64')),
    ]
  }
  const first = digest(3)
  expect(digest(3)).toEqual(first)
  expect(digest('3')).toEqual(first)
  expect(digest(4)).not.toEqual(first)
})

test('every story has all its parts, whatever its seed, day of the week and size', () => {
  for (let seed = 0; seed < 7; seed += 1) {
    const end = new Date(until.getTime() + seed * 86_400_000 + seed * 3_600_000)
    const organisation = generateOrganisation({ seed, until: end, people: 30 + seed, weeks: 4, eventsPerPersonDay: 2 })
    const seen = new Set<string>()
    const nights = new Set<string>()
    let received = 0
    for (const object of organisation.cloudTrailObjects()) {
      received += object.expected.received
      if (object.expected.quarantined > 0) continue
      for (const event of recordsOf(object)) {
        seen.add(keyOf(event))
        if (nameOf(event) === organisation.expectations.alertsFor[0]) nights.add(event.eventName)
      }
    }
    expect(organisation.expectedTrail()).toMatchObject({ received, stored: seen.size, quarantined: 1 })
    expect(nights).toContain('PutBucketPolicy')
    expect(nights).toContain('DeleteObject')
  }
})

describe('a hundred thousand people', () => {
  const organisation = generateOrganisation({ seed: 11, people: 100_000, until })

  test('can all be told apart, by words that no page of ours holds', () => {
    const of = {
      address: new Set<string>(),
      userName: new Set<string>(),
      employeeNumber: new Set<string>(),
      last: new Set<string>(),
    }
    const odd: string[] = []
    for (let index = 0; index < 100_000; index += 1) {
      const { address, userName, employeeNumber, name } = organisation.person(index)
      of.address.add(address)
      of.userName.add(userName)
      of.employeeNumber.add(employeeNumber)
      of.last.add(name.last)
      if (name.last.length < 7 || !ADDRESS.test(address)) odd.push(address)
    }
    expect(odd).toEqual([])
    for (const values of Object.values(of)) expect(values.size).toBe(100_000)
    const pages = ['domain', 'policies', 'sandbox'].flatMap((folder) =>
      readdirSync(new URL(`../../${folder}/`, import.meta.url), { recursive: true, encoding: 'utf8' })
        .filter((file) => /\.(ts|yaml|md)$/.test(file))
        .map((file) => readFileSync(new URL(`../../${folder}/${file}`, import.meta.url), 'utf8')),
    )
    const words = Array.from({ length: 2_000 }, (_, at) => organisation.person(at * 50)).flatMap(
      ({ name, userName }) => [
        { text: name.last, what: name.last },
        { text: userName, what: userName },
      ],
    )
    expect(new Needles(words).search()(Buffer.from(pages.join('\n')))).toEqual([])
  })

  test('stream: objects come without the rest being held', () => {
    const held = new Held()
    let received = 0
    let most = 0
    for (const object of organisation.cloudTrailObjects()) {
      received += object.expected.received
      most = Math.max(most, object.body.length)
      if (received > 30_000) break
    }
    held.look()
    expect(received).toBeLessThan(40_000)
    expect(most).toBeLessThan(5_000_000)
    expect(held.megabytes).toBeLessThan(100)
  })
})

test('every address belongs to its country', async () => {
  const file = createRequire(import.meta.url).resolve(
    '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb',
  )
  const countries = (await open(file)) as unknown as { get(ip: string): { country_code: string } | null }
  for (const place of [...COUNTRIES.map((country) => PLACES[country]), ELSEWHERE]) {
    for (let index = 0; index < 3_000; index += 7) {
      for (const ip of [homeAddress(place, index), officeAddress(place, index)])
        expect([ip, countries.get(ip)?.country_code]).toEqual([ip, place.country])
    }
  }
})

test('files of the HR system have the rows they announce', () => {
  const organisation = generateOrganisation({ seed: 5, until })
  const [profiles, changes, broken] = organisation.hrFiles()
  const lines = (file: typeof profiles) => file?.bytes.toString().replace('\ufeff', '').trimEnd().split(/\r?\n/) ?? []
  expect(lines(profiles)).toHaveLength(1 + 200)
  expect(profiles?.expected).toEqual({ received: 200, stored: 200, duplicate: 0, quarantined: 0, ignored: 0 })
  expect(lines(changes).filter((line) => line.startsWith('Resignation,'))).toHaveLength(5)
  expect(lines(changes)).toHaveLength(1 + (changes?.expected.received ?? 0))
  expect(lines(changes).at(-1)).toBe(lines(changes).at(-2))
  expect(lines(broken)).toHaveLength(1 + (broken?.expected.received ?? 0))
  for (const { expected } of [profiles, changes, broken] as NonNullable<typeof profiles>[]) {
    expect(expected.received).toBe(expected.stored + expected.duplicate + expected.quarantined + expected.ignored)
  }
})

test('sizes outside the limits are refused with the field and the range', () => {
  expect(() => generateOrganisation({ seed: 1, until, people: 5 })).toThrow(
    'people must be a whole number from 30 to 100000',
  )
  expect(() => generateOrganisation({ seed: 1, until, weeks: 1 })).toThrow('weeks must be a whole number from 4 to 104')
})
