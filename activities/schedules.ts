import { ScheduleNotFoundError, type ScheduleOptions, ScheduleOverlapPolicy } from '@temporalio/client'
import { mayImport } from '../db/connectors.ts'
import { scheduleId } from '../domain/processes.ts'
import type { Deps } from './deps.ts'
import { evaluationStart, importStart, prerequisiteStart } from './starting.ts'

/** Imports missed while the platform was away are made up for this far back: one run then reads all that is there. */
const CATCH_UP_MS = 3_600_000
const PREREQUISITES_EVERY = '1 hour'

type Wanted = { id: string; paused: boolean; options: Omit<ScheduleOptions, 'scheduleId'> }

type Start = ReturnType<typeof prerequisiteStart>

/** A start as the action of a Schedule. */
export function scheduled({ type, args, workflowId, taskQueue, staticSummary, staticDetails, ...rest }: Start) {
  const { typedSearchAttributes } = rest
  return {
    type: 'startWorkflow' as const,
    workflowType: type,
    workflowId,
    taskQueue,
    args,
    ...(staticSummary ? { staticSummary } : {}),
    ...(staticDetails ? { staticDetails } : {}),
    ...(typedSearchAttributes ? { typedSearchAttributes } : {}),
  }
}

const every = (interval: string | number, action: ReturnType<typeof scheduled>, paused: boolean, note: string) => ({
  spec: { intervals: [{ every: interval as '1 hour' }] },
  action,
  policies: { overlap: ScheduleOverlapPolicy.BUFFER_ONE, catchupWindow: CATCH_UP_MS, pauseOnFailure: false },
  state: { paused, note },
})

/** The Schedules that the rows ask for. */
export async function wantedSchedules(deps: Deps): Promise<Map<string, Wanted>> {
  const wanted = new Map<string, Wanted>()
  const add = (id: string, paused: boolean, options: Wanted['options']) => wanted.set(id, { id, paused, options })
  const connectors = await deps.db
    .selectFrom('connector')
    .selectAll()
    .where('state', 'in', ['active', 'paused'])
    .execute()
  for (const { id, kind, every_seconds, ...connector } of connectors) {
    const paused = !mayImport(connector)
    const run = importStart({ connectorId: id, run: 'schedule', kind, why: 'scheduled' })
    add(scheduleId.import(id), paused, every(every_seconds * 1000, scheduled(run), paused, `connector ${id}`))
    // A paused connector is still checked: its recovery resumes it.
    add(
      scheduleId.prerequisites(id),
      false,
      every(PREREQUISITES_EVERY, scheduled(prerequisiteStart(id, kind)), false, `connector ${id}`),
    )
  }
  const policies = await deps.db.selectFrom('policy').select('id').where('state', '=', 'enabled').execute()
  for (const { id } of policies) {
    add(scheduleId.evaluation(id), false, every('1 day', scheduled(evaluationStart(id, true)), false, `policy ${id}`))
  }
  return wanted
}

export interface ScheduleRepairs {
  created: string[]
  updated: string[]
  deleted: string[]
}

const OURS = /^(import|prerequisites|evaluate)\//

/** Makes the Schedules what the rows say: missing ones are created, foreign pauses undone, left-over ones deleted. */
export async function alignSchedules(deps: Deps, only?: (id: string) => boolean): Promise<ScheduleRepairs> {
  const repairs: ScheduleRepairs = { created: [], updated: [], deleted: [] }
  const wanted = await wantedSchedules(deps)
  const existing = new Map<string, boolean>()
  for await (const schedule of deps.temporal.schedule.list()) {
    if (OURS.test(schedule.scheduleId)) existing.set(schedule.scheduleId, schedule.state.paused)
  }
  for (const [id, { options, paused }] of wanted) {
    if (only && !only(id)) continue
    const handle = deps.temporal.schedule.getHandle(id)
    if (!existing.has(id)) {
      try {
        await deps.temporal.schedule.create({ scheduleId: id, ...options })
        repairs.created.push(id)
        continue
      } catch (error) {
        // The list lags behind a moment: it may be there already.
        if (!(error instanceof Error) || error.name !== 'ScheduleAlreadyRunning') throw error
      }
    }
    const current = await handle.describe()
    const interval = current.spec.intervals?.[0]?.every
    const wantedMs = options.spec.intervals?.[0]?.every
    const { overlap, catchupWindow } = current.policies
    const isKept = overlap === options.policies?.overlap && catchupWindow === CATCH_UP_MS
    if (current.state.paused !== paused || !isKept || (typeof wantedMs === 'number' && interval !== wantedMs)) {
      await handle.update((previous) => ({ ...previous, ...options, state: { ...previous.state, paused } }) as never)
      repairs.updated.push(id)
    }
  }
  for (const id of existing.keys()) {
    if (wanted.has(id) || (only && !only(id))) continue
    try {
      await deps.temporal.schedule.getHandle(id).delete()
      repairs.deleted.push(id)
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error
    }
  }
  return repairs
}

/** After a connector was activated, paused, resumed, changed or retired. */
export const applyConnectorSchedules =
  (deps: Deps) =>
  ({ connectorId }: { connectorId: string }): Promise<ScheduleRepairs> =>
    alignSchedules(deps, (id) => id === scheduleId.import(connectorId) || id === scheduleId.prerequisites(connectorId))
