import { type ConnectorDefinition, limitOf, type Prerequisite } from '../connectors/connector.ts'
import { prerequisitesOf } from '../connectors/everywhere.ts'
import { connectorKind } from '../connectors/kinds.ts'
import { bookBlindness } from '../db/blindness.ts'
import type { Connection } from '../db/connection.ts'
import type { PauseReason } from '../db/connectors.ts'
import { type CheckOutcome, connectorHistory, pauseOrResume, storePrerequisites } from '../db/prerequisites.ts'
import { isAppError } from '../domain/errors.ts'
import type { PrerequisiteCheckResult } from '../domain/processes.ts'
import { askAll, outside, placeOf } from './checking.ts'
import { configuredConnector } from './connector-config.ts'
import type { Deps } from './deps.ts'
import { brings, needsOf } from './needs.ts'

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
      await storePrerequisites(tx, { kind: 'connector', id: connectorId }, outcomes)
      if (row.state === 'draft') return row.state
      const state = await pauseOrResume(tx, connectorId, outcomes)
      const blinding = [...outcomes, await staffPause(tx, connectorId, definition)]
      await bookBlindness(tx, connectorId, await dependentPolicies(tx, definition.id), blinding)
      return state
    })
    const count = (...states: string[]) => outcomes.filter(({ state }) => states.includes(state)).length
    return { met: count('met', 'warning'), unmet: count('unmet'), unknown: count('unknown'), connectorState }
  }

/** Without settings that open, no condition is met. */
async function allChecks(
  deps: Deps,
  row: { id: string; kind: string; settings: unknown; secret_id: string | null },
  definition: ConnectorDefinition,
): Promise<CheckOutcome[]> {
  try {
    const { config } = await configuredConnector(deps.db, deps.vault, row)
    return await runChecks(deps, row.id, definition, config, prerequisitesOf(definition))
  } catch (error) {
    if (!isAppError(error) || error.retryable) throw error
    const detail = `${error.message}. ${error.fix ?? ''}`.trim()
    return definition.prerequisites.map((check) => ({
      ...placeOf(wordsOf(definition, check)),
      state: 'unmet',
      code: error.code,
      detail,
      mendedBy: 'admin',
    }))
  }
}

const wordsOf = (definition: ConnectorDefinition, check: Prerequisite<any>) => ({
  ...check,
  guide: check.guide ?? definition.guide,
  mendedBy: check.when === 'after' ? ('import' as const) : ('admin' as const),
})

/** Asks these of a connector's prerequisites; stores nothing. */
export async function runChecks(
  deps: Deps,
  connectorId: string,
  definition: ConnectorDefinition,
  config: unknown,
  checks: readonly Prerequisite<any>[],
): Promise<CheckOutcome[]> {
  const now = new Date()
  const history = await connectorHistory(deps.db, connectorId, now)
  const access = deps.access.of(connectorId, limitOf(definition, config))
  const asked = checks.map((check) => ({
    ...wordsOf(definition, check),
    check: outside((signal) => check.check({ config, now, history, signal, access })),
  }))
  return askAll(deps.db, { kind: 'connector', id: connectorId }, asked, now)
}

/** A pause by staff blinds as a failing check does; it is a condition of nobody's declaration. */
async function staffPause(tx: Connection, connectorId: string, { guide }: ConnectorDefinition) {
  const row = await tx
    .selectFrom('connector')
    .select('pause_reason')
    .where('id', '=', connectorId)
    .executeTakeFirstOrThrow()
  const reason = row.pause_reason as PauseReason | null
  return reason?.by === 'staff'
    ? { checkId: 'not-paused', state: 'unmet' as const, code: reason.code, detail: reason.detail, guide }
    : { checkId: 'not-paused', state: 'met' as const, code: 'not_paused', detail: '', guide }
}

/** Enabled policies that need what connectors of this kind bring. */
async function dependentPolicies(tx: Connection, kind: string): Promise<string[]> {
  const policies = await tx.selectFrom('policy').select(['id', 'template']).where('state', '=', 'enabled').execute()
  return policies.filter(({ template }) => needsOf(template).some((need) => brings(kind, need))).map(({ id }) => id)
}
