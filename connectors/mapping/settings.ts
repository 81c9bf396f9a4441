import { z } from 'zod'
import { IDENTIFIER_SCHEMES, OUTCOMES, VERBS } from '../../domain/signal.ts'
import { datedSettings } from '../files/settings.ts'
import { ROLES } from './roles.ts'

export const SIZE_UNITS = { B: 1, kB: 1e3, KiB: 1024, MB: 1e6, MiB: 1024 ** 2, GB: 1e9, GiB: 1024 ** 3 } as const
export type SizeUnit = keyof typeof SIZE_UNITS

/** Column or JSON path. */
const source = z.string().min(1).max(200)

/** How a record of somebody's log becomes an activity; titles are those of the form. */
export const mappingSettings = {
  columns: z.record(z.string(), source).meta({ title: 'Role of a column → its header, or its path in JSON' }),
  eventIdColumns: z
    .array(source)
    .max(10)
    .default([])
    .meta({ title: 'Columns that together name an event; the whole record does when there are none' }),
  personScheme: z.enum(IDENTIFIER_SCHEMES).default('address').meta({ title: 'How the source names people' }),
  verb: z.enum(VERBS).optional().meta({ title: 'What every record is, where no column says it' }),
  verbs: z
    .record(z.string(), z.enum([...VERBS, 'ignore']))
    .default({})
    .meta({ title: 'Value of the action column → what it is; "ignore" leaves the record out' }),
  otherActions: z
    .enum(['other', 'ignore', 'reject'])
    .default('other')
    .meta({ title: 'Actions that the table does not name' }),
  outcomes: z
    .record(z.string(), z.enum(OUTCOMES))
    .default({
      success: 'success',
      ok: 'success',
      allowed: 'success',
      failure: 'failure',
      failed: 'failure',
      error: 'failure',
      blocked: 'blocked',
      denied: 'blocked',
    })
    .meta({ title: 'Value of the outcome column → outcome; others are unknown' }),
  sizeUnit: z
    .enum(Object.keys(SIZE_UNITS) as [SizeUnit, ...SizeUnit[]])
    .default('B')
    .meta({ title: 'Unit of the size column' }),
}

const schema = z.object({ ...mappingSettings, ...datedSettings })
export type Mapping = z.output<typeof schema>

/** What is wrong with a mapping as a whole: where, and in words. */
export function faultsOf({ columns, verb, verbs }: Pick<Mapping, 'columns' | 'verb' | 'verbs'>): MappingFault[] {
  return [
    ...ROLES.filter(({ id, required }) => required && !columns[id]).map(({ id }) => ({
      path: ['columns', id],
      message: 'the required column is not mapped',
    })),
    ...Object.keys(columns)
      .filter((id) => !ROLES.some((role) => role.id === id))
      .map((id) => ({ path: ['columns', id], message: 'there is no such role' })),
    ...(!columns['action'] && !verb ? [{ path: ['verb'], message: 'needed where no column names the action' }] : []),
    ...(!columns['action'] && Object.keys(verbs).length > 0
      ? [{ path: ['columns', 'action'], message: 'needed for the value table' }]
      : []),
  ]
}

export interface MappingFault {
  path: string[]
  message: string
}
