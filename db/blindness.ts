import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { CheckResult } from '../domain/prerequisite.ts'
import type { Connection } from './connection.ts'

/** A condition as policies depend on it. */
export interface BlindingOutcome extends CheckResult {
  checkId: string
  guide: string
}

/** Policies become blind by an unmet condition of a connector they need, or of their own (null), and see again when it is met. */
export async function bookBlindness(
  tx: Connection,
  connectorId: string | null,
  policyIds: readonly string[],
  outcomes: readonly BlindingOutcome[],
): Promise<void> {
  for (const outcome of outcomes) {
    if (outcome.state === 'unmet') {
      for (const policyId of policyIds) {
        await tx
          .insertInto('policy_blind')
          .values({
            id: uuid(),
            policy_id: policyId,
            connector_id: connectorId,
            check_id: outcome.checkId,
            code: outcome.code,
            detail: outcome.detail,
            guide: outcome.guide,
            from_at: new Date(),
          })
          .onConflict((conflict) =>
            conflict.columns(['policy_id', 'connector_id', 'check_id']).where('to_at', 'is', null).doNothing(),
          )
          .execute()
      }
    } else if (outcome.state !== 'unknown') {
      let ending = tx
        .updateTable('policy_blind')
        .set({ to_at: sql<Date>`greatest(now(), from_at)` })
        .where('check_id', '=', outcome.checkId)
        .where('to_at', 'is', null)
      ending =
        connectorId === null
          ? ending.where('connector_id', 'is', null).where('policy_id', 'in', [...policyIds])
          : ending.where('connector_id', '=', connectorId)
      await ending.execute()
    }
  }
}

/** A connector that is gone blinds nobody any more: its absence does. */
export const endBlindness = (tx: Connection, connectorId: string) =>
  tx
    .updateTable('policy_blind')
    .set({ to_at: sql<Date>`greatest(now(), from_at)` })
    .where('connector_id', '=', connectorId)
    .where('to_at', 'is', null)
    .execute()

export interface BlindTime {
  policyId: string
  connectorId: string | null
  /** Of the connector; null for a condition of the policy's own. */
  kind: string | null
  checkId: string
  code: string
  detail: string
  guide: string
  fromAt: Date
  /** Null while it goes on. */
  toAt: Date | null
}

/** When a policy was blind between two instants, the earliest first. */
export async function blindTimes(db: Connection, policyId: string, from: Date, to: Date): Promise<BlindTime[]> {
  const rows = await db
    .selectFrom('policy_blind')
    .leftJoin('connector', 'connector.id', 'policy_blind.connector_id')
    .selectAll('policy_blind')
    .select('connector.kind')
    .where('policy_id', '=', policyId)
    .where('from_at', '<', to)
    .where((eb) => eb.or([eb('to_at', 'is', null), eb('to_at', '>', from)]))
    .orderBy('from_at')
    .orderBy('policy_blind.id')
    .execute()
  return rows.map((row) => ({
    policyId: row.policy_id,
    connectorId: row.connector_id,
    kind: row.kind,
    checkId: row.check_id,
    code: row.code,
    detail: row.detail,
    guide: row.guide,
    fromAt: row.from_at,
    toAt: row.to_at,
  }))
}

/** Blind times that an alert tells, the latest. */
const SPOTS_TOLD = 20
const DAY_MS = 86_400_000

/**
 * What a policy could not see within the days that an alert looks at: from its version's past days before the alert was
 * opened until an instant.
 */
export async function blindSpotsOf(
  db: Connection,
  alert: { policyId: string; policyVersion: number; openedAt: Date; until: Date },
): Promise<BlindTime[]> {
  const { definition } = await db
    .selectFrom('policy_version')
    .select('definition')
    .where('policy_id', '=', alert.policyId)
    .where('version', '=', alert.policyVersion)
    .executeTakeFirstOrThrow()
  const { pastDays } = (definition as unknown as { settings: { windows: { pastDays: number } } }).settings.windows
  const from = new Date(alert.openedAt.getTime() - Math.max(pastDays, 1) * DAY_MS)
  return (await blindTimes(db, alert.policyId, from, alert.until)).slice(-SPOTS_TOLD)
}
