import type { ScenariosOf } from '../scenario.ts'
import type { Stage } from '../stage.ts'
import { openCase } from './approvals.ts'

/** A receiver that turns everything down: the destination stops. */
async function refused(stage: Stage): Promise<void> {
  stage.receiver.faults.next({ times: Number.POSITIVE_INFINITY, status: 410 })
}

export const exports_: ScenariosOf<'drainDestination' | 'resumeDestination' | 'writeManifests'> = {
  drainDestination: {
    'of several versions': {
      async arrange(stage) {
        await openCase(stage)
        return { destinationId: stage.destinationId }
      },
      answersOtherwise: 'it says how many it sent, and they are sent already',
    },
    'that is refused for good': {
      async arrange(stage) {
        await refused(stage)
        return { destinationId: stage.destinationId }
      },
    },
  },
  resumeDestination: {
    'after a refusal': {
      async arrange(stage) {
        await refused(stage)
        await stage.run('drainDestination', { destinationId: stage.destinationId })
        stage.receiver.faults.clear()
        return { destinationId: stage.destinationId, staffId: stage.analyst, causeKey: 'mended' }
      },
    },
  },
  writeManifests: {
    'of a day': { arrange: async () => ({ day: new Date().toISOString().slice(0, 10) }) },
  },
}
