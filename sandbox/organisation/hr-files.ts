import type { FactKind, RejectionCode } from '../../domain/signal.ts'
import type { World } from './drafts.ts'
import { DAY_MS } from './drafts.ts'
import { isLeaver } from './peaks.ts'
import type { Person } from './people.ts'
import { PLACES } from './places.ts'
import { hashOf, Random } from './random.ts'
import type { Balance } from './trail.ts'

export interface HrFile {
  name: string
  bytes: Buffer
  /** Settings under which an HR connector reads the file: scenarios with role → header, and the identifier column. */
  scenarioConfig: {
    scenarios: { scenario: FactKind; identifierValue?: string; columns: Record<string, string> }[]
    identifierColumn?: string
  }
  expected: Balance
  /** Reason codes of the rows that are quarantined, in the order of the file. */
  expectedCodes: readonly RejectionCode[]
}

const PROFILE_COLUMNS = {
  person: 'EmailAddress',
  firstName: 'EmployeeFirstName',
  lastName: 'EmployeeLastName',
  addressLine1: 'EmployeeAddressLine1',
  zipCode: 'EmployeeZipCode',
  city: 'EmployeeCity',
  country: 'EmployeeCountry',
  department: 'EmployeeDepartment',
  employeeType: 'EmployeeType',
  role: 'EmployeeRole',
  employeeNumber: 'EmployeeId',
  userName: 'UserName',
}

/** A file of several scenarios has the union of their columns. */
const SCENARIO_HEADER = [
  'HRScenario',
  'EmailAddress',
  'ResignationDate',
  'LastWorkingDate',
  'EffectiveDate',
  'Remarks',
  'Rating',
  'OldLevel',
  'NewLevel',
] as const
type Column = (typeof SCENARIO_HEADER)[number]
type Row = Partial<Record<Column, string>>
const REVIEW_COLUMNS = { person: 'EmailAddress', effectiveDate: 'EffectiveDate', remarks: 'Remarks', rating: 'Rating' }
/** The scenario that the HR system names anew one day, and the mapping that knows it then. */
export const RENAMED_SCENARIO = {
  scenario: 'performance_review',
  identifierValue: 'Talent review',
  columns: REVIEW_COLUMNS,
} as const
const SCENARIO_CONFIG: HrFile['scenarioConfig'] = {
  identifierColumn: 'HRScenario',
  scenarios: [
    {
      scenario: 'resignation',
      identifierValue: 'Resignation',
      columns: { person: 'EmailAddress', resignationDate: 'ResignationDate', lastWorkingDate: 'LastWorkingDate' },
    },
    {
      scenario: 'job_level_change',
      identifierValue: 'Job level change',
      columns: {
        person: 'EmailAddress',
        effectiveDate: 'EffectiveDate',
        remarks: 'Remarks',
        oldLevel: 'OldLevel',
        newLevel: 'NewLevel',
      },
    },
    { scenario: 'performance_review', identifierValue: 'Performance review', columns: REVIEW_COLUMNS },
    { scenario: 'improvement_plan', identifierValue: 'Performance improvement plan', columns: REVIEW_COLUMNS },
  ],
}

export function hrFilesOf(world: World): HrFile[] {
  return [profiles(world), changes(world), brokenRows(world)]
}

