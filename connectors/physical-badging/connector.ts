import { defineConnector, type FileSource, type Page, type ReadInput } from '../connector.ts'
import { requireColumns } from '../files/columns.ts'
import { readDelimited } from '../files/delimited.ts'
import { readJsonRecords } from '../files/json-records.ts'
import { perSettings } from '../files/per-settings.ts'
import { filePrerequisites } from '../files/settings.ts'
import { suggestRoles } from '../files/suggest.ts'
import { beginsAsJson } from '../files/text.ts'
import { type BadgeConfig, config } from './config.ts'
import { type BadgeRecord, badgeMapper } from './map.ts'
import { BADGE_ROLES } from './roles.ts'

const FRESH_DAYS = 7

export const physicalBadging = defineConnector<typeof config, BadgeRecord>({
  id: 'physical-badging',
  title: 'Physical badging',
  says: 'Who opened which door, or tried to, from the events of a badge system.',
  delivery: 'push',
  yields: { activities: true, facts: [] },
  guide: 'docs/guides/physical-badging.md',
  config,
  everySeconds: 300,
  microsoftScript: 'json',
  prerequisites: filePrerequisites('physical-badging-fresh', () => FRESH_DAYS),
  suggest({ names }, settings) {
    const { columns, mapping } = suggestRoles(BADGE_ROLES, names, settings['columns'])
    return { columns, settings: { columns: mapping } }
  },
  read,
  map: (record, settings) => mapper(settings)(record),
})

const mapper = perSettings(badgeMapper)

async function* read(input: ReadInput<BadgeConfig>): AsyncGenerator<Page<any>> {
  const { config: settings, file, position } = input
  if (!file || (position as { done?: boolean } | null)?.done) return
  const after = { done: true }
  if (await isJson(file, settings)) {
    yield { origin: file.name, records: await readJsonRecords(file.open(), settings), after }
    return
  }
  const { person, asset, at, status, eventId } = settings.columns
  const { records } = await readDelimited(file.open(), settings, (header) =>
    requireColumns(header, [person, asset, at, status, ...(eventId === undefined ? [] : [eventId])]),
  )
  yield { origin: file.name, records, after }
}

/** As the settings say, else as the file begins. */
const isJson = async (file: FileSource, { format, encoding }: BadgeConfig): Promise<boolean> =>
  format === 'auto' ? beginsAsJson(file.open(), encoding) : format === 'json'
