import type { ColumnRole } from '../connector.ts'
import { defineConnector, type Page, type ReadInput } from '../connector.ts'
import { requireColumns } from '../files/columns.ts'
import { type DelimitedRow, readDelimited } from '../files/delimited.ts'
import { perSettings } from '../files/per-settings.ts'
import { filePrerequisites } from '../files/settings.ts'
import { config, type DetectionsConfig } from './config.ts'
import { detectionMapper } from './map.ts'

const FRESH_DAYS = 7

/** Roles of the columns that every file has. Source: learn.microsoft.com/purview/import-insider-risk-indicators. */
const ROLES: readonly ColumnRole[] = [
  {
    id: 'person',
    title: 'Account',
    required: true,
    meaning: 'E-mail address or UPN of the person whom the detection is about.',
    suggests: ['upn', 'userprincipalname', 'email', 'emailaddress', 'user'],
  },
  {
    id: 'at',
    title: 'Event time',
    required: true,
    meaning: 'When it was detected, UTC where the cell has no zone.',
    suggests: ['eventtime', 'aggregationdate', 'predictiontime', 'time', 'timestamp', 'date'],
  },
]

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
  columns: () => ROLES,
  read,
  map: (row, settings) => mapper(settings)(row),
})

const mapper = perSettings(detectionMapper)

async function* read(input: ReadInput<DetectionsConfig>): AsyncGenerator<Page<DelimitedRow>> {
  if (!input.file || (input.position as { done?: boolean } | null)?.done) return
  const { header, records } = await readDelimited(input.file.open(), input.config)
  const { columns, sourceColumn, detections } = input.config
  requireColumns(header, [
    columns.person,
    columns.at,
    ...(sourceColumn === undefined ? [] : [sourceColumn]),
    ...detections.flatMap(({ amountColumn, carry, variants }) => [
      ...(amountColumn === undefined ? [] : [amountColumn]),
      ...carry,
      ...variants.map(({ column }) => column),
    ]),
  ])
  yield { origin: input.file.name, records, after: { done: true } }
}
