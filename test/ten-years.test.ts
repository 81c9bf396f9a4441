import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { NativeConnection, Worker } from '@temporalio/worker'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createActivities } from '../activities/index.ts'
import { EncryptingCodec } from '../activities/payload-codec.ts'
import { backfillStart } from '../activities/starting.ts'
import { findTemporalCli } from '../cli/embedded/temporal-cli.ts'
import { type RunningTemporal, startTemporal } from '../cli/embedded/temporal-server.ts'
import { openRangeBackfill, readBackfill } from '../db/backfills.ts'
import { cutRange } from '../domain/pieces.ts'
import { TASK_QUEUES } from '../domain/processes.ts'
import { bundleWorkflows } from '../worker/bundle.ts'
import { trailSettings } from './harness/trail.ts'
import { world } from './harness/world.ts'

const DAYS = 3_650
/** A server that suggests to continue as new after so many events, a quarter of what is usual: it is done several times. */
const EVENTS = 1_000
/** What is under way then is seen to its end. */
const EVENTS_AT_MOST = 1_500

const dataDir = mkdtempSync(path.join(os.tmpdir(), 'openirm-ten-years-'))
let temporal: RunningTemporal
beforeAll(async () => {
  chmodSync(dataDir, 0o755)
  const log = { info: () => {} }
  const { path: cliPath } = await findTemporalCli({ log })
  const dynamicConfig = { 'limit.historyCount.suggestContinueAsNew': EVENTS }
  temporal = await startTemporal({ cliPath, dataDir, log, keep: false, dynamicConfig })
})
afterAll(async () => {
  await temporal?.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

test('ten years of days fit: the window is emptied and the backfill continues as new, again and again', {
  timeout: 240_000,
}, async () => {
  await using w = await world({ queues: [], temporalAddress: temporal.address })
  const connectorId = await w.connector('amazon-s3', trailSettings('http://127.0.0.1:9'))
  const staffId = await w.staff('Admin', ['admin'])
  const to = new Date('2026-01-01T00:00:00Z')
  const from = new Date(to.getTime() - DAYS * 86_400_000)
  const asked = { connectorId, staffId, parallel: 16, requestsPerSecond: null, hours: null }
  const backfillId = await openRangeBackfill(w.t.db, asked, cutRange(from, to, 24))
  const native = await NativeConnection.connect({ address: temporal.address })
  const worker = await Worker.create({
    connection: native,
    namespace: w.namespace,
    taskQueue: TASK_QUEUES.imports,
    workflowBundle: await bundleWorkflows(path.join(import.meta.dirname, 'workflows/ten-years.workflows.ts')),
    activities: {
      ...createActivities(w.deps),
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
    expect(run.historyLength ?? 0).toBeLessThan(EVENTS_AT_MOST)
    runs += 1
  }
  expect(runs).toBeGreaterThan(2)
})
