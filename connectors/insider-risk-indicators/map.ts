import { canonicalJson } from '../../domain/canonical.ts'
import { type Activity, type Mapped, type Rejected, variantFlag } from '../../domain/signal.ts'
import { ADDRESS } from '../files/columns.ts'
import { parseDate } from '../files/dates.ts'
import type { DelimitedRow } from '../files/delimited.ts'
import type { Detection, DetectionsConfig } from './config.ts'

const NUMBER = /^[+-]?\d{1,15}(\.\d{1,9})?$/

/** One pre-aggregated row of another product to one detection. */
export function detectionMapper(settings: DetectionsConfig): (row: DelimitedRow) => Mapped {
  const { columns, sourceColumn, personScheme } = settings
  const byValue = new Map(settings.detections.map((each) => [each.value?.toLowerCase() ?? '', shaped(each)]))
  const expected = `one of ${settings.detections.map(({ value }) => value).join(', ')}`

  return (row) => {
    if (typeof row !== 'object' || row === null || Array.isArray(row.cells)) return reject('column_count')
    const cell = (name: string): string => {
      const value = (row as Record<string, unknown>)[name.toLowerCase()]
      return typeof value === 'string' ? value.trim() : ''
    }
    const detection = byValue.get(sourceColumn === undefined ? '' : cell(sourceColumn).toLowerCase())
    if (!detection) return reject('value_unknown', sourceColumn, expected)
    const who = cell(columns.person)
    if (who === '') return reject('required_cell_empty', columns.person)
    if (personScheme === 'address' && !ADDRESS.test(who))
      return reject('identifier_invalid', columns.person, 'an e-mail address or UPN')
    const when = cell(columns.at)
    if (when === '') return reject('required_cell_empty', columns.at)
    const date = parseDate(when, settings.dateFormat, settings.assumedZone)
    if (!date) return reject('date_invalid', columns.at, settings.dateFormat)
    const { amountColumn } = detection
    const amount = amountColumn === undefined ? undefined : cell(amountColumn)
    if (amount === '') return reject('required_cell_empty', amountColumn)
    if (amount !== undefined && !NUMBER.test(amount)) return reject('number_invalid', amountColumn, 'a number')

    const carried = Object.fromEntries(detection.carry.map((name) => [name, cell(name)]))
    const flags = detection.variants.filter(({ column, values }) => values.has(cell(column).toLowerCase()))
    const activity: Activity = {
      type: 'activity',
      // Everything that counts: a row sent again with another figure is another row, and the greatest one counts.
      sourceId: canonicalJson([detection.id, who.toLowerCase(), date.at.toISOString(), amount ?? null, carried]),
      actor: { scheme: personScheme, value: who },
      actorKind: 'user',
      at: date.at,
      verb: 'detection',
      nativeEvent: detection.id,
      outcome: 'unknown',
      raw: carried,
    }
    if (amount !== undefined) activity.amount = Number(amount)
    if (flags.length > 0) activity.flags = flags.map(({ flag }) => flag)
    if (date.zoneAssumed) activity.zoneAssumed = true
    return activity
  }
}

const shaped = ({ id, amountColumn, carry, variants }: Detection) => ({
  id,
  amountColumn,
  carry,
  variants: variants.map(({ id: variant, column, values }) => ({
    flag: variantFlag(variant),
    column,
    values: new Set(values.map((value) => value.trim().toLowerCase())),
  })),
})

const reject = (code: Rejected['code'], column?: string, expected?: string): Rejected => ({
  type: 'rejected',
  code,
  ...(column === undefined ? {} : { cell: column }),
  ...(expected === undefined ? {} : { expected }),
})
