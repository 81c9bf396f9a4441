import {
  ActivityFailure,
  ApplicationFailure,
  allHandlersFinished,
  CancellationScope,
  ChildWorkflowCancellationType,
  condition,
  continueAsNew,
  ParentClosePolicy,
  patched,
  setCurrentDetails,
  setHandler,
  startChild,
  workflowInfo,
} from '@temporalio/workflow'
import { type BackfillInput, type BackfillProgress, type HumanInput, workflowId } from '../domain/processes.ts'
import { backfillProgress, cancelBackfill, pauseBackfill, resumeBackfill, searchAttributeKeys } from './contract.ts'
import type { importRun } from './importRun.ts'
import { failureOf, patient, prompt } from './options.ts'

const { claimPieces } = patient('Give the next pieces to imports')
const { sweepBackfill } = patient('Look for what came late')
const { moveBackfill } = prompt('Book where the backfill stands')

/** Claimed ahead of the window, so that not every piece costs an activity. */
const AHEAD = 60
/** A long range is read by about so many runs, each of several pieces: a run costs more than an empty day. */
const RUNS_AIMED_AT = 365
const PIECES_PER_RUN_AT_MOST = 10
/** Pieces whose imports run without this run having started them are looked for again after so long. */
const ASK_AGAIN_MS = 10_000

type Claimed = Awaited<ReturnType<typeof claimPieces>>
type Piece = Claimed['pieces'][number]

/**
 * Reads the past piece by piece: a sliding window of imports, the newest piece first. A piece that fails is tried again
 * and then set aside by name while the others go on; at the end what may have come late is read once more.
 * Id:    `backfill/<backfillId>`.
 * Ends:  with a closing statement, when all pieces are read or set aside, or when it is cancelled.
 * State: pieces are rows, which their imports settle; the window is emptied before the run continues as new.
 */
export async function backfill({ backfillId }: BackfillInput): Promise<BackfillProgress> {
  let progress: BackfillProgress = { state: 'running', pieces: 0, done: 0, setAside: 0, running: 0, waiting: 0 }
  const window = new Map<string, CancellationScope>()
  let queue: Piece[] = []
  /** Grows whenever a piece ended or somebody acted. */
  let news = 0
  /** What people asked for, so often. */
  let acts = 0
  const over = () => progress.state === 'completed' || progress.state === 'cancelled'

  const move = (to: BackfillProgress['state']) => async (by: HumanInput) => {
    progress = await moveBackfill({ backfillId, to, by })
    if (over()) for (const scope of window.values()) scope.cancel()
    acts += 1
    news += 1
    return progress
  }
  const validator = (_by: HumanInput) => {
    if (over()) throw ApplicationFailure.nonRetryable(`the backfill is ${progress.state}`, 'state_conflict')
  }
  setHandler(pauseBackfill, move('paused'), { validator })
  setHandler(resumeBackfill, move('running'), { validator })
  setHandler(cancelBackfill, move('cancelled'), { validator })
  setHandler(backfillProgress, () => progress)

  const start = (claim: Claimed, pieces: [Piece, ...Piece[]]) => {
    const [{ run }] = pieces
    const scope = new CancellationScope()
    window.set(run, scope)
    void scope
      .run(() => readPieces(claim, pieces))
      // What went wrong is in the rows of the import and of the piece.
      .catch(() => {})
      .finally(() => {
        window.delete(run)
        news += 1
      })
  }

  let claim: Claimed | undefined
  // The first claim of a run also returns what an earlier run had claimed and did not see to its end.
  let again = true
  while (!over()) {
    const renewing = workflowInfo().continueAsNewSuggested
    const seen = news
    let waitMs: number | null = null
    const room = claim === undefined || window.size < claim.parallel
    const drained = claim !== undefined && claim.pieces.length < AHEAD && window.size > 0
    if (!renewing && progress.state === 'running' && queue.length === 0 && room && !drained) {
      const actsBefore = acts
      try {
        claim = await claimPieces({ backfillId, atMost: AHEAD, again })
      } catch (error) {
        if (!(error instanceof ActivityFailure)) throw error
        await moveBackfill({ backfillId, to: 'cancelled', by: null, error: failureOf(error) })
        throw error
      }
      again = false
      // What somebody asked for meanwhile may have been booked behind the claim: it stands.
      const stands = acts > actsBefore && patched('acts outlast claims')
      progress = stands ? { ...claim.progress, state: progress.state } : claim.progress
      queue = claim.pieces
      waitMs = claim.waitMs
      setCurrentDetails(describe(progress))
    }
    while (!renewing && claim && progress.state === 'running' && window.size < claim.parallel) {
      const [first, ...more] = queue.splice(0, piecesPerRun(claim, queue))
      if (!first) break
      start(claim, [first, ...more])
    }
    if (window.size === 0) {
      if (renewing) {
        await condition(allHandlersFinished)
        if (!over()) return continueAsNew<typeof backfill>({ backfillId })
        continue
      }
      const { state, waiting, running } = progress
      if (state === 'running' && waiting + running === 0) {
        if ((await sweepBackfill({ backfillId })) === 0) {
          progress = await moveBackfill({ backfillId, to: 'completed', by: null })
        }
        continue
      }
      // While it is paused there is nothing to look for.
      if (running > 0 && (state === 'running' || !patched('paused backfills rest'))) {
        again = true
        waitMs ??= ASK_AGAIN_MS
      }
    }
    const stir = () => news !== seen || (!renewing && workflowInfo().continueAsNewSuggested)
    if (waitMs === null) await condition(stir)
    else await condition(stir, waitMs)
  }
  await condition(() => window.size === 0 && allHandlersFinished())
  setCurrentDetails(describe(progress))
  return progress
}

/**
 * A pause waits for the end of the runs that are under way, so they are short. Of the sweep they are long: most of its
 * pieces were empty. Towards its end they are short as well, so that as many as may be go on side by side.
 */
function piecesPerRun({ progress, parallel }: Claimed, [next, ...more]: readonly Piece[]): number {
  if (!next?.sweep) return Math.min(Math.ceil(progress.pieces / RUNS_AIMED_AT), PIECES_PER_RUN_AT_MOST)
  return Math.ceil((progress.waiting + more.length + 1) / parallel)
}

async function readPieces({ connectorId, kind }: Claimed, pieces: [Piece, ...Piece[]]): Promise<void> {
  const [{ number, run }] = pieces
  const last = pieces.at(-1)?.number ?? number
  const child = await startChild<typeof importRun>('importRun', {
    workflowId: workflowId.importRun(connectorId, run),
    args: [{ connectorId, importIds: pieces.map(({ importId }) => importId) }],
    // What is stored so far stays; the pieces wait to be read again.
    cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    parentClosePolicy: ParentClosePolicy.ABANDON,
    staticSummary: `Import from ${kind} (${last === number ? `piece ${number}` : `pieces ${number} to ${last}`} of a backfill)`,
    ...searchAttributesOf(connectorId),
  })
  await child.result()
}

/** A server without search attributes gives none to the parent either. */
const searchAttributesOf = (connectorId: string) =>
  workflowInfo().typedSearchAttributes.get(searchAttributeKeys.connector) === undefined
    ? {}
    : {
        typedSearchAttributes: [
          { key: searchAttributeKeys.connector, value: connectorId },
          { key: searchAttributeKeys.state, value: 'running' },
        ],
      }

const describe = ({ state, pieces, done, setAside, running, waiting }: BackfillProgress): string =>
  `**${state}**: ${done} of ${pieces} pieces read, ${running} under way, ${waiting} waiting, ${setAside} set aside.`
