import { addDays, dayOf } from '../../../domain/window.ts'
import { hashOf } from '../random.ts'
import { accessFile } from './accesses.ts'
import { badgeFile } from './doors.ts'
import type { HospitalFile } from './files.ts'
import { hrFile } from './hr.ts'
import { type Employee, employeeAt, PARTS, patientAt, specialPatients } from './people.ts'

export type { Employee, HospitalFile }

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

export interface Hospital {
  readonly staff: readonly Employee[]
  /** How many there are, staff and patients. */
  readonly people: number
  /** Profiles with addresses, and who leaves. */
  hr: HospitalFile
  /** Who opened whose health record. */
  accesses: HospitalFile
  /** Who opened which door. */
  badges: HospitalFile
  expectations: {
    /** Who looks up family, neighbours and colleagues of an evening. */
    nosy: Employee
    /** Who comes back after the last working day. */
    intruder: Employee
    /** People with an innocent likeness: a relative or a neighbour who is a patient of the own ward, an emergency. */
    innocent: readonly Employee[]
    /** Who merely works late. */
    late: Employee
  }
  /** Everything by which somebody of the staff could be recognised. */
  staffStrings(): Generator<string>
  /** Everything by which a patient could be recognised. */
  patientStrings(): Generator<string>
}

const PATIENTS_PER_STAFF = 8

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
  const special = specialPatients(staff).map(({ patient }) => patient)
  const story = { seed, staff, patients, days, today }
  return {
    staff,
    people: count + patients.length + special.length,
    hr: hrFile(story),
    accesses: accessFile(story),
    badges: badgeFile(story),
    expectations: {
      nosy: of(PARTS.nosy),
      intruder: of(PARTS.intruder),
      innocent: [of(PARTS.nurseOfARelative), of(PARTS.nurseOfANeighbour), of(PARTS.emergency)],
      late: of(PARTS.late),
    },
    *staffStrings() {
      for (const { first, last, address, login } of staff) {
        yield `${first} ${last}`
        yield last
        yield address
        yield login
      }
    },
    *patientStrings() {
      for (const { first, last, number } of [...patients, ...special]) {
        yield `${first} ${last}`
        yield last
        yield number
      }
    },
  }
}
