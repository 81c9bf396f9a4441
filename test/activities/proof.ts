import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { ApplicationFailure } from '@temporalio/common'
import { expect } from 'vitest'
import { verifyAudit, verifyExports, verifyReceipts } from '../../db/verify.ts'
import type { Scenario } from './scenario.ts'
import type { ActivityName, Stage } from './stage.ts'
import { comparable, keep, readState, restore, type State, still } from './state.ts'
import type { Break, SeenStatement } from './statement-proxy.ts'

/** All breaks instead of those that differ: `npm run test:breaks`. */
const EVERY_BREAK = process.env['OPENIRM_TEST_EVERY_BREAK'] !== undefined
/** Breaks after which nothing stays are alike; so many of a scenario's are tried. */
const ALIKE = 4

/** Temporal would try again for longer; what has not healed by then is a fault. */
const TRIES = 8
const PAUSE_MS = 100

type Run = () => Promise<unknown>

/**
 * Calls an activity twice and compares; then breaks it around every statement that leaves something and every call to
 * Temporal, and at some of the others, calls it again as Temporal would, and compares with the undisturbed run. Returns
 * how many breaks were tried.
 */
export async function prove(stage: Stage, name: ActivityName, scenario: Scenario): Promise<number> {
  const { statements, calls } = stage
  const pool = stage.w.t.pool
  await stage.reset()
  const input = await scenario.arrange(stage)
  await keep(pool, 'arranged')
  const files = spooled(stage)
  await scenario.arrangeOutside?.(stage, input as never)
  const run: Run = () => stage.run(name, input as never)
  const outside = async () => ({
    temporal: await started(stage, scenario, input),
    spool: [...spooled(stage).keys()],
    received: [...new Set(stage.receiver.attempts.filter(({ status }) => status === 204).map(({ id }) => id))].length,
  })
  const rewind = async () => {
    await restore(pool, 'arranged')
    await forgetStarted(stage, scenario, input)
    await scenario.arrangeOutside?.(stage, input as never)
    for (const file of spooled(stage).keys()) rmSync(path.join(stage.spoolFolder, file))
    for (const [file, bytes] of files) writeFileSync(path.join(stage.spoolFolder, file), bytes)
    stage.receiver.attempts.length = 0
  }

  statements.arm()
  calls.arm()
  const answer = await run()
  const [seenStatements, seenCalls] = [[...statements.seen], [...calls.seen]]
  const once = await readState(pool)
  const outsideOnce = await outside()
  const answerTwice = await run()
  expect(differing(still(once), still(await readState(pool))), 'run twice').toEqual([])
  expect(await outside(), 'run twice, outside').toEqual(outsideOnce)
  if (!scenario.answersOtherwise) expect(answerTwice, 'answer of a repetition').toEqual(answer)

  const undisturbed = comparable(once)
  const broken = async (what: string, arm: () => void) => {
    await rewind()
    arm()
    const outcome = await run().then(
      () => 'answered',
      () => 'failed',
    )
    statements.arm()
    calls.arm()
    const again = await persist(run)
    const where = `${what}, first call ${outcome}`
    expect(differing(undisturbed, comparable(await readState(pool))), where).toEqual([])
    expect(blind(await outside()), where).toEqual(blind(outsideOnce))
    if (!scenario.answersOtherwise) expect(blind(again), `${where}: answer`).toEqual(blind(answer))
    for (const verify of [verifyReceipts, verifyAudit, verifyExports])
      expect((await verify(stage.w.t.db)).untruth, where).toBeNull()
  }
  const looped = inLoops(seenStatements)
  const around = seenStatements.flatMap(({ text, endsIdle }, index) =>
    looped.has(index)
      ? []
      : breaks(index, endsIdle).map((at) => ({
          leaves: endsIdle && !READS.test(text),
          what: `${at.when} statement ${at.at} (${text})`,
          arm: () => statements.arm(at),
        })),
  )
  const points = [
    ...around.filter(({ leaves }) => leaves),
    ...some(around.filter(({ leaves }) => !leaves)),
    ...seenCalls.flatMap((method, index) =>
      breaks(index, true).map((at) => ({ what: `${at.when} call ${at.at} (${method})`, arm: () => calls.arm(at) })),
    ),
  ]
  for (const { what, arm } of points) await broken(what, arm)
  await forgetStarted(stage, scenario, input)
  return points.length
}

