import { createReadStream, promises as fs } from 'node:fs'
import path from 'node:path'
import { appendAudit } from '../db/audit.ts'
import * as store from '../db/backfills.ts'
import type { Connection } from '../db/connection.ts'
import { openFileImport } from '../db/imports.ts'
import { insertSealed, openSealed } from '../db/vault.ts'
import { AppError } from '../domain/errors.ts'
import { type DailyHours, untilAllowed } from '../domain/pieces.ts'
import type { BackfillProgress, BackfillState, HumanInput } from '../domain/processes.ts'
import type { Deps } from './deps.ts'

export interface ClaimedPiece {
  number: number
  importId: string
  /** Part of the import's workflow id. */
  run: string
  /** Read once more: nothing was found in it, or its source could still deliver. Never given by older versions. */
  sweep?: boolean
}

export interface Claim {
  connectorId: string
  kind: string
  parallel: number
  /** Pieces to read now, each with its import. */
  pieces: ClaimedPiece[]
  progress: BackfillProgress
  /** When to ask again although nothing ended: hours of the day, or the next try of a failed piece. */
  waitMs: number | null
}

const FILES_AT_MOST = 20_000

/**
 * Gives the next pieces to imports of their own; with `again`, also those that were given already and have not ended,
 * for a run that starts anew.
 */
export const claimPieces =
  (deps: Deps) =>
  async ({ backfillId, atMost, again }: { backfillId: string; atMost: number; again: boolean }): Promise<Claim> => {
    const planned = await store.readBackfill(deps.db, backfillId)
    if (planned.folder !== null) await planFolder(deps, backfillId, planned.folder)
    return deps.db.transaction().execute(async (tx) => {
      const backfill = await store.lockBackfill(tx, backfillId)
      const { kind } = await tx
        .selectFrom('connector')
        .select('kind')
        .where('id', '=', backfill.connector_id)
        .executeTakeFirstOrThrow()
      const pieces: Claim['pieces'] = []
      if (again) {
        pieces.push(...(await store.piecesUnderWay(tx, backfillId)))
      }
      const pause = backfill.hours === null ? 0 : untilAllowed(backfill.hours as unknown as DailyHours, new Date())
      if (backfill.state === 'running' && pause === 0) {
        const next = await store.nextPieces(tx, backfillId, atMost)
        pieces.push(...(await giveRanges(tx, backfill, next)))
        for (const piece of next.filter(isFile)) {
          const given = await giveFile(tx, deps, backfill, piece)
          if (given !== null) pieces.push({ number: piece.number, ...given })
        }
      }
      const progress = (await store.progressOf(tx, [backfillId])).get(backfillId) as BackfillProgress
      const tryAt = await store.nextTryAt(tx, backfillId)
      const waits = [pause, ...(tryAt === null ? [] : [Math.max(tryAt.getTime() - Date.now(), 1_000)])].filter(
        (ms) => ms > 0,
      )
      return {
        connectorId: backfill.connector_id,
        kind,
        parallel: backfill.parallel,
        pieces,
        progress,
        waitMs: progress.waiting > 0 && waits.length > 0 ? Math.max(...waits) : null,
      }
    })
  }

type FilePiece = store.PieceRow & { file_name_id: string }
const isFile = (piece: store.PieceRow): piece is FilePiece => piece.file_name_id !== null

async function giveRanges(
  tx: Connection,
  { id, connector_id }: store.BackfillRow,
  next: readonly store.PieceRow[],
): Promise<ClaimedPiece[]> {
  const ranges = next.filter((piece) => !isFile(piece))
  const importIds = await store.startPieces(tx, id, ranges, connector_id)
  return ranges.map(({ number, sweep }, index) => {
    const importId = importIds[index] as string
    return { number, importId, run: importId, ...(sweep ? { sweep } : {}) }
  })
}

