import path from 'node:path'
import { NativeConnection, Worker } from '@temporalio/worker'
import { createActivities } from '../../activities/index.ts'
import { EncryptingCodec } from '../../activities/payload-codec.ts'
import { TASK_QUEUES } from '../../domain/processes.ts'
import { bundleWorkflows } from '../../worker/bundle.ts'
import type { World } from './world.ts'

type Activities = ReturnType<typeof createActivities>

/**
 * Does `work` while a worker runs backfills as they are over imports that find nothing and only close themselves. `other`
 * activities stand in the place of the platform's own.
 */
export async function overEmptyImports(
  w: World,
  address: string,
  work: () => Promise<void>,
  other: Partial<Activities> = {},
): Promise<void> {
  const connection = await NativeConnection.connect({ address })
  const worker = await Worker.create({
    connection,
    namespace: w.namespace,
    taskQueue: TASK_QUEUES.imports,
    workflowBundle: await bundleWorkflows(path.join(import.meta.dirname, '../workflows/empty-imports.workflows.ts')),
    activities: {
      ...createActivities(w.deps),
      ...other,
      async closeAll({ importIds }: { importIds: readonly string[] }) {
        await w.t.db.transaction().execute(async (tx) => {
          await tx
            .updateTable('import')
            .set({ state: 'completed', finished_at: new Date() })
            .where('id', 'in', importIds)
            .execute()
          await tx
            .updateTable('backfill_piece')
            .set({ state: 'done', read_at: new Date() })
            .where('import_id', 'in', importIds)
            .execute()
        })
      },
    },
    dataConverter: { payloadCodecs: [new EncryptingCodec(w.t.ring)] },
  })
  await worker.runUntil(work)
  await connection.close()
}
