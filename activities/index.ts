import { activityInfo, CancelledFailure, Context } from '@temporalio/activity'
import { endApproval, readApproval, recordDecision, remindApprovers } from './approvals.ts'
import { claimPieces, moveBackfill, sweepBackfill } from './backfill.ts'
import { changeCase, readCase } from './cases.ts'
import type { Deps } from './deps.ts'
import { buildRollups, evaluatePolicy } from './evaluation.ts'
import { drainDestination, resumeDestination, writeManifests } from './exports.ts'
import { asFailure } from './failure.ts'
import { checkDestinations, checkPolicies, recordSight } from './health.ts'
import { matchIdentities, recountDays } from './identities.ts'
import { type ActivityControls, beginImports, finishImport, runImport } from './imports.ts'
import {
  nudgeEvaluations,
  nudgeExports,
  nudgeTriage,
  openApproval,
  openCaseWork,
  openTriage,
  startCheck,
} from './nudges.ts'
import { checkPrerequisites } from './prerequisites.ts'
import { reconcileRuns } from './reconcile.ts'
import { applyConnectorSchedules } from './schedules.ts'
import { endSetup, performStep, proveSetup, readSetupState } from './setup.ts'
import { decideAlert, markAttention, readTriage, requestEscalation, settleEscalation } from './triage.ts'
import { joinUploadRun, settleUploadRun } from './uploads.ts'

const HEARTBEAT_MS = 5_000

/** Beats while work goes on, whether or not it has news: a chunk may take longer than a beat. */
async function beating<T>(work: (controls: ActivityControls) => Promise<T>): Promise<T> {
  const context = Context.current()
  let progress: unknown = context.info.heartbeatDetails ?? null
  const timer = setInterval(() => context.heartbeat(progress), HEARTBEAT_MS)
  try {
    return await work({
      signal: context.cancellationSignal,
      heartbeat: (next) => {
        progress = next
        context.heartbeat(next)
      },
    })
  } finally {
    clearInterval(timer)
  }
}

/** Every activity by its name. Each is safe to run twice; every error that leaves one has a code as its type. */
export const createActivities = (deps: Deps) =>
  guarded(deps, {
    beginImports: beginImports(deps),
    importRecords: ({ importId }: { importId: string }) => beating((controls) => runImport(deps, importId, controls)),
    finishImport: finishImport(deps),
    readSetupState: readSetupState(deps),
    settleUploadRun: settleUploadRun(deps),
    joinUploadRun: (input: { uploadRunId: string }) => beating(() => joinUploadRun(deps)(input)),
    claimPieces: claimPieces(deps),
    sweepBackfill: sweepBackfill(deps),
    moveBackfill: moveBackfill(deps),
    performStep: performStep(deps),
    endSetup: endSetup(deps),
    proveSetup: proveSetup(deps),
    checkPrerequisites: checkPrerequisites(deps),
    checkPolicies: checkPolicies(deps),
    checkDestinations: checkDestinations(deps),
    recordSight: recordSight(deps),
    applyConnectorSchedules: applyConnectorSchedules(deps),
    buildRollups: ({ policyId }: { policyId: string }) => beating((controls) => buildRollups(deps, policyId, controls)),
    evaluatePolicy: evaluatePolicy(deps),
    matchIdentities: () => beating((controls) => matchIdentities(deps, controls)),
    recountDays: () => beating((controls) => recountDays(deps, controls)),
    nudgeEvaluations: nudgeEvaluations(deps),
    nudgeExports: nudgeExports(deps),
    openTriage: openTriage(deps),
    nudgeTriage: nudgeTriage(deps),
    startCheck: startCheck(deps),
    openApproval: openApproval(deps),
    openCaseWork: openCaseWork(deps),
    decideAlert: decideAlert(deps),
    requestEscalation: requestEscalation(deps),
    settleEscalation: settleEscalation(deps),
    readTriage: readTriage(deps),
    markAttention: markAttention(deps),
    recordDecision: recordDecision(deps),
    endApproval: endApproval(deps),
    remindApprovers: remindApprovers(deps),
    readApproval: readApproval(deps),
    changeCase: changeCase(deps),
    readCase: readCase(deps),
    drainDestination: ({ destinationId }: { destinationId: string }) =>
      beating((controls) => drainDestination(deps, destinationId, controls)),
    resumeDestination: resumeDestination(deps),
    writeManifests: writeManifests(deps),
    reconcileRuns: reconcileRuns(deps),
  })

export type Activities = ReturnType<typeof createActivities>

function guarded<A extends Record<string, (input: any) => Promise<any>>>(deps: Deps, activities: A): A {
  const entries = Object.entries(activities).map(([name, activity]) => [
    name,
    async (input: unknown) => {
      try {
        return await activity(input)
      } catch (error) {
        if (Context.current().cancellationSignal.aborted) throw new CancelledFailure(`${name} was cancelled`)
        const failure = asFailure(error)
        const { attempt } = activityInfo()
        deps.log.warn({ activity: name, attempt, code: failure.type, err: error }, 'activity failed')
        throw failure
      }
    },
  ])
  return Object.fromEntries(entries) as A
}