/** Null when there is nothing to import: the same bytes came in before. */
async function giveFile(
  tx: Connection,
  deps: Deps,
  backfill: store.BackfillRow,
  piece: FilePiece,
): Promise<Omit<ClaimedPiece, 'number'> | null> {
  const backfillId = backfill.id
  const name = (await openSealed(tx, deps.vault, [piece.file_name_id])).get(piece.file_name_id)?.toString() ?? ''
  const file = path.join(backfill.folder as string, path.basename(name))
  const { sha256, bytes } = await deps.spool.put(createReadStream(file), deps.maxFileBytes)
  const { importId, repeated } = await openFileImport(tx, deps.vault, {
    connectorId: backfill.connector_id,
    source: 'backfill',
    sha256,
    bytes,
    fileName: path.basename(name),
    nominalAt: new Date(),
    backfillId,
  })
  await store.markRunning(tx, backfillId, piece.number, importId)
  if (!repeated) return { importId, run: sha256 }
  await store.settlePiece(tx, importId, { state: 'completed' })
  return null
}

/** The folder's files as pieces, in the order of their names; looked at once. */
async function planFolder(deps: Deps, backfillId: string, folder: string): Promise<void> {
  const planned = await deps.db
    .selectFrom('backfill_piece')
    .select('number')
    .where('backfill_id', '=', backfillId)
    .limit(1)
    .executeTakeFirst()
  if (planned) return
  let names: string[]
  try {
    const entries = await fs.readdir(folder, { withFileTypes: true })
    names = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name)
  } catch (cause) {
    throw new AppError('connector_unreachable', 'the folder of the backfill cannot be read', {
      cause,
      fix: 'Create the folder, or let the worker read it.',
    })
  }
  if (names.length > FILES_AT_MOST) {
    throw new AppError('invalid_request', `the folder holds ${names.length} files, a backfill takes ${FILES_AT_MOST}`, {
      fix: 'Split the files over several folders.',
    })
  }
  await deps.db.transaction().execute(async (tx) => {
    await store.lockBackfill(tx, backfillId)
    for (const [index, name] of names.sort().entries()) {
      const file_name_id = await insertSealed(tx, deps.vault, 'file_name', name)
      await tx
        .insertInto('backfill_piece')
        .values({ backfill_id: backfillId, number: index + 1, file_name_id })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    }
  })
}

/** Once everything was read: what may have come late is to be read again. Returns how many pieces still are. */
export const sweepBackfill =
  (deps: Deps) =>
  ({ backfillId }: { backfillId: string }): Promise<number> =>
    deps.db.transaction().execute(async (tx) => {
      const backfill = await store.lockBackfill(tx, backfillId)
      if (backfill.state !== 'running') return 0
      if (backfill.swept_at === null) await store.sweepPieces(tx, backfillId)
      return (await store.progressOf(tx, [backfillId])).get(backfillId)?.waiting ?? 0
    })

export interface MoveBackfill {
  backfillId: string
  to: BackfillState
  /** Null: it ended by itself. */
  by: HumanInput | null
  /** What made it end before its time. */
  error?: { code: string; detail: string; fix: string | null } | null
}

const FROM: Record<BackfillState, readonly BackfillState[]> = {
  running: ['paused'],
  paused: ['running'],
  cancelled: ['running', 'paused'],
  completed: ['running'],
}

/** Pauses, resumes, cancels or completes; what is there already is left alone. Ending writes the closing statement. */
export const moveBackfill =
  (deps: Deps) =>
  ({ backfillId, to, by, error = null }: MoveBackfill): Promise<BackfillProgress> =>
    deps.db.transaction().execute(async (tx) => {
      const { state } = await store.lockBackfill(tx, backfillId)
      if (state !== to) {
        if (!FROM[to].includes(state as BackfillState)) {
          throw new AppError('state_conflict', `the backfill is ${state}`)
        }
        if (to === 'completed' || to === 'cancelled') await store.closeBackfill(tx, backfillId, to, error)
        else await tx.updateTable('backfill').set({ state: to }).where('id', '=', backfillId).execute()
        await appendAudit(tx, {
          staffId: by?.staffId ?? null,
          action: `backfill.${to === 'running' ? 'resumed' : to}`,
          subjectKind: 'backfill',
          subjectId: backfillId,
        })
      }
      return (await store.progressOf(tx, [backfillId])).get(backfillId) as BackfillProgress
    })
