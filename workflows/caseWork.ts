import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { CaseChange } from '../activities/cases.ts'
import type { CaseResult, CaseWorkInput, HumanInput } from '../domain/processes.ts'
import { addCaseNote, assignCase, resolveCase } from './contract.ts'
import { patient, prompt } from './options.ts'

const { changeCase } = prompt('Book a change of the case')
const { readCase } = patient('Read the case')
const { nudgeExports } = patient('Wake the exports')

/**
 * The container in which people work after an escalation was approved.
 * Id:    `case/<caseId>`.
 * Ends:  when the case is resolved; its alerts are resolved with it.
 */
export async function caseWork({ caseId }: CaseWorkInput): Promise<CaseResult> {
  let latest: CaseResult | undefined
  const change = async (input: Omit<CaseChange, 'caseId'>): Promise<CaseResult> => {
    const { destinations, ...result } = await changeCase({ ...input, caseId })
    latest = result
    if (destinations.length > 0) await nudgeExports({ destinations })
    setCurrentDetails(`Case is **${result.state}**.`)
    return result
  }
  const validator = (_input: HumanInput) => {
    if (latest?.state === 'resolved') throw ApplicationFailure.nonRetryable('the case is resolved', 'state_conflict')
  }
  setHandler(assignCase, (input) => change({ ...input, change: 'assign' }), { validator })
  setHandler(addCaseNote, (input) => change({ ...input, change: 'note' }), { validator })
  setHandler(resolveCase, (input) => change({ ...input, change: 'resolve' }), { validator })

  latest ??= await readCase({ caseId })
  await condition(() => latest?.state === 'resolved' || workflowInfo().continueAsNewSuggested)
  await condition(allHandlersFinished)
  if (latest.state !== 'resolved') return continueAsNew<typeof caseWork>({ caseId })
  return latest
}
