import { defineConnector, type Page, type ReadInput } from '../connector.ts'
import { requireColumns } from '../files/columns.ts'
import { type DelimitedRow, readDelimited } from '../files/delimited.ts'
import { perSettings } from '../files/per-settings.ts'
import { filePrerequisites } from '../files/settings.ts'
import { config, type DetectionsConfig } from './config.ts'
import { detectionMapper } from './map.ts'
import { suggest } from './suggest.ts'

const FRESH_DAYS = 7

export const insiderRiskIndicators = defineConnector<typeof config, DelimitedRow>({
  id: 'insider-risk-indicators',
  title: 'Insider risk indicators',
  says: 'Detections that another product has made and counted, from its CSV file.',
  delivery: 'push',
  yields: { activities: true, facts: [] },
  guide: 'docs/guides/insider-risk-indicators.md',
  config,
  everySeconds: 300,
  microsoftScript: 'csv',
  prerequisites: filePrerequisites('insider-risk-indicators-fresh', () => FRESH_DAYS),
  suggest,
  read,
  map: (row, settings) => mapper(settings)(row),
})

const mapper = perSettings(detectionMapper)

async function* read(input: ReadInput<DetectionsConfig>): AsyncGenerator<Page<DelimitedRow>> {
  if (!input.file || (input.position as { done?: boolean } | null)?.done) return
  const { columns, sourceColumn, detections } = input.config
  const named = [
    columns.person,
    columns.at,
    ...(sourceColumn === undefined ? [] : [sourceColumn]),
    ...detections.flatMap(({ amountColumn, carry, variants }) => [
      ...(amountColumn === undefined ? [] : [amountColumn]),
      ...carry,
      ...variants.map(({ column }) => column),
    ]),
  ]
  const { records } = await readDelimited(input.file.open(), input.config, (header) => requireColumns(header, named))
  yield { origin: input.file.name, records, after: { done: true } }
}
