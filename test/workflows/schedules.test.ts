import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { ScheduleSpec } from '@temporalio/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { applyConnectorSchedules } from '../../activities/schedules.ts'
import { findTemporalCli } from '../../cli/embedded/temporal-cli.ts'
import { type RunningTemporal, startTemporal } from '../../cli/embedded/temporal-server.ts'
import { scheduleId } from '../../domain/processes.ts'
import { type S3StandIn, startS3 } from '../../sandbox/s3.ts'
import { daysAgo, deliver, trailRecord, trailSettings } from '../harness/trail.ts'
import { eventually, type World, world } from '../harness/world.ts'

/** Imports that the clock starts, on a server that may be killed: it is this file's own and keeps its data. */
const dataDir = mkdtempSync(path.join(os.tmpdir(), 'openirm-schedules-'))
const HOUR_MS = 3_600_000
const SOON_MS = 8_000
const TIMEOUT = { timeout: 90_000 }
let temporal: RunningTemporal
let w: World
let s3: S3StandIn

async function startServer(preferredPort?: number): Promise<void> {
  const log = { info: () => {} }
  const { path: cliPath } = await findTemporalCli({ log })
  temporal = await startTemporal({ cliPath, dataDir, log, ...(preferredPort ? { preferredPort } : {}) })
}

beforeAll(async () => {
  chmodSync(dataDir, 0o755)
  await startServer()
  w = await world({ queues: ['imports'], temporalAddress: temporal.address })
  s3 = await startS3()
})
afterAll(async () => {
  await w?.[Symbol.asyncDispose]()
  await s3?.[Symbol.asyncDispose]()
  await temporal?.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

/** A connector with the Schedule that its row asks for. */
async function connected() {
  const connectorId = await w.connector('amazon-s3', trailSettings(s3.endpoint))
  await applyConnectorSchedules(w.deps)({ connectorId })
  const schedule = w.client.schedule.getHandle(scheduleId.import(connectorId))
  return {
    schedule,
    /** Only when it is due is changed: rows ask for hours where a test has seconds. */
    due: (spec: ScheduleSpec) => schedule.update(({ ...kept }) => ({ ...kept, spec }) as never),
    imports: () =>
      w.t.db
        .selectFrom('import')
        .select(['source', 'state', 'nominal_at', 'started_at', 'finished_at', 'stored'])
        .where('connector_id', '=', connectorId)
        .orderBy('started_at')
        .execute(),
    /** How many events are stored of each person. */
    events: async () => {
      const rows = await w.t.db
        .selectFrom('activity')
        .select((e) => ['identity_id', e.fn.countAll<string>().as('count')])
        .where('connector_id', '=', connectorId)
        .groupBy('identity_id')
        .execute()
      return rows.map(({ count }) => Number(count))
    },
  }
}

const happened = (user: string): void => deliver(s3, daysAgo(1), [trailRecord({ user, at: daysAgo(1) })])

test(
  'imports that are due while one still runs are followed up by one, once that has ended; every event is stored once',
  TIMEOUT,
  async () => {
    happened('a@example.com')
    const { schedule, due, imports, events } = await connected()
    let letGo = () => {}
    const until = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const held = s3.faults.next({ match: 'list-type', until })
    await due({ intervals: [{ every: 1_000 }] })
    // One waits for its turn, and those that came after it are let off.
    const { info } = await eventually(() => schedule.describe(), {
      until: (described) => held.hits === 1 && described.info.numActionsSkippedOverlap >= 2,
    })
    expect(info.runningActions).toHaveLength(1)
    expect(await imports()).toMatchObject([{ source: 'schedule', state: 'running', stored: 0 }])
    happened('b@example.com')
    await due({ intervals: [{ every: '1 day' }] })

    letGo()
    const done = await eventually(imports, {
      until: (rows) => rows.length > 1 && rows.every(({ state }) => state === 'completed'),
    })
    expect(done.map(({ state }) => state)).toEqual(['completed', 'completed'])
    const [first, second] = done as [(typeof done)[0], (typeof done)[0]]
    expect(second.nominal_at.getTime() - first.nominal_at.getTime()).toBe(1_000)
    expect(second.started_at.getTime()).toBeGreaterThanOrEqual(first.finished_at?.getTime() ?? Number.NaN)
    expect(await events()).toEqual([1, 1])
    const ended = await eventually(() => schedule.describe(), {
      until: (described) => described.info.runningActions.length === 0,
    })
    expect(ended.info.numActionsTaken).toBe(2)
  },
)

test('an import that was due while Temporal was down runs for that moment as soon as it is back', TIMEOUT, async () => {
  const { schedule, due, imports, events } = await connected()
  const missedAt = Math.ceil((Date.now() + SOON_MS) / 1000) * 1000
  await due({ intervals: [{ every: HOUR_MS, offset: missedAt % HOUR_MS }] })
  // The server acknowledges a change before it heeds it.
  await eventually(() => schedule.describe(), {
    until: ({ info: { nextActionTimes } }) => nextActionTimes[0]?.getTime() === missedAt,
    timeoutMs: SOON_MS,
  })
  process.kill(temporal.pid, 'SIGKILL')
  expect(Date.now(), 'the server was to be gone before the import is due').toBeLessThan(missedAt)
  happened('c@example.com')
  await new Promise((resolve) => setTimeout(resolve, missedAt + 500 - Date.now()))
  expect(await imports()).toEqual([])

  const { address } = temporal
  await startServer(Number(address.split(':')[1]))
  expect(temporal.address).toBe(address)
  const done = await eventually(imports, { until: ([row]) => row?.state === 'completed', timeoutMs: 40_000 })
  expect(done).toMatchObject([{ source: 'schedule', state: 'completed', nominal_at: new Date(missedAt) }])
  expect((await events()).reduce((sum, count) => sum + count, 0)).toBe(done[0]?.stored)
  expect((await schedule.describe()).info.numActionsMissedCatchupWindow).toBe(0)
})
