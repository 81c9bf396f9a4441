import { continueAsNew, setCurrentDetails, setHandler, sleep, workflowInfo } from '@temporalio/workflow'
import type { EvaluationInput, EvaluationResult } from '../domain/processes.ts'
import { evaluationRequested } from './contract.ts'
import { long, patient } from './options.ts'

const { buildRollups } = long('Fill rollups that do not cover all history')
const { evaluatePolicy } = patient('Evaluate people')
const { openTriage } = patient('Open triage of new alerts')
const { nudgeTriage } = patient('Tell the triage of alerts with new evidence')
const { nudgeExports } = patient('Wake the exports')

/** Imports that end together are looked at together. */
const DEBOUNCE = '500 milliseconds'

/**
 * Evaluates one policy over the people whose signals changed, or over everybody with an open window.
 * Id:    `evaluate/<policy>`, so no policy has two evaluators.
 * Ends:  when nobody is left to look at and no signal came meanwhile.
 * State: how much was done so far; a run that continues another counts on.
 */
export async function evaluation({ policyId, everybody = false, before }: EvaluationInput): Promise<EvaluationResult> {
  const total: EvaluationResult = { people: 0, alertsCreated: 0, alertsUpdated: 0, ...before }
  let requested = false
  setHandler(evaluationRequested, () => {
    requested = true
  })
  await buildRollups({ policyId })
  let all = everybody
  for (;;) {
    if (!all) await sleep(DEBOUNCE)
    requested = false
    const done = await evaluatePolicy({ policyId, asOf: new Date().toISOString(), everybody: all })
    all = false
    total.people += done.people
    total.alertsCreated += done.alertsCreated.length
    total.alertsUpdated += done.alertsUpdated.length
    if (done.alertsCreated.length > 0) await openTriage({ alertIds: done.alertsCreated })
    if (done.alertsUpdated.length > 0) await nudgeTriage({ alertIds: done.alertsUpdated })
    if (done.destinations.length > 0) await nudgeExports({ destinations: done.destinations })
    setCurrentDetails(`people ${total.people}, alerts created ${total.alertsCreated}, updated ${total.alertsUpdated}`)
    if (!done.more && !requested) return total
    if (workflowInfo().continueAsNewSuggested) return continueAsNew<typeof evaluation>({ policyId, before: total })
  }
}
