import { defineConnector, prerequisiteFor } from '../connector.ts'
import { judged } from '../judged.ts'
import { openDriveLog } from './client.ts'
import { config, type GoogleDriveConfig } from './config.ts'
import { map } from './map.ts'
import { OVERLAP_SECONDS, REACH_DAYS, read, readRange, SWEEP_EVERY_SECONDS, SWEEP_REACH_SECONDS } from './read.ts'

const prerequisite = prerequisiteFor<GoogleDriveConfig>()

const prerequisites = [
  prerequisite({
    id: 'delegated',
    title: 'The service account may speak in the admin’s name',
    anchor: 'delegation',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      judged(async () => {
        await openDriveLog(input).signIn()
        return { state: 'met', code: 'signed_in', detail: 'The service account signed in as the admin.' }
      }),
  }),
  prerequisite({
    id: 'log-readable',
    title: 'The admin may read the Drive log',
    anchor: 'drive-log',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      judged(async () => {
        await openDriveLog(input).probe()
        return { state: 'met', code: 'read', detail: 'The Drive log was read.' }
      }),
  }),
  prerequisite({
    id: 'file-events',
    title: 'The edition records what happens to files',
    anchor: 'file-events',
    verdicts: ['met', 'unknown'],
    when: 'after',
    async check({ history }) {
      if (!history.lastCompletedImportAt)
        return { state: 'unknown', code: 'never_imported', detail: 'Nothing has been imported yet.' }
      return history.recentEvents.size > 0
        ? { state: 'met', code: 'file_events_seen', detail: 'Drive events arrived within 7 days.' }
        : {
            state: 'unknown',
            code: 'no_file_events',
            detail: 'No Drive event arrived within 7 days: some editions of Google Workspace do not record them.',
          }
    },
  }),
]

export const googleDrive = defineConnector({
  id: 'google-drive',
  title: 'Google Drive audit log',
  says: 'Who read, changed, shared and deleted what in Google Drive, and who outside can reach it since.',
  delivery: 'pull',
  yields: { activities: true, facts: [] },
  guide: 'docs/guides/google-drive.md',
  config,
  everySeconds: 600,
  prerequisites,
  read,
  pull: {
    limit: { requests: 2_400, perSeconds: 60 },
    overlapSeconds: OVERLAP_SECONDS,
    sweep: { everySeconds: SWEEP_EVERY_SECONDS, reachSeconds: SWEEP_REACH_SECONDS },
  },
  history: { reachDays: REACH_DAYS, pieceHours: 24, readRange },
  map,
})
