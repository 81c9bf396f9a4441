import path from 'node:path'
import { NativeConnection, Worker } from '@temporalio/worker'
import { expect, test } from 'vitest'
import { createActivities } from '../activities/index.ts'
import { EncryptingCodec } from '../activities/payload-codec.ts'
import { backfillStart } from '../activities/starting.ts'
import { openRangeBackfill, readBackfill, settlePiece } from '../db/backfills.ts'
import { closeImport } from '../db/imports.ts'
import { cutRange } from '../domain/pieces.ts'
import { TASK_QUEUES } from '../domain/processes.ts'
import { bundleWorkflows } from '../worker/bundle.ts'
import { trailSettings } from './harness/trail.ts'
import { world } from './harness/world.ts'

const DAYS = 3_650

test('ten years of days fit: the window is emptied and the backfill continues as new, again and again', {
  timeout: 240_000,
}, async () => {
  await using w = await world({ queues: [] })
  const connectorId = await w.connector('amazon-s3', trailSettings('http://127.0.0.1:9'))
  const staffId = await w.staff('Admin', ['admin'])
  const to = new Date('2026-01-01T00:00:00Z')
  const from = new Date(to.getTime() - DAYS * 86_400_000)
  const asked = { connectorId, staffId, parallel: 16, requestsPerSecond: null, hours: null }
  const backfillId = await openRangeBackfill(w.t.db, asked, cutRange(from, to, 24))
  const native = await NativeConnection.connect({ address: process.env['OPENIRM_TEST_TEMPORAL_ADDRESS'] as string })
  const worker = await Worker.create({
    connection: native,
    namespace: w.namespace,
    taskQueue: TASK_QUEUES.imports,
    workflowBundle: await bundleWorkflows(path.join(import.meta.dirname, 'workflows/ten-years.workflows.ts')),
    activities: {
      ...createActivities(w.deps),
      async closeAll({ importIds }: { importIds: readonly string[] }) {
        await w.t.db.transaction().execute(async (tx) => {
          for (const importId of importIds) {
            await closeImport(tx, importId, { state: 'completed' })
            await settlePiece(tx, importId, { state: 'completed' })
          }
        })
      },
    },
    dataConverter: { payloadCodecs: [new EncryptingCodec(w.t.ring)] },
  })
  await worker.runUntil(async () => {
    const { type, ...options } = backfillStart({ backfillId, connectorId, kind: 'amazon-s3' })
    const progress = await (await w.client.workflow.start(type, options)).result()
    expect(progress).toMatchObject({
      state: 'completed',
      pieces: DAYS,
      done: DAYS,
      setAside: 0,
      running: 0,
      waiting: 0,
    })
  })
  await native.close()
  const { statement } = await readBackfill(w.t.db, backfillId)
  // Nothing was found in any of them, so each was read once more: one gap, as long as the range.
  expect(statement).toMatchObject({
    pieces: DAYS,
    done: DAYS,
    setAside: [],
    gaps: [{ from: from.toISOString(), to: to.toISOString(), why: 'empty' }],
  })
  let runs = 0
  for await (const run of w.client.workflow.list({ query: `WorkflowId = 'backfill/${backfillId}'` })) {
    expect(run.historyLength ?? 0).toBeLessThan(10_240)
    runs += 1
  }
  expect(runs).toBeGreaterThan(1)
})
