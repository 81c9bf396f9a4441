import { fieldOf } from '../../domain/field-of.ts'
import type { Activity, Mapped, Outcome, Rejected } from '../../domain/signal.ts'
import { ADDRESS } from '../files/columns.ts'
import { parseDate } from '../files/dates.ts'
import type { BadgeConfig } from './config.ts'

export type BadgeRecord = Readonly<Record<string, unknown>>

const MAX_CHARACTERS = 500

/** One shown badge to one activity. */
export function badgeMapper(settings: BadgeConfig): (record: BadgeRecord) => Mapped {
  const { columns, personScheme } = settings
  const person = fieldReader(columns.person)
  const asset = fieldReader(columns.asset)
  const time = fieldReader(columns.at)
  const status = fieldReader(columns.status)
  const assetName = fieldReader(columns.assetName)
  const eventId = fieldReader(columns.eventId)
  const outcomeOf = outcomes(settings)
  const priority = new Set(settings.priorityAssets.map((id) => id.trim().toLowerCase()))

  return (record) => {
    if (typeof record !== 'object' || record === null || Array.isArray(record['cells'])) return reject('column_count')
    const [who, door, when, said] = [person(record), asset(record), time(record), status(record)]
    if (who === '') return reject('required_cell_empty', columns.person)
    if (door === '') return reject('required_cell_empty', columns.asset)
    if (when === '') return reject('required_cell_empty', columns.at)
    if (said === '') return reject('required_cell_empty', columns.status)
    if (personScheme === 'address' && !ADDRESS.test(who))
      return reject('identifier_invalid', columns.person, 'an e-mail address or UPN')
    const long = who.length > MAX_CHARACTERS ? columns.person : door.length > MAX_CHARACTERS ? columns.asset : undefined
    if (long !== undefined) return reject('value_too_long', long, `at most ${MAX_CHARACTERS} characters`)
    const date = parseDate(when, settings.dateFormat, settings.assumedZone)
    if (!date) return reject('date_invalid', columns.at, settings.dateFormat)
    const outcome = outcomeOf(said)
    if (outcome === null) return reject('value_unknown', columns.status, 'a word of the settings')
    const name = assetName(record)
    const id = eventId(record)
    const activity: Activity = {
      type: 'activity',
      sourceId:
        id === '' ? `${who.toLowerCase()}\u001f${door}\u001f${date.at.getTime()}\u001f${outcome}` : `id\u001f${id}`,
      actor: { scheme: personScheme, value: who },
      actorKind: 'user',
      at: date.at,
      verb: 'physical_access',
      nativeEvent: said,
      outcome,
      container: door,
      raw: record,
    }
    if (name !== '') activity.object = name
    if (date.zoneAssumed) activity.zoneAssumed = true
    if (priority.size > 0 && priority.has(door.toLowerCase())) activity.flags = PRIORITY
    return activity
  }
}

const PRIORITY = ['priority_asset']

function outcomes({ successWords, failureWords }: BadgeConfig): (word: string) => Outcome | null {
  const table = new Map<string, Outcome>([
    ...successWords.map((word) => [word.toLowerCase(), 'success'] as const),
    ...failureWords.map((word) => [word.toLowerCase(), 'failure'] as const),
  ])
  const known = new Map<string, Outcome | null>()
  return (word) => {
    let outcome = known.get(word)
    if (outcome === undefined) {
      outcome = table.get(word.toLowerCase()) ?? null
      // Only those of the settings: the words of a file may be any.
      if (outcome !== null) known.set(word, outcome)
    }
    return outcome
  }
}

/** By name in JSON, by lower-case header in a CSV file, else by a name that differs in case; '' where there is none. */
function fieldReader(name: string | undefined): (record: BadgeRecord) => string {
  if (name === undefined) return () => ''
  const lower = name.toLowerCase()
  let read = fieldOf(name)
  let isFound = false
  return (record) => {
    let value = read(record)
    if (value === undefined) {
      const found = Object.keys(record).find((key) => key.toLowerCase() === lower) ?? name
      value = record[found]
      // Other records of the file name it in the same way. Once: one that mixes its names would have a function made for each.
      if (!isFound && found !== name) {
        read = fieldOf(found)
        isFound = true
      }
    }
    return typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : ''
  }
}

const reject = (code: Rejected['code'], column?: string, expected?: string): Rejected => ({
  type: 'rejected',
  code,
  ...(column === undefined ? {} : { cell: column }),
  ...(expected === undefined ? {} : { expected }),
})
