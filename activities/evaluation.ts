import { sql } from 'kysely'
import type { Connection } from '../db/connection.ts'
import { evaluationId, readEvaluation } from '../db/evaluations.ts'
import { spreadNotices } from '../db/notices.ts'
import { OPEN_ALERT_STATES } from '../domain/alert.ts'
import type { Activation } from '../domain/score.ts'
import { rebuildRollups, rollupKey } from '../policies/compile.ts'
import { type Continuing, evaluatePeople } from '../policies/evaluate.ts'
import { pinnedIndicators, storedDefinition } from '../policies/load.ts'
import type { PolicyDefinition } from '../policies/template.ts'
import type { Deps } from './deps.ts'
import type { ActivityControls } from './imports.ts'
import { raise } from './raising.ts'

/** People looked at in one transaction. */
const PEOPLE_AT_ONCE = 2_000

export interface EvaluatePolicyInput {
  policyId: string
  /** ISO instant; windows are open or closed as of it. */
  asOf: string
  everybody: boolean
}

export interface EvaluatePolicyResult {
  people: number
  alertsCreated: string[]
  alertsUpdated: string[]
  destinations: string[]
  /** True when more people wait. */
  more: boolean
}

interface Policy {
  id: string
  version: number
  definition: PolicyDefinition
  /** Everybody with an open window is to be looked at, whatever was asked for. */
  everybodyDue: boolean
}

/**
 * Looks again at the people whose signals changed (or at everybody with an open window), and raises or continues their
 * alerts. One transaction: requests taken, alert versions, receipts, deliveries and audit. Run again as of the same
 * instant it answers what it answered.
 */
export const evaluatePolicy =
  (deps: Deps) =>
  async (input: EvaluatePolicyInput): Promise<EvaluatePolicyResult> => {
    const { policyId, asOf } = input
    const startedAt = Date.now()
    await spreadNotices(deps.db)
    return deps.db.transaction().execute(async (tx) => {
      const policy = await readPolicy(tx, policyId)
      if (!policy) return { people: 0, alertsCreated: [], alertsUpdated: [], destinations: [], more: false }
      const before = await readEvaluation(tx, policyId, asOf)
      if (before) return { ...before, more: await somebodyWaits(tx, policyId) }
      const everybody = input.everybody || policy.everybodyDue
      const requested = await tx
        .selectFrom('evaluation_request')
        .select('person_id')
        .where('policy_id', '=', policyId)
        .orderBy('person_id')
        .limit(PEOPLE_AT_ONCE)
        .forUpdate()
        .execute()
      const personIds = requested.map((row) => row.person_id)
      const indicators = await pinnedIndicators(tx, policy.definition)
      const evaluations = await evaluatePeople(tx, {
        definition: policy.definition,
        indicators,
        asOf: new Date(asOf),
        ...(everybody ? {} : { personIds }),
        continuing: await openAlertWindows(tx, policyId, everybody ? null : personIds),
      })
      const outcome = { alertsCreated: [] as string[], alertsUpdated: [] as string[], destinations: new Set<string>() }
      const raising = { policy, indicators, asOf: new Date(asOf), publicUrl: deps.publicUrl }
      for (const evaluation of evaluations) {
        const raised = await raise(tx, raising, evaluation)
        if (raised?.created) outcome.alertsCreated.push(raised.alertId)
        else if (raised) outcome.alertsUpdated.push(raised.alertId)
        for (const id of raised?.destinations ?? []) outcome.destinations.add(id)
      }
      if (personIds.length > 0) {
        await tx
          .deleteFrom('evaluation_request')
          .where('policy_id', '=', policyId)
          .where('person_id', 'in', personIds)
          .execute()
      }
      if (policy.everybodyDue) {
        await tx.updateTable('policy').set({ everybody_due: false }).where('id', '=', policyId).execute()
      }
      const people = everybody ? evaluations.length : personIds.length
      await tx
        .insertInto('evaluation')
        .values({
          id: evaluationId(policyId, asOf),
          policy_id: policyId,
          policy_version: policy.version,
          as_of: new Date(asOf),
          people,
          active_people: evaluations.length,
          insights: evaluations.reduce((sum, { insights }) => sum + insights.length, 0),
          alerts_created: outcome.alertsCreated.length,
          alerts_updated: outcome.alertsUpdated.length,
          took_ms: Date.now() - startedAt,
        })
        .execute()
      return {
        people,
        alertsCreated: outcome.alertsCreated,
        alertsUpdated: outcome.alertsUpdated,
        destinations: [...outcome.destinations],
        more: await somebodyWaits(tx, policyId),
      }
    })
  }

