import { hashOf, Random } from '../random.ts'
import { csv, type HospitalFile, stored } from './files.ts'
import { type Employee, PARTS, type Patient, specialPatients } from './people.ts'
import { clock, lateDays, type Story, worksOn } from './story.ts'

/** Days before the end on which the nosy one stays. */
const EVENING = 2

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

/** Who opened whose health record. */
export function accessFile(story: Story): HospitalFile {
  const accesses = [...ordinaryAccesses(story), ...relatedAccesses(story), ...innocentAccesses(story)].sort(
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

/** A dozen patients of the own ward on a day of work, each at a second of its own. */
function* ordinaryAccesses(story: Story): Generator<Access> {
  const { seed, staff, patients, days } = story
  for (const [index, employee] of staff.entries()) {
    const own = patients.filter(({ ward }) => ward === employee.ward)
    for (const day of days) {
      const random = new Random(seed, hashOf(`ward ${day}`), index)
      if (!worksOn(story, index, day, random)) continue
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
    if (of === PARTS.nosy) {
      const at = 20 * 3600 + n * 400
      yield { day: evening, at, employee, patient }
      yield { day: evening, at: at + 90, employee, patient, event: 'Break-the-glass accepted' }
      continue
    }
    for (const back of [9, 8, 7, 6]) yield { day: days.at(-back) as string, at: 11 * 3600 + back, employee, patient }
  }
}

/** Late work on the own ward, and an emergency now and then: restricted records, each with its reason. */
function* innocentAccesses(story: Story): Generator<Access> {
  const { seed, staff, patients, days } = story
  const late = staff[PARTS.late] as Employee
  const own = patients.filter(({ ward }) => ward === late.ward)
  for (const day of lateDays(story)) {
    const random = new Random(seed, hashOf(`late ${day}`))
    for (let n = 0; n < 3; n += 1) {
      yield { day, at: 21 * 3600 + n * 1500 + random.whole(0, 900), employee: late, patient: random.pick(own) }
    }
  }
  const employee = staff[PARTS.emergency] as Employee
  for (const back of [11, 4]) {
    const day = days.at(-back) as string
    const patient = new Random(seed, hashOf(`emergency ${day}`)).pick(patients)
    const reason = 'Emergency admission'
    yield { day, at: 13 * 3600, employee, patient, event: 'Break-the-glass accepted', reason }
  }
}
