import { createReadStream } from 'node:fs'
import path from 'node:path'
import { startImport } from '../../api/processes.ts'
import { findTemporalCli } from '../../cli/embedded/temporal-cli.ts'
import { startTemporal } from '../../cli/embedded/temporal-server.ts'
import { openFileImport } from '../../db/imports.ts'
import { world } from '../../test/harness/world.ts'
import type { GeneratedFile } from './file.ts'
import type { Reader } from './installation.ts'

export interface RunActivities {
  rows: number
  /** In the history of the run that read them. */
  activities: number
  events: number
}

/** Runs one import through a real Temporal server and counts what its history holds. */
export async function activitiesOfRun(
  { scratch }: { scratch: string },
  { kind, settings, policy }: Reader,
  log: GeneratedFile,
): Promise<RunActivities> {
  const quiet = { info: () => {} }
  const { path: cliPath } = await findTemporalCli({ log: quiet })
  const temporal = await startTemporal({ cliPath, dataDir: path.join(scratch, 'temporal'), log: quiet, keep: false })
  try {
    await using w = await world({ temporalAddress: temporal.address })
    await w.policy(policy, 'bench')
    const connectorId = await w.connector(kind, settings)
    const spooled = await w.deps.spool.put(createReadStream(log.path), Number.MAX_SAFE_INTEGER)
    const opened = { connectorId, source: 'upload' as const, ...spooled, fileName: 'bench', nominalAt: new Date() }
    const { importId } = await openFileImport(w.t.db, w.t.vault, opened)
    const run = await startImport(w.client, { connectorId, importId, run: spooled.sha256, kind, why: 'bench' })
    await run.result()
    const row = await w.t.db.selectFrom('import').select('stored').where('id', '=', importId).executeTakeFirstOrThrow()
    if (row.stored !== log.rows) throw new Error(`the run stored ${row.stored} of ${log.rows} rows`)
    const { events = [] } = await w.client.workflow.getHandle(run.workflowId).fetchHistory()
    const activities = (events ?? []).filter((event) => event.activityTaskScheduledEventAttributes).length
    return { rows: log.rows, activities, events: events?.length ?? 0 }
  } finally {
    await temporal.stop()
  }
}
