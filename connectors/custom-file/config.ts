import { z } from 'zod'
import { IDENTIFIER_SCHEMES, OUTCOMES, VERBS } from '../../domain/signal.ts'
import { fileSettings } from '../files/settings.ts'
import { ROLES } from './roles.ts'

export const FORMATS = ['delimited', 'json_lines'] as const
export const SIZE_UNITS = { B: 1, kB: 1e3, KiB: 1024, MB: 1e6, MiB: 1024 ** 2, GB: 1e9, GiB: 1024 ** 3 } as const
export type SizeUnit = keyof typeof SIZE_UNITS

/** Column or JSON path. */
const source = z.string().min(1).max(200)

export const config = z
  .strictObject({
    format: z.enum(FORMATS).default('delimited').meta({ title: 'Format' }),
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
    freshDays: z.int().min(1).max(366).default(7).meta({ title: 'Days after which a new file is due' }),
    ...fileSettings,
  })
  .check((context) => {
    const { columns, verb, verbs } = context.value
    const issue = (path: (string | number)[], message: string) =>
      context.issues.push({ code: 'custom', path, message, input: context.value })
    for (const role of ROLES) {
      if (role.required && !columns[role.id]) issue(['columns', role.id], 'the required column is not mapped')
    }
    for (const id of Object.keys(columns)) {
      if (!ROLES.some((role) => role.id === id)) issue(['columns', id], 'there is no such role')
    }
    if (!columns['action'] && !verb) issue(['verb'], 'needed where no column names the action')
    if (!columns['action'] && Object.keys(verbs).length > 0) issue(['columns', 'action'], 'needed for the value table')
  })
export type CustomFileConfig = z.output<typeof config>
