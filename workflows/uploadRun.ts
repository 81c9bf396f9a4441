import { condition, continueAsNew, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow'
import type { UploadRunInput, UploadRunResult } from '../domain/processes.ts'
import { uploadCompleted } from './contract.ts'
import { long, patient } from './options.ts'

const { settleUploadRun } = patient('See whether further blocks are due')
const { joinUploadRun } = long('Join the blocks and start their import')

/**
 * Collects the blocks that one run of an upload script sends, until none is to be expected.
 * Id:    `upload/<run>`. Blocks are rows: a signal comes only where the last one is known to be the last.
 * Ends:  when the blocks are joined and their import is started.
 */
export async function uploadRun({ uploadRunId }: UploadRunInput): Promise<UploadRunResult> {
  let complete = false
  setHandler(uploadCompleted, () => {
    complete = true
  })
  for (;;) {
    complete = false
    const waitMs = await settleUploadRun({ uploadRunId })
    if (waitMs === 0) break
    // A run that continues another has no summary.
    setCurrentDetails(
      `Looks again within ${Math.ceil(waitMs / 1_000)} seconds whether it is complete and may be imported.`,
    )
    await condition(() => complete, waitMs)
    if (workflowInfo().continueAsNewSuggested) return continueAsNew<typeof uploadRun>({ uploadRunId })
  }
  return joinUploadRun({ uploadRunId })
}