const cell = (value: string, separator: string): string =>
  value.includes(separator) || /["\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value

const stored = (rows: number, duplicate = 0): Balance => ({
  received: rows + duplicate,
  stored: rows,
  duplicate,
  quarantined: 0,
  ignored: 0,
})

/** Everybody, with a byte-order mark as spreadsheets write it. */
function profiles(world: World): HrFile {
  const lines = [Object.values(PROFILE_COLUMNS).join(',')]
  for (let index = 0; index < world.people; index += 1) {
    const person = world.person(index)
    const random = new Random(world.seed, hashOf('profile'), index)
    const place = PLACES[person.country]
    const street = `${place.street} ${random.whole(1, 180)}${random.chance(0.1) ? ', Flat "B"' : ''}`
    const work = [
      person.department,
      random.pick(['Regular', 'Exempt', 'Contractor']),
      random.pick(['Specialist', 'Lead', 'Associate', 'Analyst']),
    ]
    const cells = [
      person.address,
      person.name.first,
      person.name.last,
      street,
      place.zip,
      place.city,
      place.country,
      ...work,
      person.employeeNumber,
      person.userName,
    ]
    lines.push(cells.map((value) => cell(value, ',')).join(','))
  }
  return {
    name: 'employee-profiles.csv',
    bytes: Buffer.from(`\ufeff${lines.join('\n')}\n`),
    scenarioConfig: { scenarios: [{ scenario: 'employee_profile', columns: PROFILE_COLUMNS }] },
    expected: stored(world.people),
    expectedCodes: [],
  }
}

/** The three ways in which HR systems write an instant; all of them name the zone. */
const instant = (at: number, random: Random): string =>
  random.pick([
    `${new Date(at).toISOString().slice(0, 19)}Z`,
    `${new Date(at + 5.5 * 3_600_000).toISOString().slice(0, 19)}.4675041+05:30`,
    new Date(at).toISOString(),
  ])

/** Resignations of the leavers among changes of other people; CRLF; one row twice. */
function changes(world: World): HrFile {
  const random = new Random(world.seed, hashOf('changes'))
  const notice = world.calendar.notice.getTime()
  const rows: Row[] = []
  for (const [index, role] of world.cast) {
    if (!isLeaver(role)) continue
    const shift = role === 'leaver-ordinary' ? random.whole(-4, 4) : 0
    const lastDay = world.calendar.lastDay.getTime() + Math.abs(shift) * DAY_MS
    rows.push({
      HRScenario: 'Resignation',
      EmailAddress: world.person(index).address,
      ResignationDate: instant(notice + shift * DAY_MS + 9 * 3_600_000, random),
      LastWorkingDate: instant(lastDay + 15 * 3_600_000, random),
    })
  }
  const others = bystanders(world)
  const on = () => instant(world.calendar.from.getTime() + random.whole(2, 20) * DAY_MS + 10 * 3_600_000, random)
  for (const person of others.slice(0, 4)) {
    rows.push({
      HRScenario: 'Job level change',
      EmailAddress: person.address,
      EffectiveDate: on(),
      Remarks: 'Regular step, agreed',
      OldLevel: 'L3 - Senior',
      NewLevel: 'L4 - Principal',
    })
  }
  for (const person of others.slice(4, 10)) {
    rows.push({
      HRScenario: 'Performance review',
      EmailAddress: person.address,
      EffectiveDate: on(),
      Remarks: 'Says, "done well"',
      Rating: random.pick(['2 Below average', '3 Average', '4 Good']),
    })
  }
  for (const person of others.slice(10, 11)) {
    rows.push({
      HRScenario: 'performance improvement plan',
      EmailAddress: person.address,
      EffectiveDate: on(),
      Remarks: 'Weekly talks until spring',
      Rating: '1 Poor',
    })
  }
  const twice = rows.at(-1) as Row
  const bytes = Buffer.from(
    `${[SCENARIO_HEADER.join(','), ...[...rows, twice].map((row) => line(row, ','))].join('\r\n')}\r\n`,
  )
  return {
    name: 'hr-changes.csv',
    bytes,
    scenarioConfig: SCENARIO_CONFIG,
    expected: stored(rows.length, 1),
    expectedCodes: [],
  }
}

const line = (row: Row, separator: string): string =>
  SCENARIO_HEADER.map((name) => cell(row[name] ?? '', separator)).join(separator)

/** People without a part, in order. */
function bystanders(world: World): Person[] {
  const found: Person[] = []
  for (let index = 0; index < world.people && found.length < 16; index += 1) {
    if (!world.cast.has(index)) found.push(world.person(index))
  }
  return found
}

/** Semicolons, good rows, and one of each way in which a row goes wrong. */
function brokenRows(world: World): HrFile {
  const good = bystanders(world).slice(11, 15)
  const date = `${new Date(world.calendar.from.getTime() + 22 * DAY_MS).toISOString().slice(0, 10)}T08:30:00Z`
  const earlier = `${new Date(world.calendar.from.getTime() + 15 * DAY_MS).toISOString().slice(0, 10)}T08:30:00Z`
  const review = (person: Person): Row => ({
    HRScenario: 'Performance review',
    EmailAddress: person.address,
    EffectiveDate: date,
    Rating: '3 Average',
  })
  const [first, second, third, fourth] = good.map(review) as [Row, Row, Row, Row]
  const lines: [string, RejectionCode?][] = [
    [line(first, ';')],
    [line(second, ';').slice(0, -1), 'column_count'],
    [line({ ...second, EffectiveDate: '2026-02-30T00:00:00Z' }, ';'), 'date_invalid'],
    [line({ ...second, EffectiveDate: 'next Friday' }, ';'), 'date_invalid'],
    [line(second, ';')],
    [line({ ...third, EmailAddress: '' }, ';'), 'required_cell_empty'],
    [line({ ...third, EffectiveDate: '' }, ';'), 'required_cell_empty'],
    [line({ ...third, HRScenario: RENAMED_SCENARIO.identifierValue, EffectiveDate: earlier }, ';'), 'scenario_unknown'],
    [line({ ...third, EmailAddress: 'nobody at all' }, ';'), 'identifier_invalid'],
    [line({ ...third, Rating: 'a rating of more than twenty-five letters' }, ';'), 'value_too_long'],
    [`${line(third, ';')};;left over`, 'column_count'],
    [line(third, ';')],
    [
      line({ HRScenario: 'Resignation', EmailAddress: fourth.EmailAddress ?? '', LastWorkingDate: date }, ';'),
      'required_cell_empty',
    ],
    [line(fourth, ';')],
  ]
  const codes = lines.flatMap(([, code]) => code ?? [])
  return {
    name: 'hr-changes-broken.csv',
    bytes: Buffer.from(`${[SCENARIO_HEADER.join(';'), ...lines.map(([text]) => text)].join('\n')}\n`),
    scenarioConfig: SCENARIO_CONFIG,
    expected: {
      received: lines.length,
      stored: lines.length - codes.length,
      duplicate: 0,
      quarantined: codes.length,
      ignored: 0,
    },
    expectedCodes: codes,
  }
}
