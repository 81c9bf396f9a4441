import type { ConnectorDefinition, Prerequisite } from '../connectors/connector.ts'
import { connectorKind } from '../connectors/kinds.ts'
import type { Connection } from '../db/connection.ts'
import {
  bookBlindness,
  type CheckOutcome,
  connectorHistory,
  pauseOrResume,
  storePrerequisites,
} from '../db/prerequisites.ts'
import { isAppError } from '../domain/errors.ts'
import type { PrerequisiteCheckResult } from '../domain/processes.ts'
import { loadTemplates } from '../policies/load.ts'
import { configuredConnector } from './connector-config.ts'
import type { Deps } from './deps.ts'

/** One check answers within this time or is unknown. */
const CHECK_TIMEOUT_MS = 20_000

/** Runs the checks of a connector, stores what they found, pauses or resumes it, and says which policies are blind. */
export const checkPrerequisites =
  (deps: Deps) =>
  async ({ connectorId }: { connectorId: string }): Promise<PrerequisiteCheckResult> => {
    const row = await deps.db.selectFrom('connector').selectAll().where('id', '=', connectorId).executeTakeFirst()
    if (!row || row.state === 'retired') return { met: 0, unmet: 0, unknown: 0, connectorState: row?.state ?? 'gone' }
    const definition = connectorKind(row.kind)
    // A check of the outside runs before any transaction is open.
    const outcomes = await allChecks(deps, row, definition)
    const connectorState = await deps.db.transaction().execute(async (tx) => {
      await storePrerequisites(tx, connectorId, outcomes)
      if (row.state === 'draft') return row.state
      await bookBlindness(tx, connectorId, await dependentPolicies(tx, definition), outcomes)
      return pauseOrResume(tx, connectorId, outcomes)
    })
    const count = (state: string) => outcomes.filter((outcome) => outcome.state === state).length
    return { met: count('met'), unmet: count('unmet'), unknown: count('unknown'), connectorState }
  }

/** Without settings that open, no condition is met. */
async function allChecks(
  deps: Deps,
  row: { id: string; kind: string; settings: unknown; secret_id: string | null },
  definition: ConnectorDefinition,
): Promise<CheckOutcome[]> {
  try {
    const { config } = await configuredConnector(deps.db, deps.vault, row)
    return await runChecks(deps, row.id, definition, config, definition.prerequisites)
  } catch (error) {
    if (!isAppError(error) || error.retryable) throw error
    const detail = `${error.message}. ${error.fix ?? ''}`.trim()
    return definition.prerequisites.map((check) => ({
      ...placeOf(definition, check),
      state: 'unmet',
      code: error.code,
      detail,
      mendedBy: 'admin',
    }))
  }
}

const placeOf = (definition: ConnectorDefinition, { id, anchor, when }: Prerequisite<any>) => ({
  checkId: id,
  guide: `${definition.guide}#${anchor}`,
  mendedBy: when === 'after' ? ('import' as const) : ('admin' as const),
})

export async function runChecks(
  deps: Deps,
  connectorId: string,
  definition: ConnectorDefinition,
  config: unknown,
  checks: readonly Prerequisite<any>[],
): Promise<CheckOutcome[]> {
  const now = new Date()
  const history = await connectorHistory(deps.db, connectorId, now)
  const access = deps.access.of(connectorId, definition.pull?.limit)
  const outcomes: CheckOutcome[] = []
  for (const check of checks) {
    const place = placeOf(definition, check)
    try {
      const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS)
      const found = await check.check({ config, now, history, signal, access })
      outcomes.push({ ...place, ...found })
    } catch (error) {
      // A check that cannot be made says nothing about the condition.
      const code = isAppError(error) ? error.code : 'check_failed'
      outcomes.push({ ...place, state: 'unknown', code, detail: 'The check itself could not be made.' })
    }
  }
  return outcomes
}

/** Enabled policies that need what this kind yields. */
async function dependentPolicies(tx: Connection, definition: ConnectorDefinition): Promise<string[]> {
  const templates = loadTemplates()
  const policies = await tx.selectFrom('policy').select(['id', 'template']).where('state', '=', 'enabled').execute()
  return policies
    .filter(({ template }) => {
      const needs = templates.get(template)?.needs
      return (
        needs?.activities.includes(definition.id) ||
        needs?.facts.some((kind) => definition.yields.facts.includes(kind as never))
      )
    })
    .map(({ id }) => id)
}
