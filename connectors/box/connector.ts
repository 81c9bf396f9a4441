import { defineConnector, prerequisiteFor } from '../connector.ts'
import { judged } from '../judged.ts'
import { openEvents } from './client.ts'
import { type BoxConfig, config } from './config.ts'
import { map } from './map.ts'
import { read, readRange, SWEEP_EVERY_SECONDS, SWEEP_REACH_SECONDS } from './read.ts'

const prerequisite = prerequisiteFor<BoxConfig>()

const prerequisites = [
  prerequisite({
    id: 'events-readable',
    title: 'The app may read enterprise events',
    anchor: 'enterprise-events',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      judged(async () => {
        await openEvents(input).now()
        return { state: 'met', code: 'read', detail: 'The event stream of the enterprise was read.' }
      }),
  }),
]

export const box = defineConnector({
  id: 'box',
  title: 'Box enterprise events',
  says: 'Who read, changed, shared and deleted what in Box, who signed in, and what Box Shield blocked or reported.',
  delivery: 'pull',
  yields: { activities: true, facts: [] },
  guide: 'docs/guides/box.md',
  config,
  everySeconds: 120,
  prerequisites,
  read,
  pull: {
    limit: { requests: 1_000, perSeconds: 60 },
    overlapSeconds: null,
    sweep: { everySeconds: SWEEP_EVERY_SECONDS, reachSeconds: SWEEP_REACH_SECONDS },
  },
  history: { reachDays: 365, pieceHours: 24, readRange },
  map,
})
