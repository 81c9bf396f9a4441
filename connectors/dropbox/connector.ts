import { defineConnector, prerequisiteFor } from '../connector.ts'
import { judged } from '../judged.ts'
import { openTeamLog } from './client.ts'
import { config, type DropboxConfig } from './config.ts'
import { map } from './map.ts'
import { read, readRange, SWEEP_EVERY_SECONDS, SWEEP_REACH_SECONDS } from './read.ts'

const prerequisite = prerequisiteFor<DropboxConfig>()

const prerequisites = [
  prerequisite({
    id: 'log-readable',
    title: 'The app may read the team log',
    anchor: 'team-log',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      judged(async () => {
        await openTeamLog(input).probe()
        return { state: 'met', code: 'read', detail: 'The team log was read.' }
      }),
  }),
  prerequisite({
    id: 'file-events',
    title: 'The plan records reads and writes of files',
    anchor: 'file-events',
    verdicts: ['met', 'unknown'],
    when: 'after',
    async check({ history }) {
      if (!history.lastCompletedImportAt)
        return { state: 'unknown', code: 'never_imported', detail: 'Nothing has been imported yet.' }
      return [...history.recentEvents.keys()].some((name) => name.startsWith('file_'))
        ? { state: 'met', code: 'file_events_seen', detail: 'File events arrived within 7 days.' }
        : {
            // Sharing and sign-ins are still worth reading: no reason to stop.
            state: 'unknown',
            code: 'no_file_events',
            detail: 'No file event arrived within 7 days: lower plans do not record them, so downloads are invisible.',
          }
    },
  }),
]

export const dropbox = defineConnector({
  id: 'dropbox',
  title: 'Dropbox team log',
  says: 'Who read, changed, shared and deleted what in a Dropbox team, and who signed in.',
  delivery: 'pull',
  yields: { activities: true, facts: [] },
  guide: 'docs/guides/dropbox.md',
  config,
  everySeconds: 300,
  prerequisites,
  read,
  // The vendor publishes no number: one reader per team, and what it asks for by Retry-After.
  pull: {
    limit: null,
    overlapSeconds: null,
    sweep: { everySeconds: SWEEP_EVERY_SECONDS, reachSeconds: SWEEP_REACH_SECONDS },
  },
  history: { reachDays: null, pieceHours: 24, readRange },
  map,
})
