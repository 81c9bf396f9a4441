import { addDays } from '../../domain/window.ts'
import { csv } from '../../sandbox/organisation/hospital/files.ts'
import { Random } from '../../sandbox/organisation/random.ts'
import { trailRecord } from '../harness/trail.ts'

export const SOURCES = ['hr', 'amazon-s3', 'healthcare', 'physical-badging', 'office-365-activity'] as const
export type Source = (typeof SOURCES)[number]

/** One record of one source, as the source writes it. */
export interface SourceRecord {
  source: Source
  cells: unknown
}

interface Somebody {
  address: string
  login: string
  first: string
  last: string
  street: string
}

const PEOPLE: readonly Somebody[] = ['Ada Quill', 'Ben Stone', 'Cleo Marsh', 'Dov Hale'].map((name, n) => {
  const [first, last] = name.split(' ') as [string, string]
  return { address: `${first.toLowerCase()}@order.example`, login: `u${n}`, first, last, street: `${n + 1} Elm St` }
})
export const ADDRESSES: readonly string[] = PEOPLE.map(({ address }) => address)

/** Somebody's household, somebody's family name, a colleague, strangers. */
const PATIENTS = [
  { id: 'mrn-1', first: 'Eve', last: 'Quill', street: '1 Elm St' },
  { id: 'mrn-2', first: 'Finn', last: 'Stone', street: '70 Oak Rd' },
  { id: 'mrn-3', first: 'Cleo', last: 'Marsh', street: '3 Elm St' },
  { id: 'mrn-4', first: 'Gus', last: 'Wood', street: '4 Elm St' },
  { id: 'mrn-5', first: 'Hana', last: 'Reed', street: '71 Oak Rd' },
] as const
const DOORS = ['LOBBY-1', 'WARD-2', 'PHARMACY-1', 'RECORDS-2'] as const
const DAYS = 25

const HR_HEADER = ['Record', 'Email', 'Login', 'First', 'Last', 'Address', 'Zip', 'Department', 'Notice', 'LastDay']
const EHR_COLUMNS = {
  creationTime: 'Time',
  eventName: 'Event',
  patientId: 'Patient',
  patientFirstName: 'First',
  patientLastName: 'Last',
  patientAddressLine1: 'Address',
  patientCity: 'City',
  patientZipCode: 'Zip',
  patientDepartment: 'Department',
  restrictedReason: 'Reason',
  person: 'Login',
}

export const HR_SETTINGS = {
  identifierColumn: 'Record',
  scenarios: [
    {
      scenario: 'employee_profile',
      identifierValue: 'Profile',
      columns: {
        person: 'Email',
        userName: 'Login',
        firstName: 'First',
        lastName: 'Last',
        addressLine1: 'Address',
        zipCode: 'Zip',
        department: 'Department',
      },
    },
    {
      scenario: 'resignation',
      identifierValue: 'Leaver',
      columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' },
    },
  ],
}
export const EHR_SETTINGS = { columns: EHR_COLUMNS }
export const BADGE_SETTINGS = { priorityAssets: ['PHARMACY-1', 'RECORDS-2'] }

/** The file in which these records of a pushed source come. */
export const FILE_OF: Readonly<Record<'hr' | 'healthcare' | 'physical-badging', (all: unknown[]) => Buffer>> = {
  hr: (all) => csv(HR_HEADER, all as string[][]),
  healthcare: (all) => csv(Object.values(EHR_COLUMNS), all as string[][]),
  'physical-badging': (all) => Buffer.from(JSON.stringify(all)),
}

/**
 * Four people over 25 days up to `today` (UTC): profiles and leaves, days of work and nights of taking, records of
 * relatives, doors after hours, and matches of DLP rules that are withdrawn and come back. The same for the same seed.
 */
export function recordsOf(seed: number, today: string): SourceRecord[] {
  const random = new Random(seed)
  const made = PEOPLE.flatMap((person, n) => [
    ...hrOf(random, person, today),
    ...readsOf(random, person, today, n),
    ...accessesOf(random, person, today),
    ...badgesOf(random, person, today),
  ])
  return [...made, ...findingsOf(random, today)]
}

/** An instant of some day before today, by the second, so that hardly two are the same. */
const instant = (random: Random, today: string, [from, to]: readonly [number, number], back: number): Date =>
  new Date(Date.parse(`${addDays(today, -back)}T00:00:00Z`) + random.whole(from * 3600, to * 3600 - 1) * 1000)

