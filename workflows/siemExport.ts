import {
  ActivityCancellationType,
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { DrainResult } from '../activities/exports.ts'
import type { SiemExportInput, SiemExportState } from '../domain/processes.ts'
import { deliveriesQueued, exportState, resumeExport } from './contract.ts'
import { long, patient } from './options.ts'

/**
 * The destination itself says when to come back; without its word the pause doubles up to five minutes. Whoever breaks it
 * off waits for its end: two senders would mix the order.
 */
const { drainDestination } = long('Send what is queued, in order', {
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '5 minutes' },
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
})
const { resumeDestination } = patient('Resume the destination')

/** An idle export asks the table so often even when nobody nudged it. */
const IDLE = '1 hour'

/**
 * Delivers one destination's sequence: in order, at least once. After a permanent refusal it stops, says why, and waits
 * for an operator's `resume`.
 * Id:    `export/<destinationId>`, so no sequence has two senders.
 * Ends:  never on its own; continues as new when suggested, also while a receiver is away.
 * State: the sequence, what was accepted and what an operator did are rows.
 */
export async function siemExport({ destinationId }: SiemExportInput): Promise<void> {
  let current: SiemExportState = { state: 'sending', acceptedNumber: 0, stopCode: null }
  let nudged = false
  let resumed = false
  setHandler(deliveriesQueued, () => {
    nudged = true
  })
  setHandler(resumeExport, async (by) => {
    const answer = await resumeDestination({ destinationId, ...by })
    resumed = true
    return answer
  })
  setHandler(exportState, () => current)

  for (;;) {
    nudged = false
    resumed = false
    current = { ...current, state: 'sending', stopCode: null }
    const drained = await drain(destinationId)
    if (drained) {
      const { state, acceptedNumber, stopCode } = drained
      current = { state, acceptedNumber, stopCode }
      setCurrentDetails(
        state === 'stopped'
          ? `**Stopped** (${stopCode}) after number ${acceptedNumber}. Mend it, then \`resume\`.`
          : `Idle. Accepted up to number ${acceptedNumber}.`,
      )
      if (state === 'stopped') await condition(() => resumed || isRenewing())
      else await condition(() => nudged || isRenewing(), IDLE)
    }
    if (isRenewing()) {
      await condition(allHandlersFinished)
      return continueAsNew<typeof siemExport>({ destinationId })
    }
  }
}

const isRenewing = (): boolean => workflowInfo().continueAsNewSuggested

/**
 * Sends until nothing is queued. null: broken off, since a receiver that is away keeps it waiting while whoever wakes the
 * sender makes its history longer.
 */
async function drain(destinationId: string): Promise<DrainResult | null> {
  const scope = new CancellationScope()
  let ended = false
  let brokenOff = false
  const breakOff = () => {
    if (ended) return
    brokenOff = true
    scope.cancel()
  }
  void condition(() => ended || isRenewing()).then(breakOff, () => {})
  try {
    return await scope.run(() => drainDestination({ destinationId }))
  } catch (error) {
    if (brokenOff && !CancellationScope.current().consideredCancelled) return null
    throw error
  } finally {
    ended = true
  }
}
