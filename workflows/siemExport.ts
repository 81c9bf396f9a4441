import {
  allHandlersFinished,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { SiemExportInput, SiemExportState } from '../domain/processes.ts'
import { deliveriesQueued, exportState, resumeExport } from './contract.ts'
import { long, patient } from './options.ts'

/** The destination itself says when to come back; without its word the pause doubles up to five minutes. */
const { drainDestination } = long('Send what is queued, in order', {
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '5 minutes' },
})
const { resumeDestination } = patient('Resume the destination')

/** An idle export asks the table so often even when nobody nudged it. */
const IDLE = '1 hour'

/**
 * Delivers one destination's sequence: in order, at least once. After a permanent refusal it stops, says why, and waits
 * for an operator's `resume`.
 * Id:    `export/<destinationId>`, so no sequence has two senders.
 * Ends:  never on its own; continues as new when suggested.
 * State: the sequence and what was accepted are rows.
 */
export async function siemExport({ destinationId }: SiemExportInput): Promise<void> {
  let current: SiemExportState = { state: 'sending', acceptedNumber: 0, stopCode: null }
  let nudged = false
  setHandler(deliveriesQueued, () => {
    nudged = true
  })
  setHandler(resumeExport, async ({ staffId }) => {
    await resumeDestination({ destinationId, staffId })
    nudged = true
    current = { ...current, state: 'sending', stopCode: null }
    return current
  })
  setHandler(exportState, () => current)

  for (;;) {
    nudged = false
    current = { ...current, state: 'sending' }
    const { sent: _, ...drained } = await drainDestination({ destinationId })
    current = drained
    setCurrentDetails(
      drained.state === 'stopped'
        ? `**Stopped** (${drained.stopCode}) after number ${drained.acceptedNumber}. Mend it, then \`resume\`.`
        : `Idle. Accepted up to number ${drained.acceptedNumber}.`,
    )
    const wake = () => nudged || workflowInfo().continueAsNewSuggested
    if (drained.state === 'stopped')
      await condition(() => current.state !== 'stopped' || workflowInfo().continueAsNewSuggested)
    else await condition(wake, IDLE)
    if (workflowInfo().continueAsNewSuggested) {
      await condition(allHandlersFinished)
      return continueAsNew<typeof siemExport>({ destinationId })
    }
  }
}