/**
 * Fills the rollups that a policy scores with and that do not cover all history yet: it was made, or got other
 * indicators or another time zone, after something had been imported. Everybody is looked at next. Does nothing when
 * they do cover it. Returns how many it filled.
 */
export async function buildRollups(
  deps: Deps,
  policyId: string,
  { signal, heartbeat }: ActivityControls,
): Promise<number> {
  const policy = await readPolicy(deps.db, policyId)
  if (!policy) return 0
  const built = await deps.db.selectFrom('rollup').select('key').execute()
  const known = new Set(built.map(({ key }) => key))
  const pinned = [...(await pinnedIndicators(deps.db, policy.definition)).values()]
  const missing = pinned.filter((indicator) => !known.has(rollupKey(indicator)))
  if (missing.length === 0) return 0
  // Chunks under way may not know the policy yet. Each holds its import's row: wait for them to end; the next ones know.
  await deps.db.transaction().execute((tx) => sql`lock table import in exclusive mode`.execute(tx))
  let days = 0
  await rebuildRollups(deps.db, missing, () => {
    signal.throwIfAborted()
    days += 1
    heartbeat({ chunk: days })
  })
  await deps.db.transaction().execute(async (tx) => {
    await tx
      .insertInto('rollup')
      .values(missing.map((indicator) => ({ key: rollupKey(indicator) })))
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    // People of whom nothing new came may have a window open.
    await tx.updateTable('policy').set({ everybody_due: true }).where('id', '=', policyId).execute()
  })
  return missing.length
}

async function readPolicy(tx: Connection, policyId: string): Promise<Policy | null> {
  const row = await tx
    .selectFrom('policy')
    .innerJoin('policy_version', (join) =>
      join.onRef('policy_version.policy_id', '=', 'policy.id').onRef('policy_version.version', '=', 'policy.version'),
    )
    .select(['policy.id', 'policy.version', 'policy.everybody_due as everybodyDue', 'policy_version.definition'])
    .where('policy.id', '=', policyId)
    .where('policy.state', '=', 'enabled')
    .executeTakeFirst()
  return row ? { ...row, definition: storedDefinition(row.definition) } : null
}

const somebodyWaits = async (tx: Connection, policyId: string): Promise<boolean> =>
  (await tx
    .selectFrom('evaluation_request')
    .select('person_id')
    .where('policy_id', '=', policyId)
    .limit(1)
    .executeTakeFirst()) !== undefined

/** What the open alerts of these people (null: of everybody) were last computed on. */
async function openAlertWindows(
  tx: Connection,
  policyId: string,
  personIds: readonly number[] | null,
): Promise<Map<number, Continuing>> {
  if (personIds?.length === 0) return new Map()
  let query = tx
    .selectFrom('alert')
    .innerJoin('alert_version', (join) =>
      join.onRef('alert_version.alert_id', '=', 'alert.id').onRef('alert_version.version', '=', 'alert.version'),
    )
    .innerJoin('receipt', 'receipt.id', 'alert_version.receipt_id')
    .select(['alert.person_id', 'receipt.trigger'])
    .select(({ exists, selectFrom }) =>
      exists(
        selectFrom('identity_move')
          .select('identity_move.id')
          .whereRef('identity_move.from_person', '=', 'alert.person_id')
          .whereRef('identity_move.created_at', '>=', 'alert.opened_at'),
      ).as('parted_since'),
    )
    .where('alert.policy_id', '=', policyId)
    .where('alert.state', 'in', [...OPEN_ALERT_STATES])
  if (personIds) query = query.where('alert.person_id', 'in', [...personIds])
  const rows = await query.execute()
  return new Map(
    rows.map((row) => [
      row.person_id,
      { activation: row.trigger as unknown as Activation, partedSince: Boolean(row.parted_since) },
    ]),
  )
}
