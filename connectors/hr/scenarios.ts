import type { FactKind } from '../../domain/signal.ts'

/** The facts that files of an HR system tell. */
export const HR_SCENARIOS = [
  'resignation',
  'job_level_change',
  'performance_review',
  'improvement_plan',
  'employee_profile',
  'group_member',
] as const satisfies readonly FactKind[]
export type HrScenario = (typeof HR_SCENARIOS)[number]

import type { ColumnRole } from '../connector.ts'

interface Role extends ColumnRole {
  /** What becomes of the cell. */
  as: 'person' | 'alias' | 'effective' | 'lastWorking' | 'attribute' | 'personal'
  maxLength?: number
}

const person: Role = {
  id: 'person',
  title: 'User principal name',
  required: true,
  meaning: 'Account of the person the row is about, in the form name@example.com.',
  suggests: ['emailaddress', 'userprincipalname', 'upn', 'email', 'e-mail', 'mail'],
  as: 'person',
}
const aliases: Role[] = [
  {
    id: 'employeeNumber',
    title: 'Employee number',
    required: false,
    meaning: 'Further account of the same person.',
    suggests: ['employeeid', 'employeenumber', 'personnelnumber', 'staffid'],
    as: 'alias',
  },
  {
    id: 'userName',
    title: 'User name',
    required: false,
    meaning: 'Further account of the same person.',
    suggests: ['username', 'login', 'samaccountname'],
    as: 'alias',
  },
]
const date = (
  id: string,
  title: string,
  meaning: string,
  as: 'effective' | 'lastWorking',
  suggests: string[],
): Role => ({
  id,
  title,
  required: true,
  meaning,
  suggests,
  as,
})
const text = (
  id: string,
  title: string,
  as: 'attribute' | 'personal',
  suggests: string[],
  more: Partial<Role> = {},
): Role => ({
  id,
  title,
  required: false,
  meaning: title,
  suggests,
  as,
  ...more,
})
const effective = (meaning: string) =>
  date('effectiveDate', 'Effective date', meaning, 'effective', ['effectivedate', 'date'])
const remarks = text('remarks', 'Remarks', 'personal', ['remarks', 'improvementremarks', 'comment'], { maxLength: 200 })
const rating = text('rating', 'Rating', 'attribute', ['rating', 'performancerating'], { maxLength: 25 })

/** The scenarios with their columns. Source: learn.microsoft.com/purview/import-hr-data; groups are our own. */
export const SCENARIOS: Record<HrScenario, { title: string; roles: readonly Role[] }> = {
  resignation: {
    title: 'Resignation or termination',
    roles: [
      person,
      date(
        'resignationDate',
        'Resignation date',
        'Day notice was given, or employment officially ended.',
        'effective',
        ['resignationdate', 'terminationdate', 'noticedate'],
      ),
      date('lastWorkingDate', 'Last working date', 'Last day of work.', 'lastWorking', [
        'lastworkingdate',
        'lastday',
        'lastdayofwork',
      ]),
      ...aliases,
    ],
  },
  job_level_change: {
    title: 'Job level change',
    roles: [
      person,
      effective('Day the level officially changed.'),
      remarks,
      text('oldLevel', 'Old level', 'attribute', ['oldlevel']),
      text('newLevel', 'New level', 'attribute', ['newlevel']),
      ...aliases,
    ],
  },
  performance_review: {
    title: 'Performance review',
    roles: [person, effective('Day the result was told, or the end of the review cycle.'), remarks, rating, ...aliases],
  },
  improvement_plan: {
    title: 'Performance improvement plan',
    roles: [person, effective('Day the plan was told.'), remarks, rating, ...aliases],
  },
  employee_profile: {
    title: 'Employee profile',
    roles: [
      person,
      text('firstName', 'First name', 'personal', ['employeefirstname', 'firstname', 'givenname'], { required: true }),
      text('lastName', 'Last name', 'personal', ['employeelastname', 'lastname', 'surname'], { required: true }),
      text('addressLine1', 'Address line 1', 'personal', ['employeeaddressline1', 'employeeaddline1', 'street'], {
        required: true,
      }),
      text('zipCode', 'Postal code', 'personal', ['employeezipcode', 'zipcode', 'postalcode', 'zip'], {
        required: true,
      }),
      text('addressLine2', 'Address line 2', 'personal', ['employeeaddressline2', 'employeeaddline2']),
      text('city', 'City', 'personal', ['employeecity', 'city']),
      text('state', 'State', 'personal', ['employeestate', 'state']),
      text('country', 'Country', 'personal', ['employeecountry', 'country']),
      text('department', 'Department', 'attribute', ['employeedepartment', 'employeedept', 'department']),
      text('employeeType', 'Employee type', 'attribute', ['employeetype']),
      text('role', 'Role', 'attribute', ['employeerole', 'jobtitle', 'role']),
      ...aliases,
    ],
  },
  group_member: {
    title: 'Member of a group',
    roles: [
      person,
      text('group', 'Group', 'attribute', ['group', 'groupname', 'usergroup'], { required: true, maxLength: 100 }),
      ...aliases,
    ],
  },
}

export const rolesOf = (scenario: HrScenario): readonly Role[] => SCENARIOS[scenario].roles
