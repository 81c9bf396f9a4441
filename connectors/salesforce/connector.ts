import { defineConnector, prerequisiteFor } from '../connector.ts'
import { judged } from '../judged.ts'
import { openEventLog } from './client.ts'
import { config, INTERVALS, type SalesforceConfig } from './config.ts'
import { map } from './map.ts'
import { OVERLAP_SECONDS, REACH_DAYS, read, readRange } from './read.ts'

/** Types that the Event Monitoring licence adds; without it there are sign-ins alone. */
const LICENSED = ['ReportExport', 'Report', 'ContentTransfer', 'API', 'RestApi', 'BulkApi', 'BulkApi2', 'Search']
/** Enough to see whether there are files, and users. */
const ONE = 'LIMIT 1'

const prerequisite = prerequisiteFor<SalesforceConfig>()

const prerequisites = [
  prerequisite({
    id: 'signed-in',
    title: 'The app signs in to this organisation',
    anchor: 'sign-in',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      judged(async () => {
        await openEventLog(input).signIn()
        return { state: 'met', code: 'signed_in', detail: 'The app signed in as the integration user.' }
      }),
  }),
  prerequisite({
    id: 'log-readable',
    title: 'The user may read event log files',
    anchor: 'event-log-files',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      judged(async () => {
        await openEventLog(input).query(`SELECT Id FROM EventLogFile ${ONE}`)
        return { state: 'met', code: 'read', detail: 'Event log files may be read.' }
      }),
  }),
  prerequisite({
    id: 'users-readable',
    title: 'The user may see who the users are',
    anchor: 'users',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      judged(async () => {
        await openEventLog(input).users(['005000000000000AAA'])
        return { state: 'met', code: 'read', detail: 'Users may be looked up.' }
      }),
  }),
  prerequisite({
    id: 'interval-available',
    title: 'The organisation has files of the chosen interval',
    anchor: 'interval',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'after',
    check: (input) =>
      judged(async () => {
        const log = openEventLog(input)
        const chosen = INTERVALS[input.config.interval]
        const has = async (interval: string) =>
          (await log.query(`SELECT Id FROM EventLogFile WHERE Interval='${interval}' ${ONE}`)).records.length > 0
        if (await has(chosen))
          return { state: 'met', code: 'files_found', detail: `There are ${input.config.interval} files.` }
        const other = chosen === 'Hourly' ? 'daily' : 'hourly'
        return (await has(INTERVALS[other]))
          ? { state: 'unmet', code: 'other_interval', detail: `There are only ${other} files: choose these.` }
          : { state: 'unknown', code: 'no_files', detail: 'There is no event log file yet; the first takes a day.' }
      }),
  }),
  prerequisite({
    id: 'event-monitoring',
    title: 'The organisation is licensed for Event Monitoring',
    anchor: 'event-monitoring',
    verdicts: ['met', 'unknown'],
    when: 'after',
    async check({ history }) {
      if (!history.lastCompletedImportAt)
        return { state: 'unknown', code: 'never_imported', detail: 'Nothing has been imported yet.' }
      return LICENSED.some((type) => history.recentEvents.has(type))
        ? { state: 'met', code: 'licensed_events_seen', detail: 'Reads of data arrived within 7 days.' }
        : {
            state: 'unknown',
            code: 'no_licensed_events',
            detail: 'Only sign-ins arrived within 7 days: exports and downloads need the Event Monitoring licence.',
          }
    },
  }),
]

export const salesforce = defineConnector({
  id: 'salesforce',
  title: 'Salesforce event log files',
  says: 'Who exported reports, queried and downloaded data, shared files and signed in to Salesforce, and by which API.',
  delivery: 'pull',
  yields: { activities: true, facts: [] },
  guide: 'docs/guides/salesforce.md',
  config,
  everySeconds: 1_800,
  prerequisites,
  read,
  // Calls are counted by the day, for the whole organisation: see `Quota`.
  pull: { limit: null, overlapSeconds: OVERLAP_SECONDS, sweep: null },
  history: { reachDays: REACH_DAYS, pieceHours: 24, readRange },
  map,
})
