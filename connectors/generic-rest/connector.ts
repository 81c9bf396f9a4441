import { type Mapped, REJECTION_CODES, type Rejected } from '../../domain/signal.ts'
import { defineConnector, prerequisiteFor } from '../connector.ts'
import { perSettings } from '../files/per-settings.ts'
import { judged } from '../judged.ts'
import { pathReader } from '../mapping/fields.ts'
import { mapperOf } from '../mapping/map.ts'
import { isObject } from '../values.ts'
import { config, type RestConfig } from './config.ts'
import { firstPage, OVERLAP_SECONDS, read, readRange, SWEEP_EVERY_SECONDS, SWEEP_REACH_SECONDS } from './read.ts'

const mapperFor = perSettings((settings: RestConfig) => mapperOf(settings, pathReader))

function map(record: unknown, settings: RestConfig): Mapped {
  return isObject(record)
    ? mapperFor(settings)(record)
    : { type: 'rejected', code: 'field_invalid', expected: 'an object' }
}

const prerequisite = prerequisiteFor<RestConfig>()

const prerequisites = [
  prerequisite({
    id: 'list-readable',
    title: 'The list can be read',
    anchor: 'list',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      judged(async () => {
        const { items } = await firstPage(input)
        return items.length > 0
          ? { state: 'met', code: 'read', detail: `A page of ${items.length} records was read.` }
          : { state: 'met', code: 'read_none', detail: 'The list can be read and is empty.' }
      }),
  }),
  prerequisite({
    id: 'mapping-fits',
    title: 'The mapping fits the records',
    anchor: 'mapping',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      judged(async () => {
        const { items } = await firstPage(input)
        const rejected = items
          .map((item) => map(item, input.config))
          .filter((mapped): mapped is Rejected => mapped.type === 'rejected')
        const [first] = rejected
        if (!first || rejected.length < items.length)
          return {
            state: 'met',
            code: 'fits',
            detail: `${items.length - rejected.length} of ${items.length} records fit.`,
          }
        const at = first.cell === undefined ? '' : ` at ${first.cell}`
        return {
          state: 'unmet',
          code: 'mapping_fits_nothing',
          detail: `None of ${items.length} records fits: ${first.code}${at}. ${REJECTION_CODES[first.code]}`,
        }
      }),
  }),
]

export const genericRest = defineConnector({
  id: 'generic-rest',
  title: 'Any REST API',
  says: 'Activities from a list of any system that answers with JSON and has no connector of its own, by a mapping of its fields.',
  delivery: 'pull',
  yields: { activities: true, facts: [] },
  guide: 'docs/guides/generic-rest.md',
  config,
  everySeconds: 900,
  prerequisites,
  read,
  pull: {
    limit: ({ requestsPerMinute }: RestConfig) => ({ requests: requestsPerMinute, perSeconds: 60 }),
    overlapSeconds: OVERLAP_SECONDS,
    sweep: { everySeconds: SWEEP_EVERY_SECONDS, reachSeconds: SWEEP_REACH_SECONDS },
  },
  history: { reachDays: null, pieceHours: 24, readRange },
  map,
})
