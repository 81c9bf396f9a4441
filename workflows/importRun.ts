import { CancellationScope, isCancellation, setCurrentDetails, workflowInfo } from '@temporalio/workflow'
import type { ImportBalance, ImportRunInput, ImportRunResult } from '../domain/processes.ts'
import { failureOf, long, patient } from './options.ts'

const { beginImports } = patient('Find what there is to import')
const { importRecords } = long('Read, map and store', {
  retry: { initialInterval: '1 second', maximumInterval: '5 minutes', maximumAttempts: 20 },
})
const { finishImport } = patient('Close the import')
const { proveSetup } = patient('Prove the set-up')
const { startCheck } = patient('Check what the connector needs')
const { nudgeEvaluations } = patient('Ask for evaluations')

/**
 * One import: reads a window, a page chain or a file to its end.
 * Id:    `import/<connector>/<nominal time or body hash>`: the same file twice is one run.
 * Ends:  when everything is stored, when a fault needs somebody to act (the import's row says what to do), or cancelled.
 * State: none; the cursor and the balance are in PostgreSQL and move with each chunk.
 */
export async function importRun({ connectorId, importId, importIds: given }: ImportRunInput): Promise<ImportRunResult> {
  const { runId, startTime, searchAttributes } = workflowInfo()
  const scheduled = searchAttributes['TemporalScheduledStartTime'] as Date[] | undefined
  const nominalAt = (scheduled?.[0] ?? startTime).toISOString()
  const importIds = given ?? (importId ? [importId] : null) ?? (await begin({ connectorId, runId, nominalAt }))
  const imports: ImportBalance[] = []
  let failed: unknown
  let recheck = false
  for (const id of importIds) {
    try {
      await importRecords({ importId: id })
      const finished = await finishImport({ importId: id, outcome: 'completed' })
      const { balance } = finished
      recheck ||= finished.recheck
      imports.push(balance)
      setCurrentDetails(imports.map(describe).join('\n'))
      if (balance.stored + balance.duplicate > 0) await proveSetup({ connectorId, importId: id })
    } catch (error) {
      // The row is closed even when the run itself was cancelled.
      await CancellationScope.nonCancellable(async () => {
        if (isCancellation(error)) await finishImport({ importId: id, outcome: 'cancelled' })
        else await finishImport({ importId: id, outcome: 'failed', ...(failureOf(error) ?? {}) })
      })
      if (isCancellation(error)) throw error
      // One file that cannot be read must not keep the others waiting.
      failed ??= error
      recheck = true
    }
  }
  if (recheck) await startCheck({ connectorId })
  await nudgeEvaluations()
  if (failed) throw failed
  return { imports }
}

/** A source that cannot even be looked at is checked at once: the connector then says what to mend. */
async function begin(input: Parameters<typeof beginImports>[0]): Promise<string[]> {
  try {
    return await beginImports(input)
  } catch (error) {
    if (!isCancellation(error)) await startCheck({ connectorId: input.connectorId })
    throw error
  }
}

const describe = ({ importId, received, stored, duplicate, quarantined, ignored }: ImportBalance): string =>
  `- \`${importId}\`: received ${received} = stored ${stored} + duplicate ${duplicate} + quarantined ${quarantined} + ignored ${ignored}`
