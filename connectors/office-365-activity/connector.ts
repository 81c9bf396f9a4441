import { defineConnector } from '../connector.ts'
import { config } from './config.ts'
import { map } from './map.ts'
import { prerequisites } from './prerequisites.ts'
import { OVERLAP_SECONDS, REACH_DAYS, read, readRange, SWEEP_EVERY_SECONDS, SWEEP_REACH_SECONDS } from './read.ts'

export const office365Activity = defineConnector({
  id: 'office-365-activity',
  title: 'Microsoft 365 audit log',
  says: 'What people and admins do in Exchange, SharePoint, OneDrive, Teams and Entra ID, on watched devices, and what data loss prevention matched.',
  delivery: 'pull',
  yields: { activities: true, facts: ['account_deleted'] },
  guide: 'docs/guides/office-365-activity.md',
  config,
  everySeconds: 600,
  prerequisites,
  read,
  pull: {
    limit: { requests: 2_000, perSeconds: 60 },
    overlapSeconds: OVERLAP_SECONDS,
    sweep: { everySeconds: SWEEP_EVERY_SECONDS, reachSeconds: SWEEP_REACH_SECONDS },
    peculiarities: ['subscription_missing', 'subscription_disabled', 'content_listed_again', 'content_gone'],
  },
  history: { reachDays: REACH_DAYS, pieceHours: 24, readRange },
  map,
})
