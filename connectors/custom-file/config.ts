import { z } from 'zod'
import { fileSettings } from '../files/settings.ts'
import { faultsOf, mappingSettings } from '../mapping/settings.ts'

export const FORMATS = ['delimited', 'json_lines'] as const

export const config = z
  .strictObject({
    format: z.enum(FORMATS).default('delimited').meta({ title: 'Format' }),
    ...mappingSettings,
    freshDays: z.int().min(1).max(366).default(7).meta({ title: 'Days after which a new file is due' }),
    ...fileSettings,
  })
  .check(({ value, issues }) => {
    for (const fault of faultsOf(value)) issues.push({ code: 'custom', ...fault, input: value })
  })
export type CustomFileConfig = z.output<typeof config>
