/** Updates, signals and queries of the workflows, typed. Their words are in `domain/processes.ts`. */
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common'
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import {
  type ApprovalResult,
  type AssignInput,
  type BackfillProgress,
  type CaseResult,
  type DecideInput,
  type DismissInput,
  type HumanInput,
  type ResolveCaseInput,
  SEARCH_ATTRIBUTES,
  type SetupStepInput,
  type SetupStepResult,
  SIGNALS,
  type SiemExportState,
  type TriageResult,
  type WithComment,
} from '../domain/processes.ts'

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD)

export const searchAttributeKeys = {
  connector: keyword(SEARCH_ATTRIBUTES.connector),
  policy: keyword(SEARCH_ATTRIBUTES.policy),
  alert: keyword(SEARCH_ATTRIBUTES.alert),
  destination: keyword(SEARCH_ATTRIBUTES.destination),
  state: keyword(SEARCH_ATTRIBUTES.state),
}

export const performSetupStep = defineUpdate<SetupStepResult, [SetupStepInput]>('performSetupStep')
export const abandonSetup = defineUpdate<void, [HumanInput]>('abandonSetup')
export const evaluationRequested = defineSignal(SIGNALS.evaluationRequested)
export const assignAlert = defineUpdate<TriageResult, [AssignInput]>('assignAlert')
export const commentOnAlert = defineUpdate<TriageResult, [WithComment]>('commentOnAlert')
export const confirmAlert = defineUpdate<TriageResult, [WithComment]>('confirmAlert')
export const dismissAlert = defineUpdate<TriageResult, [DismissInput]>('dismissAlert')
export const escalateAlert = defineUpdate<TriageResult, [WithComment]>('escalateAlert')
export const reopenAlert = defineUpdate<TriageResult, [WithComment]>('reopenAlert')
/** Something other than the triage's own updates changed the alert; its row says what. */
export const alertChanged = defineSignal(SIGNALS.alertChanged)
export const decideApproval = defineUpdate<ApprovalResult, [DecideInput]>('decideApproval')
export const withdrawApproval = defineUpdate<ApprovalResult, [HumanInput]>('withdrawApproval')
export const assignCase = defineUpdate<CaseResult, [AssignInput]>('assignCase')
export const addCaseNote = defineUpdate<CaseResult, [WithComment]>('addCaseNote')
export const resolveCase = defineUpdate<CaseResult, [ResolveCaseInput]>('resolveCase')
export const deliveriesQueued = defineSignal(SIGNALS.deliveriesQueued)
export const resumeExport = defineUpdate<SiemExportState, [HumanInput]>('resumeExport')
export const exportState = defineQuery<SiemExportState>('exportState')
/** Rules changed, accounts came or changed owners. */
export const identitiesChanged = defineSignal(SIGNALS.identitiesChanged)
export const firstImportStored = defineSignal(SIGNALS.firstImportStored)
/** No further block will come. */
export const uploadCompleted = defineSignal(SIGNALS.uploadCompleted)
export const pauseBackfill = defineUpdate<BackfillProgress, [HumanInput]>('pauseBackfill')
export const resumeBackfill = defineUpdate<BackfillProgress, [HumanInput]>('resumeBackfill')
export const cancelBackfill = defineUpdate<BackfillProgress, [HumanInput]>('cancelBackfill')
export const backfillProgress = defineQuery<BackfillProgress>('backfillProgress')
