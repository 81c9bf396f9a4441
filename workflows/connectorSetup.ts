import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { ConnectorSetupInput, HumanInput, SetupStepResult } from '../domain/processes.ts'
import { abandonSetup, firstImportStored, performSetupStep } from './contract.ts'
import { patient, prompt } from './options.ts'

const { performStep } = prompt('Perform a step of the set-up')
const { endSetup } = patient('Leave nothing behind')
const { readSetupState } = patient('Read where the set-up stands')

/** An activated connector that never imported is somebody's oversight, not a process. */
const PROOF_WITHIN = '30 days'

/**
 * Guides an admin from the choice of a kind to the first stored rows. May be left for weeks.
 * Id:    `setup/<connectorId>`.
 * Ends:  when the first import proves it, or abandoned.
 * State: none; each step's outcome is in the set-up's row, where a step that comes too late is refused and a repeated
 *        act gets its first answer.
 */
export async function connectorSetup(input: ConnectorSetupInput): Promise<void> {
  // Handlers stand before the first wait: an update that starts this run would find none otherwise.
  let phase: 'open' | 'activated' | 'abandoned' | 'proven' | undefined
  const done = new Map<string, SetupStepResult>()

  setHandler(performSetupStep, async (request) => {
    const result = await performStep({ ...request, setupId: input.setupId })
    done.set(request.step, result)
    // The first import may have been faster than this answer.
    if (result.step === 'activate' && result.state === 'done' && phase !== 'proven') phase = 'activated'
    setCurrentDetails(
      [...done.values()].map(({ step, state, code }) => `- ${step}: ${state}${code ? ` (${code})` : ''}`).join('\n'),
    )
    return result
  })
  setHandler(
    abandonSetup,
    async (by) => {
      await endSetup({ setupId: input.setupId, by })
      phase = 'abandoned'
    },
    {
      validator: (_by: HumanInput) => {
        if (phase === 'activated' || phase === 'proven')
          throw ApplicationFailure.nonRetryable(`the set-up is ${phase}`, 'state_conflict')
      },
    },
  )
  setHandler(firstImportStored, () => {
    phase = 'proven'
  })

  const stored = await readSetupState({ setupId: input.setupId })
  phase ??= stored
  // A run that continues another has no summary.
  if (done.size === 0) setCurrentDetails(`Set-up is **${phase}**.`)
  await condition(() => phase !== 'open' || workflowInfo().continueAsNewSuggested)
  await condition(allHandlersFinished)
  if (phase === 'open') return continueAsNew<typeof connectorSetup>(input)
  if (phase === 'activated') await condition(() => phase === 'proven', PROOF_WITHIN)
  await condition(allHandlersFinished)
}
