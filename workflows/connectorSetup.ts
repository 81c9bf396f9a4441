import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { ConnectorSetupInput, HumanInput, SetupStepInput, SetupStepResult } from '../domain/processes.ts'
import { abandonSetup, firstImportStored, performSetupStep } from './contract.ts'
import { patient, prompt } from './options.ts'

const { performStep } = prompt('Perform a step of the set-up')
const { endSetup } = patient('Leave nothing behind')

/** An activated connector that never imported is somebody's oversight, not a process. */
const PROOF_WITHIN = '30 days'

/**
 * Guides an admin from the choice of a kind to the first stored rows. May be left for weeks.
 * Id:    `setup/<connectorId>`.
 * Ends:  when the first import proves it, or abandoned.
 * State: none; each step's outcome is in the set-up's row.
 */
export async function connectorSetup(input: ConnectorSetupInput): Promise<void> {
  let phase: 'open' | 'activated' | 'abandoned' | 'proven' = 'open'
  const done = new Map<string, SetupStepResult>()

  setHandler(
    performSetupStep,
    async (request) => {
      const result = await performStep({ ...request, setupId: input.setupId })
      done.set(request.step, result)
      if (result.step === 'activate' && result.state === 'done') phase = 'activated'
      setCurrentDetails(
        [...done.values()].map(({ step, state, code }) => `- ${step}: ${state}${code ? ` (${code})` : ''}`).join('\n'),
      )
      return result
    },
    {
      validator: (_request: SetupStepInput) => {
        if (phase !== 'open') throw ApplicationFailure.nonRetryable(`the set-up is ${phase}`, 'state_conflict')
      },
    },
  )
  setHandler(
    abandonSetup,
    async (by) => {
      await endSetup({ setupId: input.setupId, by })
      phase = 'abandoned'
    },
    {
      validator: (_by: HumanInput) => {
        if (phase !== 'open' && phase !== 'abandoned')
          throw ApplicationFailure.nonRetryable(`the set-up is ${phase}`, 'state_conflict')
      },
    },
  )
  setHandler(firstImportStored, () => {
    phase = 'proven'
  })

  await condition(() => phase !== 'open' || workflowInfo().continueAsNewSuggested)
  await condition(allHandlersFinished)
  if (phase === 'open') return continueAsNew<typeof connectorSetup>(input)
  if (phase === 'activated') await condition(() => phase === 'proven', PROOF_WITHIN)
  await condition(allHandlersFinished)
}
