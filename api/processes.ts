/**
 * What the API asks of the durable processes: one named function each. Human acts are updates under the request's own
 * idempotency key, sent with a start, so that a process that was lost is there again before it is asked.
 */
import { type Client, WithStartWorkflowOperation } from '@temporalio/client'
import type { UpdateDefinition } from '@temporalio/common'
import { approvalStart, caseStart, exportStart, importStart, setupStart, triageStart } from '../activities/starting.ts'
import type {
  ApprovalInput,
  ApprovalResult,
  AssignInput,
  CaseResult,
  ConnectorSetupInput,
  DecideInput,
  DismissInput,
  HumanInput,
  ImportRunInput,
  ResolveCaseInput,
  SetupStepInput,
  SetupStepResult,
  SiemExportState,
  TriageResult,
  WithComment,
} from '../domain/processes.ts'
import * as updates from '../workflows/contract.ts'

type Start = ReturnType<typeof triageStart>

/** The same key on the same process is the same act: a double click returns the first answer. */
async function ask<Result, Input extends HumanInput>(
  client: Client,
  { type, workflowIdConflictPolicy: _, ...options }: Start,
  update: UpdateDefinition<Result, [Input]>,
  input: Input,
): Promise<Result> {
  const startWorkflowOperation = new WithStartWorkflowOperation(type, {
    ...options,
    workflowIdConflictPolicy: 'USE_EXISTING',
  })
  return client.workflow.executeUpdateWithStart(update, {
    startWorkflowOperation,
    args: [input],
    updateId: `${input.staffId}/${input.causeKey}`,
  } as never) as Promise<Result>
}

export const assignAlert = (client: Client, alertId: string, input: AssignInput): Promise<TriageResult> =>
  ask(client, triageStart(alertId), updates.assignAlert, input)
export const commentOnAlert = (client: Client, alertId: string, input: WithComment): Promise<TriageResult> =>
  ask(client, triageStart(alertId), updates.commentOnAlert, input)
export const confirmAlert = (client: Client, alertId: string, input: WithComment): Promise<TriageResult> =>
  ask(client, triageStart(alertId), updates.confirmAlert, input)
export const dismissAlert = (client: Client, alertId: string, input: DismissInput): Promise<TriageResult> =>
  ask(client, triageStart(alertId), updates.dismissAlert, input)
export const escalateAlert = (client: Client, alertId: string, input: WithComment): Promise<TriageResult> =>
  ask(client, triageStart(alertId), updates.escalateAlert, input)
export const reopenAlert = (client: Client, alertId: string, input: WithComment): Promise<TriageResult> =>
  ask(client, triageStart(alertId), updates.reopenAlert, input)

export const decideApproval = (client: Client, approval: ApprovalInput, input: DecideInput): Promise<ApprovalResult> =>
  ask(client, approvalStart(approval), updates.decideApproval, input)
export const withdrawApproval = (client: Client, approval: ApprovalInput, input: HumanInput): Promise<ApprovalResult> =>
  ask(client, approvalStart(approval), updates.withdrawApproval, input)

export const assignCase = (client: Client, caseId: string, input: AssignInput): Promise<CaseResult> =>
  ask(client, caseStart(caseId), updates.assignCase, input)
export const addCaseNote = (client: Client, caseId: string, input: WithComment): Promise<CaseResult> =>
  ask(client, caseStart(caseId), updates.addCaseNote, input)
export const resolveCase = (client: Client, caseId: string, input: ResolveCaseInput): Promise<CaseResult> =>
  ask(client, caseStart(caseId), updates.resolveCase, input)

export const performSetupStep = (
  client: Client,
  setup: ConnectorSetupInput,
  input: SetupStepInput,
): Promise<SetupStepResult> => ask(client, setupStart(setup), updates.performSetupStep, input)
export const abandonSetup = (client: Client, setup: ConnectorSetupInput, input: HumanInput): Promise<void> =>
  ask(client, setupStart(setup), updates.abandonSetup, input)

export const resumeExport = (client: Client, destinationId: string, input: HumanInput): Promise<SiemExportState> =>
  ask(client, exportStart(destinationId), updates.resumeExport, input)

/** Starts the run of an import whose row exists. */
export async function startImport(client: Client, input: ImportRunInput & { run: string; kind: string; why: string }) {
  const { type, ...options } = importStart(input)
  return client.workflow.start(type, options)
}
