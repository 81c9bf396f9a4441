import { defineConnector, type Page, type ReadInput } from '../connector.ts'
import { requireColumns } from '../files/columns.ts'
import { readDelimited } from '../files/delimited.ts'
import { readJsonLines } from '../files/json-lines.ts'
import { filePrerequisites } from '../files/settings.ts'
import { type CustomFileConfig, config } from './config.ts'
import { type CustomRecord, map } from './map.ts'
import { ROLES } from './roles.ts'

export const customFile = defineConnector<typeof config, CustomRecord>({
  id: 'custom-file',
  title: 'Any CSV or NDJSON file',
  says: 'Activities from a file of any system that has no connector of its own, by a mapping of its columns.',
  delivery: 'push',
  yields: { activities: true, facts: [] },
  guide: 'docs/guides/custom-file.md',
  config,
  everySeconds: 60,
  microsoftScript: 'csv',
  prerequisites: filePrerequisites('custom-file-fresh', ({ freshDays }: CustomFileConfig) => freshDays),
  columns: () => ROLES,
  read,
  map,
})

async function* read(input: ReadInput<CustomFileConfig>): AsyncGenerator<Page<any>> {
  const { config: settings, file, position } = input
  if (!file || (position as { done?: boolean } | null)?.done) return
  const after = { done: true }
  if (settings.format === 'json_lines') {
    yield { origin: file.name, records: await readJsonLines(file.open(), settings), after }
    return
  }
  const { header, records } = await readDelimited(file.open(), settings)
  requireColumns(header, [...Object.values(settings.columns), ...settings.eventIdColumns])
  yield { origin: file.name, records, after }
}
