import { type GeneratedFile, seeded, uuidFrom, writeLines } from './file.ts'
import type { Reader } from './installation.ts'

/** Role → header, in the order of the file. */
const COLUMNS = {
  eventId: 'Audit Id',
  creationTime: 'Access Time',
  eventName: 'Event Name',
  workstationId: 'Workstation',
  eventSection: 'Section',
  eventCategory: 'Category',
  patientId: 'MRN',
  patientFirstName: 'Patient First Name',
  patientLastName: 'Patient Last Name',
  patientAddressLine1: 'Patient Address',
  patientCity: 'Patient City',
  patientZipCode: 'Patient Zip',
  patientCountry: 'Patient Country',
  patientDepartment: 'Patient Department',
  restrictedReason: 'BTG Reason',
  restrictedComment: 'BTG Comment',
  person: 'System Login',
} as const

export const EHR_READER: Reader = {
  kind: 'healthcare',
  policy: 'patient-data-misuse',
  settings: { columns: COLUMNS },
}

const TABLE = Object.entries(COLUMNS)
  .map(([role, name]) => {
    if (role === 'eventId') return `"${name}" uuid primary key`
    return `"${name}" ${role === 'creationTime' ? 'timestamptz' : 'text'}`
  })
  .join(', ')

const STAFF = 20_000
const PATIENTS = 300_000
const DAYS = 10
const FIRST = Date.parse('2026-03-02T00:00:00Z')
const EVENTS = ['Chart viewed', 'Results reviewed', 'Note edited', 'Medication list opened', 'Label printed'] as const
const NAMES = ['Sørensen', 'Quill', 'Yılmaz', 'Marsh', 'Hale', 'Nowak', 'Iyer', 'Stone', 'Petrović', 'Reed'] as const
/** What an audit log writes beside: most of the 600 bytes of a row. */
const SECTION =
  'Inpatient clinical documentation, encounter and order review, including results, scanned documents and messages between all teams of care'
const CATEGORY =
  'Patient record access by an authenticated workforce member through the client of a shared workstation, context of treatment declared by the schedule of the department of record at sign-in'

/** Writes an access log of health records, 20,000 employees over ten days in order of time. About 600 bytes a row. */
export async function generateEhr(path: string, rows: number, seed = 1): Promise<GeneratedFile> {
  const random = seeded(seed)
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T
  const header = Object.values(COLUMNS).join(',')
  const bytes = await writeLines(path, header, rows, (row) => {
    const at = new Date(FIRST + (row / rows) * DAYS * 86_400_000 + random() * 60_000)
    const patient = Math.floor(random() * PATIENTS)
    const employee = Math.floor(random() * STAFF)
    const isRestricted = random() < 0.002
    return [
      uuidFrom(random),
      at.toISOString(),
      pick(EVENTS),
      `WS-${employee % 4_000}-CLINICAL-TOWER-EAST`,
      `"${SECTION}, ${pick(NAMES)} unit ${patient % 90}"`,
      `"${CATEGORY}, session ${uuidFrom(random)}"`,
      `MRN-${1_000_000 + patient}`,
      `Given${patient % 5_000}`,
      `${NAMES[patient % NAMES.length]}-${patient % 20_000}`,
      `"${(patient % 240) + 1} Elm Street, Apt ${patient % 40}"`,
      'Bridgeham',
      String(60_000 + (patient % 400)),
      'Ruritania',
      `Ward ${patient % 60}`,
      isRestricted ? 'Emergency' : '',
      isRestricted ? '"Called to the bedside, record was restricted"' : '',
      `nurse${employee}`,
    ].join(',')
  })
  return { path, bytes, rows, bad: 0, repeated: 0, table: TABLE }
}
