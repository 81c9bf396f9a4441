import { sql } from 'kysely'
import type { Connection } from '../db/connection.ts'
import { forgetUploadRuns, listOpenUploadRuns } from '../db/upload-runs.ts'
import { workflowId } from '../domain/processes.ts'
import type { Deps } from './deps.ts'
import { nudgeEvaluations, nudgeExports, nudgeTriage, openApproval, openCaseWork, openTriage } from './nudges.ts'
import { alignSchedules, type ScheduleRepairs } from './schedules.ts'
import { backfillStart, exportStart, importStart, setupStart, uploadRunStart } from './starting.ts'

export interface Repairs {
  schedules: ScheduleRepairs
  setups: number
  triage: number
  approvals: number
  /** Approvals that closed and whose alert was not told. */
  untold: number
  cases: number
  imports: number
  uploads: number
  backfills: number
  evaluations: number
  exports: number
  /** Destinations with something queued, woken again. */
  nudged: number
}

/** An import that somebody started may still be on its way to its workflow. */
const STRAY_AFTER_MS = 60_000
/** Seen keys are kept longer than any overlap looks back. */
const SEEN_KEPT_DAYS = 14
/** A script resumes a file for 14 days. */
const UPLOADS_KEPT_DAYS = 15
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

  const untold = await untoldAlerts(deps.db)
  await nudgeTriage(deps)({ alertIds: untold })

  const setups = await restartSetups(deps, await running('connectorSetup'))
  const uploads = await restartUploadRuns(deps, await running('uploadRun'))
  const imports = await restartImports(deps, await running('importRun'))
  const exports = await restartExports(deps, await running('siemExport'))
  const backfills = await restartBackfills(deps, await running('backfill'))
  await forgetOld(deps)
  return {
    schedules,
    setups,
    triage: lostTriage.length,
    approvals: lostApprovals.length,
    untold: untold.length,
    cases: lostCases.length,
    imports,
    uploads,
    backfills,
    evaluations: await nudgeEvaluations(deps)(),
    exports,
    nudged: await nudgeExports(deps)({}),
  }
}

/** Open alerts with an approval that closed a while ago and is no part of them yet. */
async function untoldAlerts(db: Connection): Promise<string[]> {
  const rows = await db
    .selectFrom('approval')
    .innerJoin('alert', 'alert.id', 'approval.alert_id')
    .select('alert.id')
    .distinct()
    .where('alert.state', 'in', ['needs_review', 'confirmed'])
    .where('approval.closed_at', '<', new Date(Date.now() - STRAY_AFTER_MS))
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('alert_version')
            .select('version')
            .whereRef('alert_version.alert_id', '=', 'alert.id')
            .where('cause_key', '=', sql<string>`'approval/' || approval.id`),
        ),
      ),
    )
    .execute()
  return rows.map(({ id }) => id)
}

async function restartSetups(deps: Deps, runs: ReadonlySet<string>): Promise<number> {
  const waiting = await deps.db
    .selectFrom('connector_setup')
    .innerJoin('connector', 'connector.id', 'connector_setup.connector_id')
    .select(['connector_setup.id', 'connector_setup.connector_id', 'connector.kind'])
    .where('connector_setup.state', '=', 'open')
    .execute()
  const lost = waiting.filter((row) => !runs.has(workflowId.setup(row.connector_id)))
  for (const { id, connector_id, kind } of lost)
    await start(deps, setupStart({ setupId: id, connectorId: connector_id, kind }))
  return lost.length
}

/** Every destination has its sender, also one that is stopped: there an operator resumes it. */
async function restartExports(deps: Deps, runs: ReadonlySet<string>): Promise<number> {
  const destinations = await deps.db.selectFrom('destination').select('id').where('state', '<>', 'retired').execute()
  const lost = destinations.filter(({ id }) => !runs.has(workflowId.siemExport(id)))
  for (const { id } of lost) await start(deps, exportStart(id))
  return lost.length
}

async function start(deps: Deps, { type, ...options }: ReturnType<typeof importStart>): Promise<void> {
  await deps.temporal.workflow.start(type, options)
}

/**
 * Imports that nobody works on: their start was lost between their row and Temporal, or their run was ended. The next
 * scheduled run of a drop folder takes its own.
 */
async function restartImports(deps: Deps, runs: ReadonlySet<string>): Promise<number> {
  const stray = await deps.db
    .selectFrom('import')
    .innerJoin('connector', 'connector.id', 'import.connector_id')
    .select(['import.id', 'import.connector_id', 'import.source', 'import.body_sha256', 'connector.kind'])
    .where('import.state', '=', 'running')
    .where('import.source', '<>', 'drop_folder')
    .where('import.started_at', '<', new Date(Date.now() - STRAY_AFTER_MS))
    .execute()
  const running = [...runs]
  const lost = stray.filter((row) => {
    const run = workflowId.importRun(row.connector_id, row.body_sha256 ?? row.id)
    // A scheduled run is named by its time: while any goes on, the row may be its.
    const scheduled = row.source === 'schedule' && running.some((id) => id.startsWith(`import/${row.connector_id}/`))
    return !runs.has(run) && !scheduled
  })
  for (const row of lost) {
    const run = row.body_sha256 ?? row.id
    await start(
      deps,
      importStart({ connectorId: row.connector_id, importId: row.id, run, kind: row.kind, why: row.source }),
    )
  }
  return lost.length
}

/** Runs of uploads whose start was lost, or whose end failed for a reason that may have passed. */
async function restartUploadRuns(deps: Deps, runs: ReadonlySet<string>): Promise<number> {
  const lost = (await listOpenUploadRuns(deps.db)).filter(({ id }) => !runs.has(workflowId.uploadRun(id)))
  for (const { id, connector_id } of lost) await start(deps, uploadRunStart(id, connector_id))
  return lost.length
}

/** Backfills that nobody reads on with, a paused one included: it waits for `resume`. */
async function restartBackfills(deps: Deps, runs: ReadonlySet<string>): Promise<number> {
  const open = await deps.db
    .selectFrom('backfill')
    .innerJoin('connector', 'connector.id', 'backfill.connector_id')
    .select(['backfill.id', 'backfill.connector_id', 'connector.kind'])
    .where('backfill.finished_at', 'is', null)
    .execute()
  const lost = open.filter(({ id }) => !runs.has(workflowId.backfill(id)))
  for (const { id, connector_id, kind } of lost) {
    const { type, ...options } = backfillStart({ backfillId: id, connectorId: connector_id, kind })
    await deps.temporal.workflow.start(type, options)
  }
  return lost.length
}

async function forgetOld(deps: Deps): Promise<void> {
  const before = (days: number) => new Date(Date.now() - days * 86_400_000)
  await deps.db.deleteFrom('seen_key').where('seen_at', '<', before(SEEN_KEPT_DAYS)).execute()
  await forgetUploadRuns(deps.db, before(UPLOADS_KEPT_DAYS))
  await deps.db.deleteFrom('idempotent_response').where('created_at', '<', before(IDEMPOTENT_KEPT_DAYS)).execute()
}