const READS = /^\s*select\b/i

/** A few from the first to the last. */
function some<T>(points: readonly T[]): readonly T[] {
  if (EVERY_BREAK || points.length <= ALIKE) return points
  const step = (points.length - 1) / (ALIKE - 1)
  return Array.from({ length: ALIKE }, (_, index) => points[Math.round(index * step)] as T)
}

/** Statements in the middle of a loop, by index: of what is repeated the first two and the last two are enough. */
function inLoops(statements: readonly SeenStatement[]): Set<number> {
  const occurrences = new Map<string, number[]>()
  for (const [index, { text }] of statements.entries()) {
    const inContext = `${statements[index - 1]?.text} → ${text}`
    occurrences.set(inContext, [...(occurrences.get(inContext) ?? []), index])
  }
  return new Set([...occurrences.values()].flatMap((indexes) => indexes.slice(2, -2)))
}

/** Before each; after those whose effect is there to stay, so that only the answer is lost. */
const breaks = (index: number, stays: boolean): Break[] => [
  { at: index + 1, when: 'before' },
  ...(stays ? [{ at: index + 1, when: 'after' } as const] : []),
]

/** Tries again as Temporal does: until it succeeds, or fails for good. */
async function persist(run: Run): Promise<unknown> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run()
    } catch (error) {
      const final = error instanceof ApplicationFailure && error.nonRetryable
      if (final || attempt === TRIES) throw error
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }
}

const differing = (before: State, after: State): unknown[] =>
  Object.keys(before).flatMap((table) =>
    JSON.stringify(before[table]) === JSON.stringify(after[table])
      ? []
      : [{ table, before: without(before[table], after[table]), after: without(after[table], before[table]) }],
  )

const without = (rows: unknown[] = [], others: unknown[] = []): unknown[] => {
  const texts = new Set(others.map((row) => JSON.stringify(row)))
  return rows.filter((row) => !texts.has(JSON.stringify(row)))
}

const blind = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value ?? null)
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<id>')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<instant>'),
  )

const spooled = (stage: Stage): Map<string, Buffer> =>
  new Map(
    readdirSync(stage.spoolFolder)
      .sort()
      .map((name) => [name, readFileSync(path.join(stage.spoolFolder, name))]),
  )

/** What there is in Temporal of what the scenario may start: the very run, and the Schedule's state. */
async function started(stage: Stage, scenario: Scenario, input: unknown): Promise<unknown[]> {
  const { runs = [], schedules = [] } = scenario.starts?.(stage, input as never) ?? {}
  const { workflow, schedule } = stage.w.client
  return Promise.all([
    ...runs.map(async (id) => {
      const handle = workflow.getHandle(id)
      const found = await handle.describe().catch(() => null)
      if (found?.status.name !== 'RUNNING') return { id, missing: true }
      const { events } = await handle.fetchHistory()
      const signals = (events ?? []).flatMap(
        (event) => event.workflowExecutionSignaledEventAttributes?.signalName ?? [],
      )
      return { id, type: found.type, run: found.runId, signals: [...new Set(signals)] }
    }),
    ...schedules.map(async (id) => {
      const found = await schedule
        .getHandle(id)
        .describe()
        .catch(() => null)
      return found ? { id, paused: found.state.paused, spec: found.spec.intervals } : { id, missing: true }
    }),
  ])
}

async function forgetStarted(stage: Stage, scenario: Scenario, input: unknown): Promise<void> {
  const { runs = [], schedules = [] } = scenario.starts?.(stage, input as never) ?? {}
  const { workflow, schedule } = stage.w.client
  const gone = () => {}
  for (const id of runs) await workflow.getHandle(id).terminate().catch(gone)
  for (const id of schedules) await schedule.getHandle(id).delete().catch(gone)
}
