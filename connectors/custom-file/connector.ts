import { defineConnector, type Page, type ReadInput } from '../connector.ts'
import { requireColumns } from '../files/columns.ts'
import { readDelimited } from '../files/delimited.ts'
import { readJsonLines } from '../files/json-lines.ts'
import { perSettings } from '../files/per-settings.ts'
import { filePrerequisites } from '../files/settings.ts'
import { columnReader, pathReader } from '../mapping/fields.ts'
import { type MappedRecord, mapperOf } from '../mapping/map.ts'
import { type CustomFileConfig, config } from './config.ts'
import { suggest } from './suggest.ts'

const mapperFor = perSettings((config: CustomFileConfig) =>
  mapperOf(config, config.format === 'json_lines' ? pathReader : columnReader),
)

export const customFile = defineConnector<typeof config, MappedRecord>({
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
  suggest,
  read,
  map: (record, settings) => mapperFor(settings)(record),
})

async function* read(input: ReadInput<CustomFileConfig>): AsyncGenerator<Page<any>> {
  const { config: settings, file, position } = input
  if (!file || (position as { done?: boolean } | null)?.done) return
  const after = { done: true }
  if (settings.format === 'json_lines') {
    yield { origin: file.name, records: await readJsonLines(file.open(), settings), after }
    return
  }
  const { records } = await readDelimited(file.open(), settings, (header) =>
    requireColumns(header, [...Object.values(settings.columns), ...settings.eventIdColumns]),
  )
  yield { origin: file.name, records, after }
}
