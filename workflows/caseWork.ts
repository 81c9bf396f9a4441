import {
  allHandlersFinished,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { CaseChange } from '../activities/cases.ts'
import type { CaseResult, CaseWorkInput } from '../domain/processes.ts'
import { addCaseNote, assignCase, resolveCase } from './contract.ts'
import { patient, prompt } from './options.ts'

const { changeCase } = prompt('Book a change of the case')
const { readCase } = patient('Read the case')
const { nudgeExports } = patient('Wake the exports')
const { nudgeTriage } = patient('Tell the triage of the alerts')

/**
 * The container in which people work after an escalation was approved.
 * Id:    `case/<caseId>`.
 * Ends:  when the case is resolved; its alerts are resolved with it.
 * State: none that PostgreSQL does not hold; whether a change is too late is decided there, where a repeated one gets
 *        its first answer.
 */
export async function caseWork({ caseId }: CaseWorkInput): Promise<CaseResult> {
  // Handlers stand before the first wait: an update that starts this run would find none otherwise.
  let latest: CaseResult | undefined
  const newer = (result: CaseResult) => (latest && latest.revision >= result.revision ? latest : result)
  const change = async (input: Omit<CaseChange, 'caseId'>): Promise<CaseResult> => {
    const { destinations, alertIds, ...result } = await changeCase({ ...input, caseId })
    latest = newer(result)
    if (destinations.length > 0) await nudgeExports({ destinations })
    if (alertIds.length > 0) await nudgeTriage({ alertIds })
    setCurrentDetails(`Case is **${latest.state}**.`)
    return result
  }
  setHandler(assignCase, (input) => change({ ...input, change: 'assign' }))
  setHandler(addCaseNote, (input) => change({ ...input, change: 'note' }))
  setHandler(resolveCase, (input) => change({ ...input, change: 'resolve' }))

  latest = newer(await readCase({ caseId }))
  setCurrentDetails(`Case is **${latest.state}**.`)
  const isResolved = () => latest?.state === 'resolved'
  await condition(() => isResolved() || workflowInfo().continueAsNewSuggested)
  await condition(allHandlersFinished)
  return isResolved() ? latest : continueAsNew<typeof caseWork>({ caseId })
}
