/** How each durable process is started: id, queue and the words by which operators recognise it. */
import type { WorkflowStartOptions } from '@temporalio/client'
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common'
import {
  type ApprovalInput,
  type ImportRunInput,
  SEARCH_ATTRIBUTES,
  TASK_QUEUES,
  workflowId,
} from '../domain/processes.ts'

/** The time-skipping test server knows no search attributes; there they are left off. */
export const withSearchAttributes = (): boolean => process.env['OPENIRM_SEARCH_ATTRIBUTES'] !== 'off'

type Attribute = keyof typeof SEARCH_ATTRIBUTES

/** Opaque ids for the Temporal UI's filters. */
export function searchAttributes(values: Partial<Record<Attribute, string>>): {
  typedSearchAttributes?: TypedSearchAttributes
} {
  if (!withSearchAttributes()) return {}
  const pairs = Object.entries(values).map(([name, value]) => ({
    key: defineSearchAttributeKey(SEARCH_ATTRIBUTES[name as Attribute], SearchAttributeType.KEYWORD),
    value,
  }))
  return { typedSearchAttributes: new TypedSearchAttributes(pairs) }
}

type Start = { type: string } & Omit<WorkflowStartOptions, 'args'> & { args: unknown[] }

/** Repeating a start finds the run that is there already; after its end a new one may begin. */
const AGAIN = { workflowIdConflictPolicy: 'USE_EXISTING', workflowIdReusePolicy: 'ALLOW_DUPLICATE' } as const

export const setupStart = (input: { setupId: string; connectorId: string; kind: string }): Start => ({
  type: 'connectorSetup',
  workflowId: workflowId.setup(input.connectorId),
  taskQueue: TASK_QUEUES.imports,
  args: [input],
  staticSummary: `Set up a ${input.kind} connector`,
  staticDetails: `Guided set-up \`${input.setupId}\` of connector \`${input.connectorId}\`. Waits for an admin; its steps are in the API under /v1/set-ups/${input.setupId}.`,
  ...AGAIN,
  ...searchAttributes({ connector: input.connectorId, state: 'open' }),
})

export const importStart = (input: ImportRunInput & { run: string; kind: string; why: string }): Start => ({
  type: 'importRun',
  workflowId: workflowId.importRun(input.connectorId, input.run),
  taskQueue: TASK_QUEUES.imports,
  args: [{ connectorId: input.connectorId, ...(input.importId ? { importId: input.importId } : {}) }],
  staticSummary: `Import from ${input.kind} (${input.why})`,
  staticDetails: `Connector \`${input.connectorId}\`${input.importId ? `, import \`${input.importId}\`` : ''}.`,
  ...AGAIN,
  ...searchAttributes({ connector: input.connectorId, state: 'running' }),
})

export const uploadRunStart = (uploadRunId: string, connectorId: string): Start => ({
  type: 'uploadRun',
  workflowId: workflowId.uploadRun(uploadRunId),
  taskQueue: TASK_QUEUES.imports,
  args: [{ uploadRunId }],
  staticSummary: 'Collect the blocks of an upload',
  staticDetails: `Upload run \`${uploadRunId}\` of connector \`${connectorId}\`. Waits until no further block comes, joins them and starts their import.`,
  ...AGAIN,
  ...searchAttributes({ connector: connectorId, state: 'collecting' }),
})

export const backfillStart = (input: { backfillId: string; connectorId: string; kind: string }): Start => ({
  type: 'backfill',
  workflowId: workflowId.backfill(input.backfillId),
  taskQueue: TASK_QUEUES.imports,
  args: [{ backfillId: input.backfillId }],
  staticSummary: `Backfill from ${input.kind}`,
  staticDetails: `Backfill \`${input.backfillId}\` of connector \`${input.connectorId}\`. Reads the past piece by piece; can be paused, resumed and cancelled.`,
  ...AGAIN,
  ...searchAttributes({ connector: input.connectorId, state: 'running' }),
})

export const prerequisiteStart = (connectorId: string, kind: string): Start => ({
  type: 'prerequisiteCheck',
  workflowId: workflowId.prerequisites(connectorId),
  taskQueue: TASK_QUEUES.imports,
  args: [{ connectorId }],
  staticSummary: `Check the prerequisites of a ${kind} connector`,
  staticDetails: `Connector \`${connectorId}\`. A failing check pauses it and says which policies are blind.`,
  ...AGAIN,
  ...searchAttributes({ connector: connectorId }),
})

/** It belongs to no row: its id is the same for ever. */
export const healthRound = (): Start => ({
  type: 'healthRound',
  workflowId: workflowId.healthRound,
  taskQueue: TASK_QUEUES.evaluation,
  args: [],
  staticSummary: 'Check policies and destinations',
  staticDetails: 'Checks their prerequisites and writes the days that are over into the blind-spot map.',
  ...AGAIN,
})

/** It belongs to no row: its id is the same for ever. */
export const identityUpkeep = (): Start => ({
  type: 'identityUpkeep',
  workflowId: workflowId.identityUpkeep,
  taskQueue: TASK_QUEUES.evaluation,
  args: [],
  staticSummary: 'Join accounts and count their days',
  staticDetails:
    'Joins accounts by the rules of the installation, and counts the days of accounts whose owner changed.',
  ...AGAIN,
})

export const evaluationStart = (policyId: string, everybody = false): Start => ({
  type: 'evaluation',
  workflowId: workflowId.evaluation(policyId),
  taskQueue: TASK_QUEUES.evaluation,
  args: [{ policyId, everybody }],
  staticSummary: 'Evaluate a policy',
  staticDetails: `Policy \`${policyId}\`. Looks again at people whose signals changed.`,
  ...AGAIN,
  ...searchAttributes({ policy: policyId }),
})

export const triageStart = (alertId: string): Start => ({
  type: 'alertTriage',
  workflowId: workflowId.triage(alertId),
  taskQueue: TASK_QUEUES.triage,
  args: [{ alertId }],
  staticSummary: 'Triage an alert',
  staticDetails: `Alert \`${alertId}\`. Waits for analysts; clocks remind and never decide.`,
  ...AGAIN,
  ...searchAttributes({ alert: alertId, state: 'open' }),
})

export const approvalStart = (input: ApprovalInput): Start => ({
  type: 'approval',
  workflowId: workflowId.approval(input.approvalId),
  taskQueue: TASK_QUEUES.triage,
  args: [input],
  staticSummary: 'Approve an escalation',
  staticDetails: `Approval \`${input.approvalId}\` for alert \`${input.alertId}\`. Needs ${input.quorum} approver(s) who did not ask for it.`,
  ...AGAIN,
  ...searchAttributes({ alert: input.alertId, state: 'pending' }),
})

export const caseStart = (caseId: string): Start => ({
  type: 'caseWork',
  workflowId: workflowId.caseWork(caseId),
  taskQueue: TASK_QUEUES.triage,
  args: [{ caseId }],
  staticSummary: 'Work on a case',
  staticDetails: `Case \`${caseId}\`. Ends when it is resolved.`,
  ...AGAIN,
  ...searchAttributes({ state: 'active' }),
})

export const exportStart = (destinationId: string): Start => ({
  type: 'siemExport',
  workflowId: workflowId.siemExport(destinationId),
  taskQueue: TASK_QUEUES.exports,
  args: [{ destinationId }],
  staticSummary: 'Deliver alerts to a destination',
  staticDetails: `Destination \`${destinationId}\`. Sends its sequence in order; after a permanent refusal it waits for \`resume\`.`,
  ...AGAIN,
  ...searchAttributes({ destination: destinationId }),
})
