/**
 * What the outside may know of the workflows: ids, inputs, updates, signals. Payloads carry opaque ids, counts and
 * cursors; words that people type are stored first and travel as the id of their row.
 */
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common'
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import type { AlertState, CaseResolution, DismissReason } from '../domain/alert.ts'

/** Workers scale by queue. */
export const TASK_QUEUES = {
  imports: 'openirm-imports',
  evaluation: 'openirm-evaluation',
  triage: 'openirm-triage',
  exports: 'openirm-exports',
} as const

/** Opaque ids only: search attributes bypass the payload codec. */
export const SEARCH_ATTRIBUTES = {
  connector: defineSearchAttributeKey('OpenIrmConnector', SearchAttributeType.KEYWORD),
  policy: defineSearchAttributeKey('OpenIrmPolicy', SearchAttributeType.KEYWORD),
  alert: defineSearchAttributeKey('OpenIrmAlert', SearchAttributeType.KEYWORD),
  destination: defineSearchAttributeKey('OpenIrmDestination', SearchAttributeType.KEYWORD),
  state: defineSearchAttributeKey('OpenIrmState', SearchAttributeType.KEYWORD),
} as const

export const workflowId = {
  setup: (connectorId: string) => `setup/${connectorId}`,
  /** `run` is the nominal time or the body's SHA-256: the same file twice is one run. */
  importRun: (connectorId: string, run: string) => `import/${connectorId}/${run}`,
  prerequisites: (connectorId: string) => `prerequisites/${connectorId}`,
  evaluation: (policyId: string) => `evaluate/${policyId}`,
  triage: (alertId: string) => `triage/${alertId}`,
  approval: (approvalId: string) => `approval/${approvalId}`,
  caseWork: (caseId: string) => `case/${caseId}`,
  siemExport: (destinationId: string) => `export/${destinationId}`,
  reconcile: 'reconcile',
} as const

export const scheduleId = {
  import: (connectorId: string) => `import/${connectorId}`,
  prerequisites: (connectorId: string) => `prerequisites/${connectorId}`,
  evaluation: (policyId: string) => `evaluate/${policyId}`,
  reconcile: 'reconcile',
  manifests: 'manifests',
} as const

/** Who did it and under which idempotency key; part of every human update. */
export interface HumanInput {
  staffId: string
  /** Equal keys are one act: a double click returns the first answer. */
  causeKey: string
}

// --- connector set-up -------------------------------------------------------------------------------------------

/** In the order in which the guide walks through them; any may be repeated until activation. */
export const SETUP_STEPS = ['prerequisites', 'credentials', 'test', 'map', 'dry_run', 'activate', 'proven'] as const
export type SetupStep = (typeof SETUP_STEPS)[number]
export interface ConnectorSetupInput {
  setupId: string
  connectorId: string
  kind: string
}
/** The API has stored settings, secrets or the sample before it sends this. */
export interface SetupStepInput extends HumanInput {
  step: Exclude<SetupStep, 'proven'>
}
export interface SetupStepResult {
  step: SetupStep
  state: 'done' | 'failed'
  /** Stable code of what went wrong; the words are in the set-up's row. */
  code?: string
}
export const performSetupStep = defineUpdate<SetupStepResult, [SetupStepInput]>('performSetupStep')
export const abandonSetup = defineUpdate<void, [HumanInput]>('abandonSetup')

// --- imports ----------------------------------------------------------------------------------------------------

export interface ImportRunInput {
  connectorId: string
  /** Present when the import's row exists already (upload, request); absent when a Schedule starts the run. */
  importId?: string
}
export interface ImportRunResult {
  imports: readonly ImportBalance[]
}
export interface ImportBalance {
  importId: string
  received: number
  stored: number
  duplicate: number
  quarantined: number
  ignored: number
}

export interface PrerequisiteCheckInput {
  connectorId: string
}
export interface PrerequisiteCheckResult {
  met: number
  unmet: number
  unknown: number
  connectorState: string
}

// --- evaluation -------------------------------------------------------------------------------------------------

export interface EvaluationInput {
  policyId: string
  /** True when a Schedule starts it: then everybody in a window is looked at, not only people touched since. */
  everybody?: boolean
}
export interface EvaluationResult {
  people: number
  alertsCreated: number
  alertsUpdated: number
}
export const evaluationRequested = defineSignal('evaluationRequested')

// --- triage -----------------------------------------------------------------------------------------------------

export interface TriageInput {
  alertId: string
}
export interface TriageResult {
  alertId: string
  version: number
  state: AlertState
  /** Present after `escalate`. */
  approvalId?: string
}
export interface AssignInput extends HumanInput {
  assigneeId: string | null
}
export interface WithComment extends HumanInput {
  commentId: string
}
export interface DismissInput extends WithComment {
  reason: DismissReason
}
export const assignAlert = defineUpdate<TriageResult, [AssignInput]>('assignAlert')
export const commentOnAlert = defineUpdate<TriageResult, [WithComment]>('commentOnAlert')
export const confirmAlert = defineUpdate<TriageResult, [WithComment]>('confirmAlert')
export const dismissAlert = defineUpdate<TriageResult, [DismissInput]>('dismissAlert')
export const escalateAlert = defineUpdate<TriageResult, [WithComment]>('escalateAlert')
export const reopenAlert = defineUpdate<TriageResult, [WithComment]>('reopenAlert')
/** An approval that this alert waits for has closed. */
export const approvalClosed = defineSignal<[{ approvalId: string; state: ApprovalState }]>('approvalClosed')

// --- approvals --------------------------------------------------------------------------------------------------

export type ApprovalState = 'pending' | 'approved' | 'rejected' | 'expired' | 'withdrawn'
export interface ApprovalInput {
  approvalId: string
  alertId: string
  requestedBy: string
  quorum: number
  /** ISO instants. */
  remindAt: string | null
  expiresAt: string
}
export interface DecideInput extends HumanInput {
  decision: 'approve' | 'reject'
  commentId: string | null
}
export interface ApprovalResult {
  approvalId: string
  state: ApprovalState
  approvals: number
  quorum: number
}
export const decideApproval = defineUpdate<ApprovalResult, [DecideInput]>('decideApproval')
export const withdrawApproval = defineUpdate<ApprovalResult, [HumanInput]>('withdrawApproval')

// --- cases ------------------------------------------------------------------------------------------------------

export interface CaseWorkInput {
  caseId: string
}
export interface CaseResult {
  caseId: string
  state: 'active' | 'resolved'
  revision: number
}
export interface ResolveCaseInput extends WithComment {
  resolution: CaseResolution
}
export const assignCase = defineUpdate<CaseResult, [AssignInput]>('assignCase')
export const addCaseNote = defineUpdate<CaseResult, [WithComment]>('addCaseNote')
export const resolveCase = defineUpdate<CaseResult, [ResolveCaseInput]>('resolveCase')

// --- export -----------------------------------------------------------------------------------------------------

export interface SiemExportInput {
  destinationId: string
}
export interface SiemExportState {
  state: 'sending' | 'idle' | 'stopped'
  acceptedNumber: number
  /** Stable code of what stopped it. */
  stopCode: string | null
}
export const deliveriesQueued = defineSignal('deliveriesQueued')
export const resumeExport = defineUpdate<SiemExportState, [HumanInput]>('resumeExport')
export const exportState = defineQuery<SiemExportState>('exportState')
