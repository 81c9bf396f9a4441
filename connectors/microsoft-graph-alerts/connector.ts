import { defineConnector } from '../connector.ts'
import { config } from './config.ts'
import { map } from './map.ts'
import { credentialEnd, olderApi, prerequisites } from './prerequisites.ts'
import { OVERLAP_SECONDS, read, readRange, SWEEP_EVERY_SECONDS, SWEEP_REACH_SECONDS } from './read.ts'

export const microsoftGraphAlerts = defineConnector({
  id: 'microsoft-graph-alerts',
  title: 'Microsoft security alerts',
  says: 'Alerts of Defender for Endpoint, Identity, Cloud Apps and Office 365, of Purview data loss prevention and of Entra ID Protection, as they change.',
  delivery: 'pull',
  yields: { activities: true, facts: [] },
  guide: 'docs/guides/microsoft-graph-alerts.md',
  config,
  everySeconds: 300,
  prerequisites,
  variants: [olderApi],
  credentialEnd,
  read,
  pull: {
    // Graph allows 150 a minute; the older API 100, and 1,500 an hour.
    limit: { requests: 100, perSeconds: 60, also: { requests: 1_500, perSeconds: 3_600 } },
    overlapSeconds: OVERLAP_SECONDS,
    sweep: { everySeconds: SWEEP_EVERY_SECONDS, reachSeconds: SWEEP_REACH_SECONDS },
  },
  history: { reachDays: null, pieceHours: 24, readRange },
  map,
})
