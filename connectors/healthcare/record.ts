import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type Identifier, type Mapped, type Rejected, type Subject, VERBS } from '../../domain/signal.ts'
import { formsOf } from '../../domain/subject.ts'
import { ADDRESS } from '../files/columns.ts'
import { type DateFormat, parseDate } from '../files/dates.ts'
import type { DelimitedRow } from '../files/delimited.ts'
import { verbTable } from './events.ts'
import { type HealthColumns, type HealthRole, MAY_BE_EMPTY, REQUIRED_ROLES } from './roles.ts'

const values = (...defaults: string[]) => z.array(z.string().max(200)).max(100).default(defaults)

/** What the access logs of all health record systems have to be told; titles are those of the form. */
export const healthSettings = {
  eventVerbs: z
    .record(z.string().min(1), z.enum(VERBS))
    .default({})
    .meta({ title: 'Verbs of event names that do not tell by their words' }),
  restrictedEvents: values('break the glass', 'break-the-glass', 'btg').meta({
    title: 'Words in an event name or category by which a restricted record was opened',
  }),
  ordinaryReasons: values('n/a', 'na', '-', 'not applicable', 'not restricted').meta({
    title: 'Restricted access reasons that mean an ordinary access',
  }),
  missingReasons: values('none', 'none given', 'no reason', 'no reason given', 'unspecified').meta({
    title: 'Restricted access reasons that mean that none was given',
  }),
  userDomain: z.string().min(3).optional().meta({ title: 'Mail domain of accounts without one' }),
}

export interface HealthSettings {
  eventVerbs: Record<string, (typeof VERBS)[number]>
  restrictedEvents: string[]
  ordinaryReasons: string[]
  missingReasons: string[]
  userDomain?: string | undefined
  dateFormat: DateFormat
  assumedZone: string
}

/** Rows of an access log to activities: who touched whose record. Patients leave this function as a `Subject` only. */
export function healthRecordMapper(columns: HealthColumns, settings: HealthSettings): (row: DelimitedRow) => Mapped {
  const keys = Object.fromEntries(
    Object.entries(columns).map(([role, header]) => [role, header.toLowerCase()]),
  ) as HealthColumns
  const required = REQUIRED_ROLES.filter((role) => !MAY_BE_EMPTY.has(role))
  const verbOf = verbTable(settings.eventVerbs)
  const glassOf = glassRules(settings)
  const identifying = IDENTIFYING.filter((role) => keys[role] !== undefined)

  return (row) => {
    if (typeof row !== 'object' || row === null || Array.isArray(row.cells))
      return { type: 'rejected', code: 'column_count' }
    const cell = (role: HealthRole): string => {
      const key = keys[role]
      const value = key === undefined ? undefined : (row as Record<string, unknown>)[key]
      return typeof value === 'string' ? value.trim() : ''
    }
    const reject = (code: Rejected['code'], role: HealthRole, expected?: string): Rejected => ({
      type: 'rejected',
      code,
      cell: columns[role] as string,
      ...(expected === undefined ? {} : { expected }),
    })
    const empty = required.find((role) => cell(role) === '')
    if (empty) return reject('required_cell_empty', empty)
    const date = parseDate(cell('creationTime'), settings.dateFormat, settings.assumedZone)
    if (!date) return reject('date_invalid', 'creationTime', settings.dateFormat)
    const actor = accountOf(cell('person'), settings.userDomain)
    if (!actor) return reject('identifier_invalid', 'person', 'an e-mail address, UPN or SamAccountName')

    const eventName = cell('eventName')
    const department = cell('patientDepartment')
    const flags = glassOf(eventName, cell('eventCategory'), cell('restrictedReason'), cell('restrictedComment'))
    const subject: Subject = {
      firstName: cell('patientFirstName'),
      lastName: cell('patientLastName'),
      addressLine: cell('patientAddressLine1'),
      postalCode: cell('patientZipCode'),
    }
    const patientId = cell('patientId')
    if (patientId !== '') subject.id = patientId
    if (department !== '') subject.department = department
    return {
      type: 'activity',
      sourceId: cell('eventId') || identifying.map(cell).join('\u001f'),
      actor,
      actorKind: 'user',
      at: date.at,
      verb: verbOf(eventName),
      nativeEvent: eventName,
      outcome: 'success',
      object: patientId || unnumbered(subject),
      ...(department === '' ? {} : { container: department }),
      ...(flags.length === 0 ? {} : { flags }),
      ...(date.zoneAssumed ? { zoneAssumed: true } : {}),
      subject,
      raw: row,
    }
  }
}

/** Rows that agree in all of these are one access, delivered twice. */
const IDENTIFYING: readonly HealthRole[] = [
  'creationTime',
  'eventName',
  'eventSection',
  'eventCategory',
  'workstationId',
  'patientId',
  'patientFirstName',
  'patientMiddleName',
  'patientLastName',
  'patientAddressLine1',
  'patientZipCode',
  'restrictedReason',
  'person',
]

/** A patient without a number, told from others without showing the name. */
const unnumbered = (subject: Subject): string =>
  `unnumbered-${createHash('sha256')
    .update(JSON.stringify(formsOf(subject)))
    .digest('hex')
    .slice(0, 20)}`

const NO_BLANKS = /^[^\s@,;"<>/]+$/

/** An address, else a user name without its Windows domain; null when it is neither. */
function accountOf(text: string, userDomain: string | undefined): Identifier | null {
  if (ADDRESS.test(text)) return { scheme: 'address', value: text }
  const name = text.slice(text.lastIndexOf('\\') + 1)
  if (!NO_BLANKS.test(name)) return null
  return userDomain === undefined
    ? { scheme: 'user_name', value: name }
    : { scheme: 'address', value: `${name}@${userDomain}` }
}

const NONE: readonly string[] = []
const WITH_REASON = ['break_the_glass']
const WITHOUT_REASON = ['break_the_glass', 'break_the_glass_without_reason']

/**
 * Whether the glass of a restricted record was broken. A reason says so, and so does a comment; where the event itself
 * says so, or the reason says that there is none, it was broken without one.
 */
function glassRules(settings: HealthSettings) {
  const restricted = settings.restrictedEvents.map((words) => words.toLowerCase())
  const ordinary = new Set(settings.ordinaryReasons.map((reason) => reason.toLowerCase()))
  const missing = new Set(settings.missingReasons.map((reason) => reason.toLowerCase()))
  return (eventName: string, category: string, reasonCell: string, comment: string): readonly string[] => {
    const reason = reasonCell.toLowerCase()
    const given = reason !== '' && !ordinary.has(reason)
    if (given) return missing.has(reason) ? WITHOUT_REASON : WITH_REASON
    const event = `${eventName}\u001f${category}`.toLowerCase()
    return comment !== '' || restricted.some((words) => event.includes(words)) ? WITHOUT_REASON : NONE
  }
}
