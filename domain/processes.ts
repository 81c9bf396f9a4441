/**
 * The durable processes as everybody else sees them: ids, queues, inputs, results. Payloads carry opaque ids, counts and
 * cursors; words that people type are stored first and travel as the id of their row.
 */
import type { AlertState, CaseResolution, DismissReason } from './alert.ts'

/** Workers scale by queue. */
export const TASK_QUEUES = {
  imports: 'openirm-imports',
  evaluation: 'openirm-evaluation',
  triage: 'openirm-triage',
  exports: 'openirm-exports',
} as const

/** Search attributes, all keywords. Opaque ids only: they bypass the payload codec. */
export const SEARCH_ATTRIBUTES = {
  connector: 'OpenIrmConnector',
  policy: 'OpenIrmPolicy',
  alert: 'OpenIrmAlert',
  destination: 'OpenIrmDestination',
  state: 'OpenIrmState',
} as const

/** Signals are only nudges; decisions are updates. */
export const SIGNALS = {
  evaluationRequested: 'evaluationRequested',
  deliveriesQueued: 'deliveriesQueued',
  /** Something other than the triage's own updates changed the alert: its evidence, its approval, its case. */
  alertChanged: 'alertChanged',
  firstImportStored: 'firstImportStored',
  uploadCompleted: 'uploadCompleted',
  identitiesChanged: 'identitiesChanged',
} as const

export const workflowId = {
  setup: (connectorId: string) => `setup/${connectorId}`,
  /** `run` is the nominal time or the body's SHA-256: the same file twice is one run. */
  importRun: (connectorId: string, run: string) => `import/${connectorId}/${run}`,
  uploadRun: (uploadRunId: string) => `upload/${uploadRunId}`,
  backfill: (backfillId: string) => `backfill/${backfillId}`,
  prerequisites: (connectorId: string) => `prerequisites/${connectorId}`,
  evaluation: (policyId: string) => `evaluate/${policyId}`,
  triage: (alertId: string) => `triage/${alertId}`,
  approval: (approvalId: string) => `approval/${approvalId}`,
  caseWork: (caseId: string) => `case/${caseId}`,
  siemExport: (destinationId: string) => `export/${destinationId}`,
  reconcile: 'reconcile',
  healthRound: 'health',
  identityUpkeep: 'identities',
} as const

export const scheduleId = {
  import: (connectorId: string) => `import/${connectorId}`,
  prerequisites: (connectorId: string) => `prerequisites/${connectorId}`,
  evaluation: (policyId: string) => `evaluate/${policyId}`,
  reconcile: 'reconcile',
  manifests: 'manifests',
  healthRound: 'health',
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

// --- imports ----------------------------------------------------------------------------------------------------

export interface ImportRunInput {
  connectorId: string
  /** Present when the import's row exists already (upload, request); absent when a Schedule starts the run. */
  importId?: string
  /** Several imports whose rows exist, read one after the other: consecutive pieces of a backfill. */
  importIds?: readonly string[]
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

export interface UploadRunInput {
  uploadRunId: string
}
export interface UploadRunResult {
  importIds: readonly string[]
}

// --- backfills ---------------------------------------------------------------------------------------------------

export interface BackfillInput {
  backfillId: string
}

export const BACKFILL_STATES = ['running', 'paused', 'completed', 'cancelled'] as const
export type BackfillState = (typeof BACKFILL_STATES)[number]

export interface BackfillProgress {
  state: BackfillState
  pieces: number
  done: number
  /** Tried in vain until the tries were spent. */
  setAside: number
  running: number
  waiting: number
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

export interface HealthRoundResult {
  policies: number
  /** Of them, those that a condition of their own blinds. */
  blindPolicies: number
  destinations: number
  unmetDestinations: number
  /** Policy-days that were written down. */
  days: number
}

// --- identities -------------------------------------------------------------------------------------------------

export interface IdentityUpkeepResult {
  /** Accounts. */
  compared: number
  /** Pieces of person-days. */
  recounted: number
}

// --- evaluation -------------------------------------------------------------------------------------------------

export interface EvaluationInput {
  policyId: string
  /** True when a Schedule starts it: then everybody in a window is looked at, not only people touched since. */
  everybody?: boolean
  /** What the runs before brought about that this one continues. */
  before?: EvaluationResult
}
export interface EvaluationResult {
  people: number
  alertsCreated: number
  alertsUpdated: number
}

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
