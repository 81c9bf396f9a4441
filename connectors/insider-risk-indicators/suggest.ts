import type { ColumnRole, ConnectorDefinition } from '../connector.ts'
import { delimitedOnly, suggestRoles } from '../files/suggest.ts'
import { list, object, text } from '../values.ts'

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

const SOURCE: ColumnRole = {
  id: 'source',
  title: 'Source',
  required: false,
  meaning: 'Which detection a row is of, where a file has several.',
  suggests: ['sourceworkload', 'workload', 'source', 'product', 'detection', 'detectiontype'],
}

/** The columns that all detections share. What is detected, and which number counts, the admin says. */
export const suggest: NonNullable<ConnectorDefinition['suggest']> = (sample, settings) => {
  delimitedOnly(sample)
  const shared = suggestRoles(ROLES, sample.names, settings['columns'])
  const source = suggestRoles([SOURCE], sample.names, { source: settings['sourceColumn'] })
  const detections = list(settings['detections'])
  // Detections without a value of their own are not told apart by any column.
  const apart = detections.length === 0 || detections.some((each) => text(object(each)['value']))
  return {
    columns: [...shared.columns, ...source.columns],
    settings: {
      columns: shared.mapping,
      ...(apart && source.mapping['source'] ? { sourceColumn: source.mapping['source'] } : {}),
    },
  }
}
