import { expect, test } from 'vitest'
import { backfillStart } from '../activities/starting.ts'
import { openRangeBackfill, readBackfill } from '../db/backfills.ts'
import { cutRange } from '../domain/pieces.ts'
import { overEmptyImports } from './harness/empty-imports.ts'
import { startRenewingTemporal } from './harness/renewing.ts'
import { trailSettings } from './harness/trail.ts'
import { world } from './harness/world.ts'

const DAYS = 3_650
/** Of a run, before the server suggests another one: a quarter of what is usual, so that it is done several times. */
const EVENTS = 1_000
/** What is under way then is seen to its end. */
const EVENTS_AT_MOST = 1_500

test('ten years of days fit: the window is emptied and the backfill continues as new, again and again', {
  timeout: 240_000,
}, async () => {
  await using temporal = await startRenewingTemporal(EVENTS)
  await using w = await world({ queues: [], temporalAddress: temporal.address })
  const connectorId = await w.connector('amazon-s3', trailSettings('http://127.0.0.1:9'))
  const staffId = await w.staff('Admin', ['admin'])
  const to = new Date('2026-01-01T00:00:00Z')
  const from = new Date(to.getTime() - DAYS * 86_400_000)
  const asked = { connectorId, staffId, parallel: 16, requestsPerSecond: null, hours: null }
  const backfillId = await openRangeBackfill(w.t.db, asked, cutRange(from, to, 24))
  await overEmptyImports(w, temporal.address, async () => {
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