const DAY = [8, 18] as const
const NIGHT = [0, 5] as const
const stamp = (at: Date): string => `${at.toISOString().slice(0, 19)}Z`

function* hrOf(random: Random, who: Somebody, today: string): Generator<SourceRecord> {
  const profile = ['Profile', who.address, who.login, who.first, who.last, who.street, '60601', 'Ward 2', '', '']
  yield { source: 'hr', cells: profile }
  if (!random.chance(0.6)) return
  const notice = `${addDays(today, -random.whole(3, 20))}T09:00:00Z`
  const lastDay = `${addDays(today, random.whole(-6, 12))}T17:00:00Z`
  yield { source: 'hr', cells: ['Leaver', who.address, '', '', '', '', '', '', notice, lastDay] }
}

function* readsOf(random: Random, { address }: Somebody, today: string, n: number): Generator<SourceRecord> {
  const read = (at: Date, bucket: string, key: string, id: string): SourceRecord => ({
    source: 'amazon-s3',
    cells: { ...trailRecord({ user: address, at, bucket, key, bytes: 40_000_000 }), eventID: `${n}-${id}` },
  })
  for (let back = DAYS; back > 0; back -= 1) {
    if (random.chance(0.3)) yield read(instant(random, today, DAY, back), 'team', `plan-${back % 3}`, `day-${back}`)
  }
  const nights = random.whole(0, 3)
  for (let night = 0; night < nights; night += 1) {
    const back = random.whole(1, 8)
    for (let item = random.whole(2, 9); item > 0; item -= 1) {
      const [bucket, key] = [`vault-${random.whole(1, 3)}`, `loot-${random.whole(1, 12)}`]
      yield read(instant(random, today, NIGHT, back), bucket, key, `night-${night}-${item}`)
    }
  }
}

function* accessesOf(random: Random, { login }: Somebody, today: string): Generator<SourceRecord> {
  for (let n = random.whole(0, 8); n > 0; n -= 1) {
    const patient = random.pick(PATIENTS)
    const at = instant(random, today, random.pick([DAY, NIGHT]), random.whole(1, 9))
    const [event, reason] = random.pick([
      ['Chart viewed', ''],
      ['Chart viewed', ''],
      ['Record exported', ''],
      ['Break the glass', ''],
      ['Break the glass', 'Emergency'],
    ] as const)
    const { id, first, last, street } = patient
    yield {
      source: 'healthcare',
      cells: [
        stamp(at),
        event,
        id,
        first,
        last,
        street,
        'Bridgeham',
        '60601',
        random.pick(['Ward 2', 'Ward 9']),
        reason,
        login,
      ],
    }
  }
}

function* badgesOf(random: Random, { address }: Somebody, today: string): Generator<SourceRecord> {
  for (let n = random.whole(2, 9); n > 0; n -= 1) {
    const at = instant(random, today, random.pick([DAY, NIGHT]), random.whole(1, DAYS))
    yield {
      source: 'physical-badging',
      cells: {
        UserId: address,
        AssetId: random.pick(DOORS),
        AssetName: 'A door',
        EventTime: stamp(at),
        AccessStatus: random.pick(['Success', 'Success', 'Failed']),
      },
    }
  }
}

/** Matches of DLP rules: each a finding of one to four versions, the last of which counts. */
function* findingsOf(random: Random, today: string): Generator<SourceRecord> {
  for (const [n, address] of ADDRESSES.entries()) {
    for (let incident = random.whole(0, 3); incident > 0; incident -= 1) {
      const first = instant(random, today, DAY, random.whole(1, 5)).getTime()
      for (let version = random.whole(1, 5); version > 0; version -= 1) {
        const falsePositive = random.chance(0.4)
        yield {
          source: 'office-365-activity',
          cells: {
            Id: `match-${n}-${incident}-${version}`,
            CreationTime: new Date(first + version * 1_800_000).toISOString().slice(0, 19),
            RecordType: 11,
            Operation: falsePositive ? 'DlpRuleUndo' : 'DlpRuleMatch',
            Workload: 'OneDrive',
            UserId: 'DlpPolicyEventBasedAssistantOneDriveForBusiness',
            IncidentId: `incident-${n}-${incident}`,
            ...(falsePositive ? { ExceptionInfo: { FalsePositive: true } } : {}),
            SharePointMetaData: { From: address, UniqueID: `item-${n}-${incident}` },
            PolicyDetails: [{ Rules: [{ RuleId: 'r-1', Severity: 'High', RuleMode: 'Enable' }] }],
          },
        }
      }
    }
  }
}
