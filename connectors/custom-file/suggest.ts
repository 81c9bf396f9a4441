import type { ColumnRole, ConnectorDefinition } from '../connector.ts'
import { suggestColumns } from '../files/columns.ts'
import { suggestRoles, wordsOf } from '../files/suggest.ts'
import { ROLES } from '../mapping/roles.ts'
import { list } from '../values.ts'

const EVENT_ID: ColumnRole = {
  id: 'eventId',
  title: 'Event id',
  required: false,
  meaning: "The log's own number of the record; without it records that say the same are one.",
  suggests: ['id', 'eventid', 'recordid', 'logid', 'auditid', 'uuid', 'guid'],
}

/** The mapping, the field that names an event, and the format where the sample is not as it is set. */
export const suggest: NonNullable<ConnectorDefinition['suggest']> = ({ format, names }, settings) => {
  const { columns, mapping } = suggestRoles(ROLES, names, settings['columns'])
  const chosen = list(settings['eventIdColumns']).map(String)
  // By all of its name alone: `actor.id` is no event's.
  const { eventId } = suggestColumns(
    [EVENT_ID],
    names.filter((name) => !name.includes('.')),
  )
  const eventIdColumns = chosen.length > 0 ? chosen : eventId === undefined ? [] : [eventId]
  return {
    columns: [
      ...columns,
      { ...wordsOf(EVENT_ID), column: eventIdColumns.find((name) => names.includes(name)) ?? null },
    ],
    settings: {
      columns: mapping,
      ...(eventIdColumns.length > 0 ? { eventIdColumns } : {}),
      ...(format === 'json' ? { format: 'json_lines' } : {}),
    },
  }
}
