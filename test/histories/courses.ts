/** What the corpus holds: the courses of each workflow that are worth keeping compatible. */
import type { Payload } from '@temporalio/common'
import type { EncryptingCodec } from '../../activities/payload-codec.ts'
import type { History, HistoryEvent } from '../harness/histories.ts'

/** A history in the words by which a course is recognised. */
export interface Told {
  workflow: string
  /** `open` while it waits. */
  status: 'open' | 'completed' | 'failed' | 'continued' | 'broken'
  result: unknown
  activities: string[]
  /** Activities whose end was asked for. */
  brokenOff: number
  /** Accepted updates. */
  updates: string[]
  signals: string[]
  children: number
  timers: number
}

export interface Course {
  /** `<workflow>.<course>`, also the name of the file. */
  name: string
  fits(told: Told): boolean
}

const course = (name: string, fits: (told: Told) => boolean): Course => ({
  name,
  fits: (told) => told.workflow === name.split('.')[0] && fits(told),
})
const completed = ({ status }: Told): boolean => status === 'completed'
const continued = ({ status }: Told): boolean => status === 'continued'
const ended = (state: string) => (told: Told) => completed(told) && (told.result as { state?: string })?.state === state
const did = (told: Told, ...names: string[]): boolean =>
  names.every((name) => [...told.activities, ...told.updates, ...told.signals].includes(name))

export const COURSES: readonly Course[] = [
  course('approval.approved', ended('approved')),
  course('approval.rejected', ended('rejected')),
  course('approval.withdrawn', ended('withdrawn')),
  course('approval.reminded', (told) => did(told, 'remindApprovers')),
  course('approval.expired', ended('expired')),
  course('approval.continued', continued),
  course('approval.waiting', ({ status, activities }) => status === 'open' && activities.length > 0),
  course('alertTriage.dismissed', ended('dismissed')),
  course('alertTriage.escalated', (told) => ended('resolved')(told) && did(told, 'escalateAlert', 'openCaseWork')),
  course('alertTriage.reminded', (told) => told.status === 'open' && told.timers > 0 && did(told, 'markAttention')),
  course('alertTriage.continued', (told) => continued(told) && did(told, 'commentOnAlert')),
  course('backfill.completed', (told) => ended('completed')(told) && told.children > 1),
  course('backfill.cancelled', (told) => ended('cancelled')(told) && did(told, 'resumeBackfill')),
  course('caseWork.resolved', (told) => ended('resolved')(told) && did(told, 'addCaseNote')),
  course('caseWork.continued', (told) => continued(told) && did(told, 'addCaseNote')),
  course('connectorSetup.proven', (told) => completed(told) && did(told, 'firstImportStored')),
  course('connectorSetup.abandoned', (told) => completed(told) && did(told, 'abandonSetup')),
  course('connectorSetup.continued', (told) => continued(told) && did(told, 'performSetupStep')),
  course('dailyManifests.written', (told) => completed(told) && did(told, 'nudgeExports')),
  course('evaluation.alerts', (told) => completed(told) && did(told, 'openTriage')),
  course('evaluation.nothing', (told) => completed(told) && told.timers > 0 && !did(told, 'openTriage')),
  course('evaluation.everybody', (told) => completed(told) && told.timers === 0),
  course('evaluation.continued', (told) => continued(told) && did(told, 'evaluationRequested')),
  course('healthRound.checked', completed),
  course('identityUpkeep.matched', (told) => completed(told) && did(told, 'matchIdentities', 'identitiesChanged')),
  course('identityUpkeep.continued', (told) => continued(told) && did(told, 'identitiesChanged')),
  course('importRun.completed', (told) => completed(told) && did(told, 'proveSetup')),
  course('importRun.failed', (told) => told.status === 'failed' && did(told, 'finishImport', 'startCheck')),
  course('importRun.unreadable', (told) => told.status === 'failed' && !did(told, 'finishImport')),
  course('prerequisiteCheck.checked', completed),
  course('reconcile.repaired', completed),
  course('siemExport.idle', (told) => told.status === 'open' && did(told, 'deliveriesQueued')),
  course('siemExport.resumed', (told) => did(told, 'resumeExport')),
  course('siemExport.continued', (told) => continued(told) && told.brokenOff === 0),
  course('siemExport.brokenOff', (told) => continued(told) && told.brokenOff > 0),
  course('uploadRun.joined', completed),
  course('uploadRun.continued', (told) => continued(told) && did(told, 'uploadCompleted')),
]

const CLOSED: Record<string, Told['status']> = {
  workflowExecutionCompletedEventAttributes: 'completed',
  workflowExecutionFailedEventAttributes: 'failed',
  workflowExecutionContinuedAsNewEventAttributes: 'continued',
  workflowExecutionTerminatedEventAttributes: 'broken',
  workflowExecutionCanceledEventAttributes: 'broken',
  workflowExecutionTimedOutEventAttributes: 'broken',
}

export async function tell({ events }: History, codec: EncryptingCodec): Promise<Told> {
  const each = <T>(pick: (event: HistoryEvent) => T | null | undefined): T[] =>
    events.map(pick).filter((found) => found !== null && found !== undefined)
  const last = events.at(-1)
  const closing = last && Object.keys(CLOSED).find((name) => last[name as keyof typeof last])
  return {
    workflow: each((event) => event.workflowExecutionStartedEventAttributes?.workflowType?.name)[0] ?? '',
    status: closing ? (CLOSED[closing] as Told['status']) : 'open',
    result: await opened(last?.workflowExecutionCompletedEventAttributes?.result?.payloads?.[0], codec),
    activities: each((event) => event.activityTaskScheduledEventAttributes?.activityType?.name),
    brokenOff: each((event) => event.activityTaskCancelRequestedEventAttributes).length,
    updates: each((event) => event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input?.name),
    signals: each((event) => event.workflowExecutionSignaledEventAttributes?.signalName),
    children: each((event) => event.startChildWorkflowExecutionInitiatedEventAttributes).length,
    timers: each((event) => event.timerStartedEventAttributes).length,
  }
}

async function opened(payload: Payload | null | undefined, codec: EncryptingCodec): Promise<unknown> {
  if (!payload) return undefined
  const [plain] = await codec.decode([payload])
  const text = Buffer.from(plain?.data ?? []).toString()
  return text === '' ? undefined : JSON.parse(text)
}
