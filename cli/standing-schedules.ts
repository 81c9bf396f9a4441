import { ScheduleAlreadyRunning, ScheduleOverlapPolicy } from '@temporalio/client'
import type { Deps } from '../activities/deps.ts'
import { scheduled } from '../activities/schedules.ts'
import { healthRound } from '../activities/starting.ts'
import { scheduleId, TASK_QUEUES, workflowId } from '../domain/processes.ts'

/**
 * The Schedules that belong to no row: the reconciler every minute, the round of checks every hour, the manifests of the
 * day before at 00:05 UTC.
 */
export async function ensureStandingSchedules({ temporal }: Deps): Promise<void> {
  const policies = { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 day' as const }
  const create = async (options: Parameters<typeof temporal.schedule.create>[0]) => {
    try {
      await temporal.schedule.create(options)
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error
    }
  }
  await create({
    scheduleId: scheduleId.reconcile,
    spec: { intervals: [{ every: '1 minute' }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'reconcile',
      workflowId: workflowId.reconcile,
      taskQueue: TASK_QUEUES.triage,
      args: [],
      staticSummary: 'Compare the rows with what runs',
    },
    policies,
  })
  await create({
    scheduleId: scheduleId.healthRound,
    spec: { intervals: [{ every: '1 hour' }] },
    action: scheduled(healthRound()),
    policies,
  })
  await create({
    scheduleId: scheduleId.manifests,
    spec: { calendars: [{ hour: 0, minute: 5 }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'dailyManifests',
      workflowId: 'manifests',
      taskQueue: TASK_QUEUES.exports,
      args: [],
      staticSummary: "Write the day's manifests",
    },
    policies,
  })
}
