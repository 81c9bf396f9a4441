import type { Client } from '@temporalio/client'
import { readConnector } from '../db/connectors.ts'
import { spreadNotices } from '../db/notices.ts'
import { type ApprovalInput, SIGNALS } from '../domain/processes.ts'
import type { Deps } from './deps.ts'
import { identitiesWait } from './identities.ts'
import {
  approvalStart,
  caseStart,
  evaluationStart,
  exportStart,
  identityUpkeep,
  prerequisiteStart,
  triageStart,
} from './starting.ts'

/** Starts what is not running; a repeated call finds it running. */
async function ensure(client: Client, { type, ...options }: ReturnType<typeof triageStart>): Promise<void> {
  await client.workflow.start(type, options)
}

/** Wakes a process with a signal, starting it where it is not there. */
async function wake(
  client: Client,
  { type, ...options }: ReturnType<typeof triageStart>,
  signal: string,
): Promise<void> {
  await client.workflow.signalWithStart(type, { ...options, signal, signalArgs: [] })
}

/** Has the prerequisites of a connector checked soon; a check that is under way is enough. */
export const startCheck =
  (deps: Deps) =>
  async ({ connectorId }: { connectorId: string }): Promise<void> => {
    const { kind } = await readConnector(deps.db, connectorId)
    await ensure(deps.temporal, prerequisiteStart(connectorId, kind))
  }

/** The upkeep of identities, where accounts came that nobody compared or days wait to be counted. */
export async function nudgeIdentities(deps: Deps): Promise<void> {
  if (await identitiesWait(deps.db)) await wake(deps.temporal, identityUpkeep(), SIGNALS.identitiesChanged)
}

/** Policies with people to look at again; what an import brought may also join people, or part them. */
export const nudgeEvaluations = (deps: Deps) => async (): Promise<number> => {
  await nudgeIdentities(deps)
  await spreadNotices(deps.db)
  const policies = await deps.db.selectFrom('evaluation_request').select('policy_id').distinct().execute()
  for (const { policy_id } of policies)
    await wake(deps.temporal, evaluationStart(policy_id), SIGNALS.evaluationRequested)
  return policies.length
}

/** Destinations with something queued; all of them when none are named. */
export const nudgeExports =
  (deps: Deps) =>
  async ({ destinations }: { destinations?: readonly string[] }): Promise<number> => {
    const ids =
      destinations ??
      (
        await deps.db
          .selectFrom('destination')
          .select('id')
          .where('state', '=', 'active')
          .whereRef('accepted_number', '<', 'last_number')
          .execute()
      ).map(({ id }) => id)
    for (const id of ids) await wake(deps.temporal, exportStart(id), SIGNALS.deliveriesQueued)
    return ids.length
  }

export const openTriage =
  (deps: Deps) =>
  async ({ alertIds }: { alertIds: readonly string[] }): Promise<void> => {
    for (const alertId of alertIds) await ensure(deps.temporal, triageStart(alertId))
  }

/** The triages of alerts that changed otherwise than by their own updates; one that is not there is started. */
export const nudgeTriage =
  (deps: Deps) =>
  async ({ alertIds }: { alertIds: readonly string[] }): Promise<void> => {
    for (const alertId of alertIds) await wake(deps.temporal, triageStart(alertId), SIGNALS.alertChanged)
  }

export const openApproval =
  (deps: Deps) =>
  (approval: ApprovalInput): Promise<void> =>
    ensure(deps.temporal, approvalStart(approval))

export const openCaseWork =
  (deps: Deps) =>
  ({ caseId }: { caseId: string }): Promise<void> =>
    ensure(deps.temporal, caseStart(caseId))
