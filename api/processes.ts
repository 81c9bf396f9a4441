/**
 * What the API asks of the durable processes: one named function each. Human acts are updates under the request's own
 * idempotency key, sent with a start, so that a process that was lost is there again before it is asked.
 */
import { type Client, WithStartWorkflowOperation } from '@temporalio/client'
import type { UpdateDefinition } from '@temporalio/common'
import type { Deps } from '../activities/deps.ts'
import { alignSchedules } from '../activities/schedules.ts'
import {
  approvalStart,
  backfillStart,
  caseStart,
  evaluationStart,
  exportStart,
  healthRound,
  identityUpkeep,
  importStart,
  prerequisiteStart,
  setupStart,
  triageStart,
  uploadRunStart,
} from '../activities/starting.ts'
import { AppError } from '../domain/errors.ts'
import {
  type ApprovalInput,
  type ApprovalResult,
  type AssignInput,
  type BackfillProgress,
  type CaseResult,
  type ConnectorSetupInput,
  type DecideInput,
  type DismissInput,
  type HealthRoundResult,
  type HumanInput,
  type ImportRunInput,
  type PrerequisiteCheckResult,
  type ResolveCaseInput,
  type SetupStepInput,
  type SetupStepResult,
  SIGNALS,
  type SiemExportState,
  scheduleId,
  type TriageResult,
  type WithComment,
  workflowId,
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
  return inTime(
    client,
    () =>
      client.workflow.executeUpdateWithStart(update, {
        startWorkflowOperation,
        args: [input],
        updateId: `${input.staffId}/${input.causeKey}`,
      } as never) as Promise<Result>,
  )
}

/** A person waits for the answer: below the request's own limit. */
const ANSWER_WITHIN_MS = 25_000
/** A server that does not say who it is within this counts as unreachable. */
const PRESENT_WITHIN_MS = 3_000

/** Tells soon that Temporal is away, which a call alone would retry until its time is up. */
async function mustBePresent(client: Client): Promise<void> {
  try {
    await client.workflow.withDeadline(Date.now() + PRESENT_WITHIN_MS, () => client.workflowService.getSystemInfo({}))
  } catch (cause) {
    throw new AppError('temporal_unavailable', 'Temporal cannot be reached', {
      cause,
      fix: 'Try again with the same key.',
    })
  }
}

async function inTime<Result>(client: Client, call: () => Promise<Result>): Promise<Result> {
  await mustBePresent(client)
  return client.workflow.withDeadline(Date.now() + ANSWER_WITHIN_MS, call)
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

type Backfill = Parameters<typeof backfillStart>[0]

export const pauseBackfill = (client: Client, backfill: Backfill, input: HumanInput): Promise<BackfillProgress> =>
  ask(client, backfillStart(backfill), updates.pauseBackfill, input)
export const resumeBackfill = (client: Client, backfill: Backfill, input: HumanInput): Promise<BackfillProgress> =>
  ask(client, backfillStart(backfill), updates.resumeBackfill, input)
export const cancelBackfill = (client: Client, backfill: Backfill, input: HumanInput): Promise<BackfillProgress> =>
  ask(client, backfillStart(backfill), updates.cancelBackfill, input)

/** Begins a backfill whose rows exist. */
export async function startBackfill(client: Client, backfill: Backfill): Promise<void> {
  const { type, ...options } = backfillStart(backfill)
  await client.workflow.start(type, options)
}

/** Starts the run of an import whose row exists. */
export async function startImport(client: Client, input: ImportRunInput & { run: string; kind: string; why: string }) {
  const { type, ...options } = importStart(input)
  return client.workflow.start(type, options)
}

/** Sees to a run of uploads from its first block on; told at once when no further one will come. */
export async function collectUploads(
  client: Client,
  run: { runId: string; connectorId: string; complete: boolean },
): Promise<void> {
  const { type, ...options } = uploadRunStart(run.runId, run.connectorId)
  if (!run.complete) await client.workflow.start(type, options)
  else await client.workflow.signalWithStart(type, { ...options, signal: SIGNALS.uploadCompleted, signalArgs: [] })
}

/** Waits for an admin from now on. */
export async function startSetup(client: Client, input: ConnectorSetupInput): Promise<void> {
  const { type, ...options } = setupStart(input)
  await client.workflow.start(type, options)
}

/** Checks now and waits for the outcome; a check that is under way already is waited for. */
export async function checkPrerequisites(
  client: Client,
  connectorId: string,
  kind: string,
): Promise<PrerequisiteCheckResult> {
  const { type, ...options } = prerequisiteStart(connectorId, kind)
  return inTime(client, async () => (await client.workflow.start(type, options)).result())
}

/** Checks soon; the connector's row tells the outcome. */
export async function startCheck(client: Client, connectorId: string, kind: string): Promise<void> {
  const { type, ...options } = prerequisiteStart(connectorId, kind)
  await client.workflow.start(type, options)
}

/** Asks a running import to stop. Throws WorkflowNotFoundError when none runs. */
export const cancelImport = (client: Client, connectorId: string, run: string): Promise<unknown> =>
  inTime(client, () => client.workflow.getHandle(workflowId.importRun(connectorId, run)).cancel())

/** Looks at everybody of a policy, or at those whose signals changed where an evaluation runs already. */
export async function requestEvaluation(client: Client, policyId: string): Promise<void> {
  const { type, ...options } = evaluationStart(policyId, true)
  await inTime(client, () =>
    client.workflow.signalWithStart(type, { ...options, signal: SIGNALS.evaluationRequested, signalArgs: [] }),
  )
}

/** Checks policies and destinations, and waits for what was found. */
export async function checkHealth(client: Client): Promise<HealthRoundResult> {
  const { type, ...options } = healthRound()
  return inTime(client, async () => (await client.workflow.start(type, options)).result() as Promise<HealthRoundResult>)
}

/** The same, without waiting. */
export async function startHealthRound(client: Client): Promise<void> {
  const { type, ...options } = healthRound()
  await inTime(client, () => client.workflow.start(type, options))
}

/** Has accounts compared and days counted, soon. */
export async function wakeIdentities(client: Client): Promise<void> {
  const { type, ...options } = identityUpkeep()
  await client.workflow.signalWithStart(type, { ...options, signal: SIGNALS.identitiesChanged, signalArgs: [] })
}

/** Starts the sender of a destination, or wakes it. */
export async function wakeExport(client: Client, destinationId: string): Promise<void> {
  const { type, ...options } = exportStart(destinationId)
  await client.workflow.signalWithStart(type, { ...options, signal: SIGNALS.deliveriesQueued, signalArgs: [] })
}

/** Ends the sender of a destination that is retired. */
export const endExport = (client: Client, destinationId: string): Promise<unknown> =>
  client.workflow.getHandle(workflowId.siemExport(destinationId)).cancel()

/** Makes the Schedules of a connector what its row says. */
export const alignConnector = (deps: Deps, connectorId: string): Promise<unknown> =>
  alignSchedules(deps, (id) => id === scheduleId.import(connectorId) || id === scheduleId.prerequisites(connectorId))

/** Makes the Schedule of a policy what its row says. */
export const alignPolicy = (deps: Deps, policyId: string): Promise<unknown> =>
  alignSchedules(deps, (id) => id === scheduleId.evaluation(policyId))
