import { asAccount, type Country, nameOf } from '../names.ts'
import { hashOf, Random } from '../random.ts'

const DOMAIN = 'stbridget.example'
const COUNTRIES: readonly Country[] = ['GB', 'US', 'DE']
const WARDS = ['Cardiology', 'Oncology', 'Maternity', 'Surgery', 'Paediatrics'] as const
const STREETS = ['Elm St.', 'Lake Dr', 'Hill Road', 'Mill Lane', 'Station Rd', 'Park Ave', 'Church Street', 'River Ct']
const ZIPS = ['40210', '40211', '40212', '40213']
/** Behind the names of staff, so that nobody has the name of somebody else by chance. */
const PATIENT_RANK = 4_000

interface Somebody {
  first: string
  last: string
  street: string
  zip: string
  ward: (typeof WARDS)[number]
}
export interface Employee extends Somebody {
  address: string
  login: string
}
export interface Patient extends Somebody {
  number: string
}

/** Parts in the story: indexes of staff. */
export const PARTS = {
  /** Looks up family, neighbours and colleagues of an evening. */
  nosy: 3,
  /** Comes back after the last working day. */
  intruder: 7,
  nurseOfARelative: 11,
  /** Works late, evening after evening, on the own ward. */
  late: 13,
  nurseOfANeighbour: 16,
  /** Opens a restricted record now and then, in an emergency, and says why. */
  emergency: 18,
} as const

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

export function employeeAt(seed: number, index: number): Employee {
  const { random, ...person } = somebody(seed, 'staff', index)
  const [first, last] = [asAccount(person.first), asAccount(person.last)]
  const login = `${first.slice(0, 1)}${last.slice(0, 7)}${random.whole(10, 99)}${index}`
  return { ...person, address: `${first}.${last}@${DOMAIN}`, login }
}

export function patientAt(seed: number, index: number): Patient {
  const { random, ...person } = somebody(seed, 'patient', index)
  return { ...person, number: `MRN${random.whole(10_000, 99_999)}${String(index).padStart(5, '0')}` }
}

const sameStreet = (street: string, step: number): string =>
  street.replace(/^\d+/, (number) => String(Number(number) + step))

/** Patients who are related to somebody inside; what an employee does with them is told in `accesses.ts`. */
export function specialPatients(staff: readonly Employee[]): { of: number; patient: Patient }[] {
  const nosy = staff[PARTS.nosy] as Employee
  const near = (index: number, number: string, more: Partial<Patient>): { of: number; patient: Patient } => {
    const { street, zip, last } = staff[index] as Employee
    return { of: index, patient: { first: 'Wilhelmina', last, street, zip, ward: 'Oncology', number, ...more } }
  }
  return [
    near(PARTS.nosy, 'MRN9000001', { first: 'Ottokar' }),
    near(PARTS.nosy, 'MRN9000002', { last: 'Quibblestone', street: sameStreet(nosy.street, 200) }),
    near(PARTS.nosy, 'MRN9000003', { last: 'Marblethwaite', street: sameStreet(nosy.street, 202) }),
    near(PARTS.nosy, 'MRN9000004', { last: 'Crumpleford', street: sameStreet(nosy.street, 204) }),
    ...[1, 5].map((index, n) => ({
      of: PARTS.nosy,
      patient: { ...(staff[index] as Employee), number: `MRN900000${n + 5}`, ward: 'Maternity' as const },
    })),
    near(PARTS.nurseOfARelative, 'MRN9000011', { ward: (staff[PARTS.nurseOfARelative] as Employee).ward }),
    near(PARTS.nurseOfANeighbour, 'MRN9000012', {
      last: 'Hollowbrook',
      street: sameStreet((staff[PARTS.nurseOfANeighbour] as Employee).street, 300),
      ward: (staff[PARTS.nurseOfANeighbour] as Employee).ward,
    }),
  ]
}
