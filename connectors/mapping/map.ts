import { isIP } from 'node:net'
import { canonicalJson } from '../../domain/canonical.ts'
import { ownText } from '../../domain/own-text.ts'
import type { Activity, Identifier, Mapped, Outcome, Rejected, Verb } from '../../domain/signal.ts'
import { ADDRESS } from '../files/columns.ts'
import { parseDate } from '../files/dates.ts'
import type { FieldReader } from './fields.ts'
import { type Mapping, SIZE_UNITS } from './settings.ts'

export type MappedRecord = Readonly<Record<string, unknown>>

const MAX_NAME_CHARACTERS = 500
const MAX_TEXT_CHARACTERS = 8_000
const REMEMBERED_AT_MOST = 20_000

type Reader = (source: string | undefined) => FieldReader

/**
 * How records become activities by a mapping: made once, then called for each of them. `reader` finds a field by the name
 * that the mapping has for it.
 */
export function mapperOf(config: Mapping, reader: Reader): (record: MappedRecord) => Mapped {
  const { columns } = config
  const [person, at, object, container, size, items, ip, userAgent] = (
    ['person', 'at', 'object', 'container', 'size', 'items', 'ip', 'userAgent'] as const
  ).map((role) => reader(columns[role])) as [
    FieldReader,
    FieldReader,
    FieldReader,
    FieldReader,
    FieldReader,
    FieldReader,
    FieldReader,
    FieldReader,
  ]
  const actionOf = compileAction(config, reader)
  const outcomeOf = compileOutcome(config, reader)
  const eventIdOf = compileEventId(config, reader)
  const dateForm = config.dateFormat === 'iso' ? 'ISO 8601' : config.dateFormat

  return (record) => {
    if (typeof record !== 'object' || record === null || Array.isArray(record['cells'])) return reject('column_count')
    const who = person(record)
    if (who === '') return reject('required_cell_empty', columns['person'])
    if (!isAccount(who, config.personScheme))
      return reject('identifier_invalid', columns['person'], config.personScheme)
    const when = at(record)
    if (when === '') return reject('required_cell_empty', columns['at'])
    const date = parseDate(when, config.dateFormat, config.assumedZone)
    if (!date) return reject('date_invalid', columns['at'], dateForm)
    const action = actionOf(record)
    if ('type' in action) return action
    const sizeBytes = amountOf(size(record), SIZE_UNITS[config.sizeUnit])
    if (Number.isNaN(sizeBytes)) return reject('number_invalid', columns['size'])
    const itemCount = amountOf(items(record), 1)
    if (Number.isNaN(itemCount)) return reject('number_invalid', columns['items'])
    const from = ip(record)
    if (from !== '' && isIP(from) === 0) return reject('field_invalid', columns['ip'], 'an IP address')
    const sourceId = eventIdOf(record)
    if (sourceId === '') return reject('event_id_missing', config.eventIdColumns[0])
    const path = object(record)
    const place = container(record)
    const program = userAgent(record)
    if (path.length > MAX_TEXT_CHARACTERS) return tooLong(columns['object'])
    if (place.length > MAX_TEXT_CHARACTERS) return tooLong(columns['container'])
    if (program.length > MAX_TEXT_CHARACTERS) return tooLong(columns['userAgent'])
    const activity: Activity = {
      type: 'activity',
      sourceId,
      actor: { scheme: config.personScheme, value: who },
      actorKind: 'user',
      at: date.at,
      verb: action.verb,
      nativeEvent: action.name,
      outcome: outcomeOf(record),
      raw: record,
    }
    if (date.zoneAssumed) activity.zoneAssumed = true
    if (path !== '') activity.object = path
    if (place !== '') activity.container = place
    if (sizeBytes !== undefined) activity.sizeBytes = sizeBytes
    if (itemCount !== undefined) activity.itemCount = itemCount
    if (from !== '') activity.originIp = from
    if (program !== '') activity.userAgent = program
    return activity
  }
}

type Action = { verb: Verb; name: string } | Exclude<Mapped, Activity>

function compileAction(config: Mapping, reader: Reader): (record: MappedRecord) => Action {
  const column = config.columns['action']
  if (column === undefined) {
    const always: Action = { verb: config.verb ?? 'other', name: config.verb ?? 'other' }
    return () => always
  }
  const read = reader(column)
  const table = byLowerCase(config.verbs)
  const answers = new Map<string, Action>()
  const answer = (name: string): Action => {
    if (name === '')
      return config.verb ? { verb: config.verb, name: config.verb } : reject('required_cell_empty', column)
    const verb =
      table.get(name.toLowerCase()) ??
      (config.otherActions === 'other' ? (config.verb ?? 'other') : config.otherActions)
    if (verb === 'ignore') return { type: 'ignored', why: 'action is left out by the mapping' }
    if (verb === 'reject') return reject('value_unknown', column, 'a value of the table of actions')
    return name.length > MAX_NAME_CHARACTERS ? tooLong(column, MAX_NAME_CHARACTERS) : { verb, name }
  }
  return (record) => {
    const name = read(record)
    const known = answers.get(name)
    if (known) return known
    if (answers.size >= REMEMBERED_AT_MOST) answers.clear()
    const own = ownText(name)
    const action = answer(own)
    answers.set(own, action)
    return action
  }
}

function compileOutcome(config: Mapping, reader: Reader): (record: MappedRecord) => Outcome {
  const column = config.columns['outcome']
  // A log that has no such column lists what happened.
  if (column === undefined) return () => 'success'
  const read = reader(column)
  const table = byLowerCase(config.outcomes)
  return (record) => table.get(read(record).toLowerCase()) ?? 'unknown'
}

/** The id columns joined, or everything that the record says; '' where an id column is empty. */
function compileEventId(config: Mapping, reader: Reader): (record: MappedRecord) => string {
  const [first, ...others] = config.eventIdColumns.map(reader)
  if (!first) return (record) => `content\u001f${canonicalJson(record)}`
  if (others.length === 0) return first
  return (record) => {
    const parts = [first, ...others].map((read) => read(record))
    return parts.includes('') ? '' : parts.join('\u001f')
  }
}

/** Asked of every record: a look-up among thousands of accounts would cost more than reading one. */
const isAccount = (value: string, scheme: Identifier['scheme']): boolean =>
  value.length <= MAX_NAME_CHARACTERS && (scheme !== 'address' || ADDRESS.test(value))

/** Whole and not negative, in the unit; undefined for an empty cell, NaN for what is no such number or too large. */
function amountOf(text: string, unit: number): number | undefined {
  if (text === '') return undefined
  if (!/^\d{1,16}(\.\d{1,6})?$/.test(text)) return Number.NaN
  const amount = Number(text) * unit
  if (unit === 1 && !Number.isInteger(amount)) return Number.NaN
  return amount <= Number.MAX_SAFE_INTEGER ? Math.round(amount) : Number.NaN
}

const byLowerCase = <V>(table: Readonly<Record<string, V>>): ReadonlyMap<string, V> =>
  new Map(Object.entries(table).map(([name, value]) => [name.trim().toLowerCase(), value]))

const reject = (code: Rejected['code'], column?: string, expected?: string): Rejected => ({
  type: 'rejected',
  code,
  ...(column === undefined ? {} : { cell: column }),
  ...(expected === undefined ? {} : { expected }),
})

const tooLong = (column: string | undefined, most = MAX_TEXT_CHARACTERS): Rejected =>
  reject('value_too_long', column, `at most ${most} characters`)
