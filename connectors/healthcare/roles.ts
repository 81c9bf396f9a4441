import type { ColumnRole } from '../connector.ts'

/** Columns of an access log of health records. Source: learn.microsoft.com/purview/import-healthcare-data. */
export const HEALTH_ROLES = [
  'creationTime',
  'eventName',
  'workstationId',
  'eventSection',
  'eventCategory',
  'patientId',
  'patientFirstName',
  'patientMiddleName',
  'patientLastName',
  'patientAddressLine1',
  'patientAddressLine2',
  'patientCity',
  'patientZipCode',
  'patientState',
  'patientCountry',
  'patientDepartment',
  'restrictedReason',
  'restrictedComment',
  'person',
  'userName',
  'employeeId',
  'employeeLastName',
  'employeeFirstName',
  'eventId',
] as const
export type HealthRole = (typeof HEALTH_ROLES)[number]

/** Role → its header in the file. */
export type HealthColumns = Partial<Record<HealthRole, string>>

const WORDS: Record<HealthRole, { title: string; required?: true; meaning?: string; suggests: string[] }> = {
  creationTime: {
    title: 'Creation time',
    required: true,
    meaning: 'When the record was accessed.',
    suggests: ['creationtime', 'accesstime', 'eventtime', 'timestamp', 'datetime'],
  },
  eventName: {
    title: 'Event name',
    required: true,
    meaning: 'What was done, in the words of the source.',
    suggests: ['eventname', 'metricname', 'event', 'action', 'activity'],
  },
  workstationId: { title: 'Workstation', suggests: ['workstationid', 'workstation', 'terminal'] },
  eventSection: { title: 'Event section', suggests: ['eventsection', 'section', 'module'] },
  eventCategory: { title: 'Event category', suggests: ['eventcategory', 'category'] },
  patientId: {
    title: 'Patient registration number',
    meaning: 'By which one patient is told from another; without it name and address do.',
    suggests: ['patientregid', 'patientid', 'mrn', 'patmrnid', 'registrationid'],
  },
  patientFirstName: { title: 'Patient first name', required: true, suggests: ['patientfirstname', 'patfirstname'] },
  patientMiddleName: { title: 'Patient middle name', suggests: ['patientmiddlename', 'patmiddlename'] },
  patientLastName: { title: 'Patient last name', required: true, suggests: ['patientlastname', 'patlastname'] },
  patientAddressLine1: {
    title: 'Patient address line 1',
    required: true,
    meaning: 'Street and number.',
    suggests: ['patientaddressline1', 'patientaddline1', 'patientaddress', 'patientstreet'],
  },
  patientAddressLine2: { title: 'Patient address line 2', suggests: ['patientaddressline2', 'patientaddline2'] },
  patientCity: { title: 'Patient city', required: true, suggests: ['patientcity'] },
  patientZipCode: {
    title: 'Patient postal code',
    required: true,
    suggests: ['patientzipcode', 'patientzip', 'patientpostalcode'],
  },
  patientState: { title: 'Patient state', suggests: ['patientstate'] },
  patientCountry: { title: 'Patient country', suggests: ['patientcountry'] },
  patientDepartment: {
    title: 'Patient department',
    meaning: 'Where the patient is treated.',
    suggests: ['patientdepartment', 'patientdept', 'ward'],
  },
  restrictedReason: {
    title: 'Restricted access reason',
    required: true,
    meaning: 'Why a restricted record was opened ("break the glass"). The column is required; its cell may be empty.',
    suggests: ['restrictedaccessreason', 'btgreason', 'breakglassreason', 'breaktheglassreason'],
  },
  restrictedComment: {
    title: 'Restricted access comment',
    suggests: ['restrictedaccesscomment', 'btgcomment', 'btgexplanation', 'breaktheglasscomment'],
  },
  person: {
    title: 'Employee account',
    required: true,
    meaning: 'E-mail address, UPN or SamAccountName of who accessed the record.',
    suggests: ['emailaddress', 'email', 'upn', 'userprincipalname', 'samaccountname', 'employeeemail', 'systemlogin'],
  },
  userName: { title: 'Employee user name', suggests: ['employeeusername', 'username'] },
  employeeId: { title: 'Employee id', suggests: ['employeeid', 'employeenumber', 'staffid'] },
  employeeLastName: { title: 'Employee last name', suggests: ['employeelastname'] },
  employeeFirstName: { title: 'Employee first name', suggests: ['employeefirstname'] },
  eventId: {
    title: 'Event id',
    meaning: "The log's own number of the row; without it rows that say the same are one.",
    suggests: ['eventid', 'accessid', 'auditid', 'rowid', 'recordid'],
  },
}

export const healthRoles: readonly (ColumnRole & { id: HealthRole })[] = HEALTH_ROLES.map((id) => {
  const { title, required = false, meaning = title, suggests } = WORDS[id]
  return { id, title, required, meaning, suggests }
})

export const REQUIRED_ROLES: readonly HealthRole[] = healthRoles.filter(({ required }) => required).map(({ id }) => id)

/** Of the required ones, the column of which an ordinary row leaves empty. */
export const MAY_BE_EMPTY: ReadonlySet<HealthRole> = new Set(['restrictedReason'])
