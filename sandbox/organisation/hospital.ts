import { addDays, dayOf } from '../../domain/window.ts'
import { asAccount, type Country, nameOf } from './names.ts'
import { hashOf, Random } from './random.ts'
import type { Balance } from './trail.ts'

export interface HospitalOptions {
  /** Any whole number or text; the same one always gives the same bytes. */
  seed: number | string
  /** 20 to 2,000. */
  staff?: number
  /** Weeks of work before `until`, 4 to 26. */
  weeks?: number
  /** End of the story: nothing is later. */
  until: Date
}

export interface HospitalFile {
  /** The connector that reads it, and its settings. */
  kind: 'hr' | 'healthcare' | 'physical-badging'
  settings: Record<string, unknown>
  name: string
  bytes: Buffer
  expected: Balance
}

export interface Hospital {
  /** Profiles with addresses, and who leaves. */
  hr: HospitalFile
  /** Who opened whose health record. */
  accesses: HospitalFile
  /** Who opened which door. */
  badges: HospitalFile
  expectations: {
    /** Address of the one who looks up family, neighbours and colleagues of an evening. */
    nosy: string
    /** Address of the one who comes back after the last working day. */
    intruder: string
    /** Addresses of people with an innocent likeness: a relative on the own ward, a neighbour who is a patient. */
    innocent: string[]
  }
  /** Everything by which a patient could be recognised. */
  patientStrings(): Generator<string>
}

const DOMAIN = 'stbridget.example'
const COUNTRIES: readonly Country[] = ['GB', 'US', 'DE']
const WARDS = ['Cardiology', 'Oncology', 'Maternity', 'Surgery', 'Paediatrics'] as const
const STREETS = ['Elm St.', 'Lake Dr', 'Hill Road', 'Mill Lane', 'Station Rd', 'Park Ave', 'Church Street', 'River Ct']
const ZIPS = ['40210', '40211', '40212', '40213']
const PATIENTS_PER_STAFF = 8
/** Behind the names of staff, so that nobody has the name of somebody else by chance. */
const PATIENT_RANK = 4_000

interface Somebody {
  first: string
  last: string
  street: string
  zip: string
  ward: (typeof WARDS)[number]
}
interface Employee extends Somebody {
  address: string
  login: string
}
interface Patient extends Somebody {
  number: string
}

/** Parts in the story: indexes of staff. */
const [NOSY, INTRUDER, NURSE_OF_A_RELATIVE, NURSE_OF_A_NEIGHBOUR] = [3, 7, 11, 16] as const
/** Days before the end. */
const EVENING = 2
const NIGHT = 3
const LAST_DAY = 6

/** A hospital of people who do not exist: the files of its HR, its health records and its doors. Two of its staff misbehave. */
export function generateHospital({ seed: given, staff: count = 60, weeks = 6, until }: HospitalOptions): Hospital {
  if (!(count >= 20 && count <= 2_000)) throw new RangeError(`staff must be 20 to 2,000, got ${count}`)
  if (!(weeks >= 4 && weeks <= 26)) throw new RangeError(`weeks must be 4 to 26, got ${weeks}`)
  const seed = hashOf(given)
  const staff = Array.from({ length: count }, (_, index) => employeeAt(seed, index))
  const patients = Array.from({ length: count * PATIENTS_PER_STAFF }, (_, index) => patientAt(seed, index))
  const today = dayOf(until)
  const days = Array.from({ length: weeks * 7 }, (_, n) => addDays(today, n - weeks * 7))
  const of = (index: number) => staff[index] as Employee
  const story = { seed, staff, patients, days, today }
  return {
    hr: hrFile(story),
    accesses: accessFile(story),
    badges: badgeFile(story),
    expectations: {
      nosy: of(NOSY).address,
      intruder: of(INTRUDER).address,
      innocent: [of(NURSE_OF_A_RELATIVE).address, of(NURSE_OF_A_NEIGHBOUR).address],
    },
    *patientStrings() {
      for (const { first, last, number } of [...patients, ...specialPatients(staff).map(({ patient }) => patient)]) {
        yield `${first} ${last}`
        yield last
        yield number
      }
    },
  }
}

interface Story {
  seed: number
  staff: readonly Employee[]
  patients: readonly Patient[]
  /** Oldest first, today excluded. */
  days: readonly string[]
  today: string
}

function somebody(seed: number, kind: 'staff' | 'patient', index: number): Somebody & { random: Random } {
  const random = new Random(seed, hashOf(kind), index)
  const rank = (kind === 'patient' ? PATIENT_RANK : 0) + Math.floor(index / COUNTRIES.length)
  const { first, last } = nameOf(seed, COUNTRIES[index % COUNTRIES.length] as Country, rank)
  // Staff live at odd numbers and patients at even ones of other streets: likenesses are those that the story wants.
  const half = STREETS.length / 2
  const street = STREETS[kind === 'staff' ? index % half : half + (index % half)] as string
  const number = kind === 'staff' ? 2 * index + 1 : 2 * index + 2
  return {
    first,
    last,
    street: `${number} ${street}`,
    zip: ZIPS[index % ZIPS.length] as string,
    ward: WARDS[index % WARDS.length] as (typeof WARDS)[number],
    random,
  }
}

