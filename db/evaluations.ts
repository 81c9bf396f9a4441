import { v5 as uuidFrom } from 'uuid'
import type { Connection } from './connection.ts'

const EVALUATION_NAMESPACE = '2b8f0a5e-6d0b-4f7e-9a55-0f6d5c1b7e42'

/** One policy is evaluated once as of one instant. */
export const evaluationId = (policyId: string, asOf: string): string =>
  uuidFrom(`${policyId}/${asOf}`, EVALUATION_NAMESPACE)

export interface EvaluationOutcome {
  people: number
  alertsCreated: string[]
  alertsUpdated: string[]
  /** Destinations that have something new to send. */
  destinations: string[]
}

/** What an evaluation that is stored already brought about; null when it has not been made. */
export async function readEvaluation(
  db: Connection,
  policyId: string,
  asOf: string,
): Promise<EvaluationOutcome | null> {
  const row = await db
    .selectFrom('evaluation')
    .select('people')
    .where('id', '=', evaluationId(policyId, asOf))
    .executeTakeFirst()
  if (!row) return null
  const versions = await db
    .selectFrom('alert_version')
    .innerJoin('receipt', 'receipt.id', 'alert_version.receipt_id')
    .leftJoin('delivery', (join) =>
      join
        .onRef('delivery.alert_id', '=', 'alert_version.alert_id')
        .onRef('delivery.alert_version', '=', 'alert_version.version'),
    )
    .select(['alert_version.alert_id', 'alert_version.change', 'delivery.destination_id'])
    .where('receipt.policy_id', '=', policyId)
    .where('receipt.as_of', '=', new Date(asOf))
    .where('alert_version.change', 'in', ['created', 'rescored'])
    .orderBy('alert_version.event_id')
    .orderBy('delivery.destination_id')
    .execute()
  const alerts = (change: string) => [
    ...new Set(versions.filter((version) => version.change === change).map(({ alert_id }) => alert_id)),
  ]
  return {
    people: row.people,
    alertsCreated: alerts('created'),
    alertsUpdated: alerts('rescored'),
    destinations: [...new Set(versions.flatMap(({ destination_id }) => destination_id ?? []))],
  }
}
