import type { ScenariosOf } from '../scenario.ts'
import type { Stage } from '../stage.ts'

/** A policy whose template asks for something of its own, and sees nothing of it. */
const blindPolicy = (stage: Stage) => stage.w.policy('patient-data-misuse', 'Patients')

export const health: ScenariosOf<'checkPolicies' | 'checkDestinations' | 'recordSight'> = {
  checkPolicies: {
    'one of them is blind by a condition of its own': {
      async arrange(stage) {
        await blindPolicy(stage)
        return undefined as never
      },
    },
  },
  checkDestinations: {
    'one that delivers': { arrange: async () => undefined as never },
  },
  recordSight: {
    'of the days since a policy was made': {
      async arrange(stage) {
        const made = new Date(Date.now() - 3 * 86_400_000)
        await stage.w.t.db.updateTable('policy').set({ created_at: made }).where('id', '=', stage.policyId).execute()
        return undefined as never
      },
      answersOtherwise: 'it says how many days it wrote, and those are written',
    },
  },
}
