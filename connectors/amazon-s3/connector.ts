import type { CheckResult, Verdict } from '../../domain/prerequisite.ts'
import { defineConnector, type PrerequisiteInput, prerequisiteFor } from '../connector.ts'
import { judged } from '../judged.ts'
import { type Bucket, openBucket } from './client.ts'
import { config, type S3Config } from './config.ts'
import { map } from './map.ts'
import { OVERLAP_SECONDS, read, readRange, SWEEP_DAYS } from './read.ts'

/** Data events that only a trail with object-level logging delivers. */
const OBJECT_EVENTS = ['GetObject', 'PutObject', 'DeleteObject', 'HeadObject', 'CopyObject', 'ListObjects']

const DAY_SECONDS = 86_400

const root = ({ prefix }: S3Config): string => `${prefix}${prefix === '' || prefix.endsWith('/') ? '' : '/'}AWSLogs/`

/** Asks the bucket; see `judged`. */
const asking = <V extends Verdict>(
  { config: settings, signal, access }: PrerequisiteInput<S3Config>,
  ask: (bucket: Bucket) => Promise<CheckResult<V>>,
) =>
  judged(async () => {
    const bucket = openBucket(settings, signal, access)
    try {
      return await ask(bucket)
    } finally {
      bucket.close()
    }
  })

const prerequisite = prerequisiteFor<S3Config>()

const prerequisites = [
  prerequisite({
    id: 'listing-allowed',
    title: 'The log bucket is reachable and may be listed',
    anchor: 'listing',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      asking(input, async (bucket) => {
        const place = root(input.config)
        const folders = await bucket.folders(place)
        return folders.length > 0
          ? { state: 'met', code: 'listed', detail: 'The bucket holds logs under AWSLogs/.' }
          : {
              state: 'unmet',
              code: 'no_logs',
              detail: `There is nothing under ${place}; correct bucket or prefix, or wait for the first delivery.`,
            }
      }),
  }),
  prerequisite({
    id: 'reading-allowed',
    title: 'Log files may be read',
    anchor: 'reading',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      asking(input, async (bucket) => {
        for await (const { key } of bucket.list(root(input.config))) {
          await bucket.get(key)
          return { state: 'met', code: 'read', detail: 'A log file was read.' }
        }
        return { state: 'unknown', code: 'no_logs', detail: 'There is no log file yet to try.' }
      }),
  }),
  prerequisite({
    id: 'object-level-logging',
    title: 'The trail records reads and writes of objects',
    anchor: 'object-level-logging',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'after',
    async check({ history }) {
      if (!history.lastCompletedImportAt)
        return { state: 'unknown', code: 'never_imported', detail: 'Nothing has been imported yet.' }
      const seen = OBJECT_EVENTS.some((name) => history.recentEvents.has(name))
      return seen
        ? { state: 'met', code: 'data_events_seen', detail: 'Data events of S3 objects arrived within 7 days.' }
        : {
            state: 'unmet',
            code: 'no_data_events',
            detail: 'No data event of an S3 object arrived within 7 days; add a data event selector to the trail.',
          }
    },
  }),
]

export const amazonS3 = defineConnector({
  id: 'amazon-s3',
  title: 'Amazon S3 by CloudTrail',
  says: 'Who read, wrote, shared and deleted what in Amazon S3, from the log bucket of a CloudTrail trail.',
  delivery: 'pull',
  yields: { activities: true, facts: [] },
  guide: 'docs/guides/amazon-s3.md',
  config,
  everySeconds: 300,
  prerequisites,
  read,
  // Per prefix; the SDK backs off by itself.
  pull: {
    limit: { requests: 5_500, perSeconds: 1 },
    overlapSeconds: OVERLAP_SECONDS,
    sweep: { everySeconds: DAY_SECONDS, reachSeconds: SWEEP_DAYS * DAY_SECONDS },
  },
  // A trail's bucket keeps what its lifecycle rules let it keep; its folders are days.
  history: { reachDays: null, pieceHours: 24, readRange },
  map,
})
