import { openRangeBackfill } from '../../../db/backfills.ts'
import type { ScenariosOf } from '../scenario.ts'
import type { Stage } from '../stage.ts'

const DAY_MS = 86_400_000

/** A backfill of two days of the log bucket. */
function opened(stage: Stage): Promise<string> {
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS
  const pieces = [1, 2].map((back) => ({
    from: new Date(today - back * DAY_MS),
    to: new Date(today - (back - 1) * DAY_MS),
  }))
  const input = {
    connectorId: stage.s3Id,
    staffId: stage.analyst,
    parallel: 1,
    requestsPerSecond: null,
    hours: null,
  }
  return stage.w.t.db.transaction().execute((tx) => openRangeBackfill(tx, input, pieces))
}

/** Its pieces were read. */
async function read(stage: Stage): Promise<string> {
  const backfillId = await opened(stage)
  const { pieces } = await stage.run('claimPieces', { backfillId, atMost: 2, again: false })
  for (const { importId } of pieces) {
    await stage.run('importRecords', { importId })
    await stage.run('finishImport', { importId, outcome: 'completed' })
  }
  return backfillId
}

export const backfills: ScenariosOf<'claimPieces' | 'sweepBackfill' | 'moveBackfill'> = {
  claimPieces: {
    'all there are': {
      arrange: async (stage) => ({ backfillId: await opened(stage), atMost: 2, again: false }),
      answersOtherwise: 'a piece is given once; whoever misses what runs asks again',
    },
  },
  sweepBackfill: {
    'of what may have come late': { arrange: async (stage) => ({ backfillId: await read(stage) }) },
  },
  moveBackfill: {
    pause: {
      arrange: async (stage) => ({
        backfillId: await opened(stage),
        to: 'paused',
        by: { staffId: stage.analyst, causeKey: 'pause' },
      }),
    },
    complete: { arrange: async (stage) => ({ backfillId: await read(stage), to: 'completed', by: null }) },
  },
}