function employeeAt(seed: number, index: number): Employee {
  const { random, ...person } = somebody(seed, 'staff', index)
  const [first, last] = [asAccount(person.first), asAccount(person.last)]
  const login = `${first.slice(0, 1)}${last.slice(0, 7)}${random.whole(10, 99)}${index}`
  return { ...person, address: `${first}.${last}@${DOMAIN}`, login }
}

function patientAt(seed: number, index: number): Patient {
  const { random, ...person } = somebody(seed, 'patient', index)
  return { ...person, number: `MRN${random.whole(10_000, 99_999)}${String(index).padStart(5, '0')}` }
}

const sameStreet = (street: string, step: number): string =>
  street.replace(/^\d+/, (number) => String(Number(number) + step))

/** Patients who are related to somebody inside; what an employee does with them is told in `accessFile`. */
function specialPatients(staff: readonly Employee[]): { of: number; patient: Patient }[] {
  const nosy = staff[NOSY] as Employee
  const near = (index: number, number: string, more: Partial<Patient>): { of: number; patient: Patient } => {
    const { street, zip, last } = staff[index] as Employee
    return { of: index, patient: { first: 'Wilhelmina', last, street, zip, ward: 'Oncology', number, ...more } }
  }
  return [
    near(NOSY, 'MRN9000001', { first: 'Ottokar' }),
    near(NOSY, 'MRN9000002', { last: 'Quibblestone', street: sameStreet(nosy.street, 200) }),
    near(NOSY, 'MRN9000003', { last: 'Marblethwaite', street: sameStreet(nosy.street, 202) }),
    near(NOSY, 'MRN9000004', { last: 'Crumpleford', street: sameStreet(nosy.street, 204) }),
    ...[1, 5].map((index, n) => ({
      of: NOSY,
      patient: { ...(staff[index] as Employee), number: `MRN900000${n + 5}`, ward: 'Maternity' as const },
    })),
    near(NURSE_OF_A_RELATIVE, 'MRN9000011', { ward: (staff[NURSE_OF_A_RELATIVE] as Employee).ward }),
    near(NURSE_OF_A_NEIGHBOUR, 'MRN9000012', {
      last: 'Hollowbrook',
      street: sameStreet((staff[NURSE_OF_A_NEIGHBOUR] as Employee).street, 300),
      ward: (staff[NURSE_OF_A_NEIGHBOUR] as Employee).ward,
    }),
  ]
}

const stored = (rows: number): Balance => ({ received: rows, stored: rows, duplicate: 0, quarantined: 0, ignored: 0 })
const csv = (header: readonly string[], rows: readonly (readonly string[])[]): Buffer =>
  Buffer.from(`${[header, ...rows].map((cells) => cells.map(quoted).join(',')).join('\r\n')}\r\n`)
const quoted = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)

const HR_HEADER = ['Record', 'Email', 'Login', 'First', 'Last', 'Address', 'Zip', 'Department', 'Notice', 'LastDay']

function hrFile({ staff, today }: Story): HospitalFile {
  const rows = staff.map(({ address, login, first, last, street, zip, ward }) => [
    'Profile',
    address,
    login,
    first,
    last,
    street,
    zip,
    ward,
    '',
    '',
  ])
  const leaver = staff[INTRUDER] as Employee
  const [notice, lastDay] = [`${addDays(today, -30)}T09:00:00Z`, `${addDays(today, -LAST_DAY)}T16:00:00Z`]
  rows.push(['Leaver', leaver.address, '', '', '', '', '', '', notice, lastDay])
  return {
    kind: 'hr',
    settings: {
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
    },
    name: 'staff.csv',
    bytes: csv(HR_HEADER, rows),
    expected: stored(rows.length),
  }
}

const EHR_COLUMNS = {
  creationTime: 'Access Time',
  eventName: 'Event Name',
  patientId: 'MRN',
  patientFirstName: 'Patient First Name',
  patientLastName: 'Patient Last Name',
  patientAddressLine1: 'Patient Address',
  patientCity: 'Patient City',
  patientZipCode: 'Patient Zip',
  patientDepartment: 'Patient Department',
  restrictedReason: 'BTG Reason',
  person: 'System Login',
}
const ORDINARY_EVENTS = [
  'Chart viewed',
  'Chart viewed',
  'Chart viewed',
  'Results reviewed',
  'Note edited',
  'Label printed',
]

interface Access {
  day: string
  /** Seconds of the UTC day. */
  at: number
  employee: Employee
  patient: Patient
  event?: string
  reason?: string
}

