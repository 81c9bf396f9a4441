import { addDays } from '../../../domain/window.ts'
import { csv, type HospitalFile, stored } from './files.ts'
import { type Employee, PARTS } from './people.ts'
import { LAST_DAY, type Story } from './story.ts'

const HR_HEADER = ['Record', 'Email', 'Login', 'First', 'Last', 'Address', 'Zip', 'Department', 'Notice', 'LastDay']

/** Profiles with addresses, and who leaves. */
export function hrFile({ staff, today }: Story): HospitalFile {
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
  const leaver = staff[PARTS.intruder] as Employee
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
