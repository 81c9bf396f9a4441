import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ownText } from '../../domain/own-text.ts'
import { type Activity, type Identifier, type Mapped, type Rejected, type Subject, VERBS } from '../../domain/signal.ts'
import { formsOf } from '../../domain/subject.ts'
import { ADDRESS } from '../files/columns.ts'
import { type DateFormat, parseDate } from '../files/dates.ts'
import type { DelimitedRow } from '../files/delimited.ts'
import { verbTable } from './events.ts'
import { HEALTH_ROLES, type HealthColumns, type HealthRole, MAY_BE_EMPTY, REQUIRED_ROLES } from './roles.ts'

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
  const read = Object.fromEntries(HEALTH_ROLES.map((role) => [role, cellReader(columns[role])])) as Readers
  const required = REQUIRED_ROLES.filter((role) => !MAY_BE_EMPTY.has(role)).map((role) => ({ role, of: read[role] }))
  const identifying = IDENTIFYING.filter((role) => columns[role] !== undefined).map((role) => read[role])
  const verbOf = verbTable(settings.eventVerbs)
  const glassOf = glassRules(settings)
  const reject = (code: Rejected['code'], role: HealthRole, expected?: string): Rejected => ({
    type: 'rejected',
    code,
    cell: columns[role] as string,
    ...(expected === undefined ? {} : { expected }),
  })

  return (record) => {
    if (typeof record !== 'object' || record === null || Array.isArray(record.cells))
      return { type: 'rejected', code: 'column_count' }
    const row = record as Row
    for (const { role, of } of required) if (of(row) === '') return reject('required_cell_empty', role)
    const date = parseDate(read.creationTime(row), settings.dateFormat, settings.assumedZone)
    if (!date) return reject('date_invalid', 'creationTime', settings.dateFormat)
    const actor = accountOf(read.person(row), settings.userDomain)
    if (!actor) return reject('identifier_invalid', 'person', 'an e-mail address, UPN or SamAccountName')
    const eventName = read.eventName(row)
    if (eventName.length > MAX_EVENT_NAME)
      return reject('value_too_long', 'eventName', `at most ${MAX_EVENT_NAME} characters`)

    const department = read.patientDepartment(row)
    const patientId = read.patientId(row)
    const subject: Subject = {
      firstName: read.patientFirstName(row),
      lastName: read.patientLastName(row),
      addressLine: read.patientAddressLine1(row),
      postalCode: read.patientZipCode(row),
    }
    if (patientId !== '') subject.id = patientId
    if (department !== '') subject.department = department
    const activity: Activity = {
      type: 'activity',
      sourceId: read.eventId(row) || joined(identifying, row),
      actor,
      actorKind: 'user',
      at: date.at,
      verb: verbOf(eventName),
      nativeEvent: eventName,
      outcome: 'success',
      object: patientId || unnumbered(subject),
      subject,
      raw: row,
    }
    if (department !== '') activity.container = department
    const flags = glassOf(eventName, read.eventCategory(row), read.restrictedReason(row), read.restrictedComment(row))
    if (flags.length > 0) activity.flags = flags
    if (date.zoneAssumed) activity.zoneAssumed = true
    return activity
  }
}

const MAX_EVENT_NAME = 200

type Row = Readonly<Record<string, string>>
type CellReader = (row: Row) => string
type Readers = Record<HealthRole, CellReader>

function cellReader(header: string | undefined): CellReader {
  if (header === undefined) return () => ''
  const key = header.toLowerCase()
  return (row) => {
    const value: unknown = row[key]
    return typeof value === 'string' ? value.trim() : ''
  }
}

function joined(readers: readonly CellReader[], row: Row): string {
  let text = ''
  for (const read of readers) text += `${read(row)}\u001f`
  return text
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
  const told = new Map<string, boolean>()
  const isRestricted = (event: string): boolean => {
    let found = told.get(event)
    if (found === undefined) {
      const text = event.toLowerCase()
      found = restricted.some((words) => text.includes(words))
      if (told.size < REMEMBERED_EVENTS) told.set(ownText(event), found)
    }
    return found
  }
  return (eventName: string, category: string, reasonCell: string, comment: string): readonly string[] => {
    const reason = reasonCell === '' ? '' : reasonCell.toLowerCase()
    const given = reason !== '' && !ordinary.has(reason)
    if (given) return missing.has(reason) ? WITHOUT_REASON : WITH_REASON
    const without = comment !== '' || isRestricted(eventName) || (category !== '' && isRestricted(category))
    return without ? WITHOUT_REASON : NONE
  }
}

const REMEMBERED_EVENTS = 10_000