const worksOn = (random: Random, day: string): boolean =>
  random.chance([0, 6].includes(new Date(`${day}T00:00:00Z`).getUTCDay()) ? 0.15 : 0.8)

function accessFile(story: Story): HospitalFile {
  const accesses = [...ordinaryAccesses(story), ...relatedAccesses(story)].sort(
    (a, b) => a.day.localeCompare(b.day) || a.at - b.at || a.employee.login.localeCompare(b.employee.login),
  )
  const rows = accesses.map(({ day, at, employee, patient, event = 'Chart viewed', reason = '' }) => [
    `${day}T${clock(at)}Z`,
    event,
    patient.number,
    patient.first,
    patient.last,
    patient.street,
    'Bridgeham',
    patient.zip,
    patient.ward,
    reason,
    employee.login,
  ])
  return {
    kind: 'healthcare',
    settings: { columns: EHR_COLUMNS },
    name: 'access-log.csv',
    bytes: csv(Object.values(EHR_COLUMNS), rows),
    expected: stored(rows.length),
  }
}

const clock = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(11, 19)

/** A dozen patients of the own ward on a day of work, each at a second of its own. */
function* ordinaryAccesses({ seed, staff, patients, days }: Story): Generator<Access> {
  for (const [index, employee] of staff.entries()) {
    const own = patients.filter(({ ward }) => ward === employee.ward)
    for (const day of days) {
      const random = new Random(seed, hashOf(`ward ${day}`), index)
      if (!worksOn(random, day) || (index === INTRUDER && day > (days.at(-LAST_DAY) as string))) continue
      const many = random.whole(8, 16)
      for (let n = 0; n < many; n += 1) {
        const at = 7 * 3600 + Math.floor((n * 9 * 3600) / many) + random.whole(0, 900)
        yield { day, at, employee, patient: random.pick(own), event: random.pick(ORDINARY_EVENTS) }
      }
    }
  }
}

/** The evening of the nosy one, and those who merely meet somebody they know at work. */
function* relatedAccesses({ staff, days }: Story): Generator<Access> {
  const evening = days.at(-EVENING) as string
  for (const [n, { of, patient }] of specialPatients(staff).entries()) {
    const employee = staff[of] as Employee
    if (of === NOSY) {
      const at = 20 * 3600 + n * 400
      yield { day: evening, at, employee, patient }
      yield { day: evening, at: at + 90, employee, patient, event: 'Break-the-glass accepted' }
      continue
    }
    for (const back of [9, 8, 7, 6]) yield { day: days.at(-back) as string, at: 11 * 3600 + back, employee, patient }
  }
}

const PRIORITY_DOORS = ['PHARMACY-1', 'RECORDS-2'] as const

interface Badge {
  day: string
  at: number
  employee: Employee
  door: string
  opened?: boolean
}

function badgeFile(story: Story): HospitalFile {
  const events = [...ordinaryBadges(story), ...badgesOfTheIntruder(story)]
    .sort((a, b) => a.day.localeCompare(b.day) || a.at - b.at || a.employee.login.localeCompare(b.employee.login))
    .map(({ day, at, employee, door, opened = true }) => ({
      UserId: employee.address,
      AssetId: door,
      AssetName: `Door ${door.toLowerCase()}`,
      EventTime: `${day}T${clock(at)}`,
      AccessStatus: opened ? 'Success' : 'Failed',
    }))
  return {
    kind: 'physical-badging',
    settings: { priorityAssets: [...PRIORITY_DOORS] },
    name: 'badges.json',
    bytes: Buffer.from(JSON.stringify(events)),
    expected: stored(events.length),
  }
}

function* ordinaryBadges({ seed, staff, days }: Story): Generator<Badge> {
  for (const [index, employee] of staff.entries()) {
    for (const day of days) {
      const random = new Random(seed, hashOf(`ward ${day}`), index)
      if (!worksOn(random, day) || (index === INTRUDER && day > (days.at(-LAST_DAY) as string))) continue
      const at = 6 * 3600 + random.whole(0, 3000)
      yield { day, at, employee, door: 'LOBBY-1' }
      yield { day, at: at + random.whole(60, 600), employee, door: `WARD-${employee.ward.toUpperCase()}` }
      // A badge that was held askew.
      if (random.chance(0.02)) yield { day, at: at + 700, employee, door: 'PHARMACY-1', opened: false }
    }
  }
}

function* badgesOfTheIntruder({ staff, days }: Story): Generator<Badge> {
  const employee = staff[INTRUDER] as Employee
  const night = { day: days.at(-NIGHT) as string, employee }
  yield { ...night, at: 23 * 3600, door: 'SIDE-4' }
  yield { ...night, at: 23 * 3600 + 240, door: 'ARCHIVE-1' }
  for (let n = 0; n < 4; n += 1) yield { ...night, at: 23 * 3600 + 400 + n * 20, door: 'PHARMACY-1', opened: false }
}
