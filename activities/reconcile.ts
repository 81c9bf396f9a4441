import type { Deps } from './deps.ts'
import { nudgeEvaluations, nudgeExports, openApproval, openCaseWork, openTriage } from './nudges.ts'
import { alignSchedules, type ScheduleRepairs } from './schedules.ts'
import { importStart } from './starting.ts'

export interface Repairs {
  schedules: ScheduleRepairs
  triage: number
  approvals: number
  cases: number
  imports: number
  evaluations: number
  exports: number
}

/** An import that somebody started may still be on its way to its workflow. */
const STRAY_AFTER_MS = 60_000
/** Seen keys are kept longer than any overlap looks back. */
const SEEN_KEPT_DAYS = 14
/** Answers to repeated requests are kept so long. */
const IDEMPOTENT_KEPT_DAYS = 7

/**
 * Compares the rows with what runs in Temporal and starts what is missing: PostgreSQL is the truth about nouns. Safe to
 * repeat, since every start finds the run that is there.
 */
export const reconcileRuns = (deps: Deps) => async (): Promise<Repairs> => {
  const running = async (type: string) => {
    const ids = new Set<string>()
    for await (const run of deps.temporal.workflow.list({
      query: `WorkflowType = '${type}' AND ExecutionStatus = 'Running'`,
    })) {
      ids.add(run.workflowId)
    }
    return ids
  }
  const schedules = await alignSchedules(deps)

  const triageRuns = await running('alertTriage')
  const open = await deps.db
    .selectFrom('alert')
    .select('id')
    .where('state', 'in', ['needs_review', 'confirmed'])
    .execute()
  const lostTriage = open.filter(({ id }) => !triageRuns.has(`triage/${id}`)).map(({ id }) => id)
  await openTriage(deps)({ alertIds: lostTriage })

  const approvalRuns = await running('approval')
  const pending = await deps.db.selectFrom('approval').selectAll().where('state', '=', 'pending').execute()
  const lostApprovals = pending.filter(({ id }) => !approvalRuns.has(`approval/${id}`))
  for (const row of lostApprovals) {
    await openApproval(deps)({
      approvalId: row.id,
      alertId: row.alert_id,
      requestedBy: row.requested_by,
      quorum: row.quorum,
      remindAt: row.remind_at?.toISOString() ?? null,
      expiresAt: row.expires_at.toISOString(),
    })
  }

  const caseRuns = await running('caseWork')
  const cases = await deps.db.selectFrom('case_file').select('id').where('state', '=', 'active').execute()
  const lostCases = cases.filter(({ id }) => !caseRuns.has(`case/${id}`))
  for (const { id } of lostCases) await openCaseWork(deps)({ caseId: id })

  const lostImports = await restartImports(deps, await running('importRun'))
  await forgetOld(deps)
  return {
    schedules,
    triage: lostTriage.length,
    approvals: lostApprovals.length,
    cases: lostCases.length,
    imports: lostImports,
    evaluations: await nudgeEvaluations(deps)(),
    exports: await nudgeExports(deps)({}),
  }
}

/** Imports whose start was lost between their row and Temporal. */
async function restartImports(deps: Deps, runs: ReadonlySet<string>): Promise<number> {
  const stray = await deps.db
    .selectFrom('import')
    .innerJoin('connector', 'connector.id', 'import.connector_id')
    .select(['import.id', 'import.connector_id', 'import.source', 'import.body_sha256', 'connector.kind'])
    .where('import.state', '=', 'running')
    .where('import.source', 'in', ['request', 'upload', 'cli', 'redrive'])
    .where('import.started_at', '<', new Date(Date.now() - STRAY_AFTER_MS))
    .execute()
  const lost = stray.filter((row) => !runs.has(`import/${row.connector_id}/${row.body_sha256 ?? row.id}`))
  for (const row of lost) {
    const { type, ...options } = importStart({
      connectorId: row.connector_id,
      importId: row.id,
      run: row.body_sha256 ?? row.id,
      kind: row.kind,
      why: row.source,
    })
    await deps.temporal.workflow.start(type, options)
  }
  return lost.length
}

async function forgetOld(deps: Deps): Promise<void> {
  const before = (days: number) => new Date(Date.now() - days * 86_400_000)
  await deps.db.deleteFrom('seen_key').where('seen_at', '<', before(SEEN_KEPT_DAYS)).execute()
  await deps.db.deleteFrom('idempotent_response').where('created_at', '<', before(IDEMPOTENT_KEPT_DAYS)).execute()
}
