import { continueAsNew, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow'
import type { IdentityUpkeepResult } from '../domain/processes.ts'
import { identitiesChanged } from './contract.ts'
import { long, patient } from './options.ts'

const { matchIdentities } = long('Join accounts by the rules')
const { recountDays } = long('Count the days of accounts that changed owners')
const { nudgeEvaluations } = patient('Have their people looked at again')

/**
 * Joins accounts by the rules, and counts the days of accounts whose owner changed.
 * Id:    `identities`, so that one at a time does it.
 * Ends:  when nothing is left and no signal came meanwhile.
 * State: how much was done so far; a run that continues another counts on.
 */
export async function identityUpkeep(before?: IdentityUpkeepResult): Promise<IdentityUpkeepResult> {
  const total: IdentityUpkeepResult = { compared: 0, recounted: 0, ...before }
  let asked = false
  setHandler(identitiesChanged, () => {
    asked = true
  })
  for (;;) {
    asked = false
    total.compared += await matchIdentities()
    total.recounted += await recountDays()
    await nudgeEvaluations()
    setCurrentDetails(`${total.compared} accounts compared, ${total.recounted} pieces counted anew`)
    if (!asked) return total
    if (workflowInfo().continueAsNewSuggested) return continueAsNew<typeof identityUpkeep>(total)
  }
}
