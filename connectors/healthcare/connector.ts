import { z } from 'zod'
import { defineConnector, type Page, type ReadInput } from '../connector.ts'
import { requireColumns } from '../files/columns.ts'
import { type DelimitedRow, readDelimited } from '../files/delimited.ts'
import { perSettings } from '../files/per-settings.ts'
import { filePrerequisites, fileSettings } from '../files/settings.ts'
import { delimitedOnly, suggestRoles } from '../files/suggest.ts'
import { healthRecordMapper, healthSettings } from './record.ts'
import { HEALTH_ROLES, healthRoles, REQUIRED_ROLES } from './roles.ts'

/** A daily file that is missing for so long is noticed. */
const FRESH_DAYS = 7

const config = z
  .strictObject({
    /** Role of a column → its header in the file. */
    columns: z.partialRecord(z.enum(HEALTH_ROLES), z.string().min(1)).meta({ title: 'Columns' }),
    ...healthSettings,
    ...fileSettings,
  })
  .check(({ value, issues }) => {
    for (const role of REQUIRED_ROLES) {
      if (value.columns[role]) continue
      issues.push({
        code: 'custom',
        path: ['columns', role],
        message: 'the required column is not mapped',
        input: value.columns,
      })
    }
  })
export type HealthcareConfig = z.output<typeof config>

export const healthcare = defineConnector<typeof config, DelimitedRow>({
  id: 'healthcare',
  title: 'Healthcare',
  says: 'Accesses to health records from the audit files of any electronic health record system.',
  delivery: 'push',
  yields: { activities: true, facts: [] },
  guide: 'docs/guides/healthcare.md',
  config,
  everySeconds: 300,
  microsoftScript: 'csv',
  prerequisites: filePrerequisites('healthcare-fresh', () => FRESH_DAYS),
  suggest(sample, settings) {
    delimitedOnly(sample)
    const { columns, mapping } = suggestRoles(healthRoles, sample.names, settings['columns'])
    return { columns, settings: { columns: mapping } }
  },
  read,
  map: (row, settings) => mapper(settings)(row),
})

const mapper = perSettings((settings: HealthcareConfig) => healthRecordMapper(settings.columns, settings))

async function* read(input: ReadInput<HealthcareConfig>): AsyncGenerator<Page<DelimitedRow>> {
  if (!input.file || (input.position as { done?: boolean } | null)?.done) return
  const { records } = await readDelimited(input.file.open(), input.config, (header) =>
    requireColumns(header, Object.values(input.config.columns)),
  )
  yield { origin: input.file.name, records, after: { done: true } }
}
