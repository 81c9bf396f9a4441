import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { claimPieces } from '../../activities/backfill.ts'
import * as processes from '../../api/processes.ts'
import { openRangeBackfill, readBackfill } from '../../db/backfills.ts'
import { cutRange } from '../../domain/pieces.ts'
import { overEmptyImports } from '../harness/empty-imports.ts'
import { trailSettings } from '../harness/trail.ts'
import { eventually, world } from '../harness/world.ts'

const DAYS = 30
const DAY_MS = 86_400_000
const ADDRESS = process.env['OPENIRM_TEST_TEMPORAL_ADDRESS'] as string

test.each(['paused', 'cancelled'] as const)(
  'a backfill is %s while its first claim is on its way: none of what was claimed begins',
  { timeout: 60_000 },
  async (to) => {
    await using w = await world({ queues: [] })
    const connectorId = await w.connector('amazon-s3', trailSettings('http://127.0.0.1:9'))
    const staffId = await w.staff('Admin', ['admin'])
    const end = new Date('2026-01-01T00:00:00Z')
    const asked = { connectorId, staffId, parallel: 2, requestsPerSecond: null, hours: null }
    const pieces = cutRange(new Date(end.getTime() - DAYS * DAY_MS), end, 24)
    const backfill = { backfillId: await openRangeBackfill(w.t.db, asked, pieces), connectorId, kind: 'amazon-s3' }
    const handle = w.client.workflow.getHandle(`backfill/${backfill.backfillId}`)
    const steps = new EventEmitter()
    const [claimed, acted] = [once(steps, 'claimed'), once(steps, 'acted')]
    const slow: ReturnType<typeof claimPieces> = async (input) => {
      const claim = await claimPieces(w.deps)(input)
      steps.emit('claimed')
      await acted
      return claim
    }
    const work = async () => {
      await processes.startBackfill(w.client, backfill)
      await claimed
      const act = to === 'paused' ? processes.pauseBackfill : processes.cancelBackfill
      const input = { staffId, causeKey: to }
      expect(await act(w.client, backfill, input)).toMatchObject({ state: to, running: to === 'paused' ? DAYS : 0 })
      steps.emit('acted')
      if (to === 'cancelled') {
        expect(await handle.result()).toMatchObject({ state: 'cancelled', done: 0 })
        return
      }
      // Long enough for all of them, had they begun.
      await sleep(3_000)
      expect(await readBackfill(w.t.db, backfill.backfillId)).toMatchObject({ state: 'paused' })
      expect(await doneOf()).toBe(0)
      await processes.resumeBackfill(w.client, backfill, { staffId, causeKey: 'resume' })
      await eventually(doneOf, { until: (done) => done === DAYS })
      expect(await handle.result()).toMatchObject({ state: 'completed', done: DAYS })
    }
    const doneOf = async () => {
      const done = await w.t.db
        .selectFrom('backfill_piece')
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .where('backfill_id', '=', backfill.backfillId)
        .where('state', '=', 'done')
        .executeTakeFirstOrThrow()
      return Number(done.n)
    }
    await overEmptyImports(w, ADDRESS, work, { claimPieces: slow })
  },
)
