import { setCurrentDetails } from '@temporalio/workflow'
import { patient } from './options.ts'

const { reconcileRuns } = patient('Compare the rows with what runs')

/**
 * Repairs differences between the rows and Temporal: lost Schedules, triages, approvals, cases, imports and exports.
 * Id:    `reconcile`. Ends after one round; a Schedule starts it.
 */
export async function reconcile() {
  const repairs = await reconcileRuns()
  setCurrentDetails(`\`\`\`json\n${JSON.stringify(repairs, null, 2)}\n\`\`\``)
  return repairs
}
