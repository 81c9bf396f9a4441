import type { Connection } from '../connection.ts'

/** What the last checks of a connector found. */
export const prerequisiteStatuses = (db: Connection, connectorId: string) =>
  db.selectFrom('prerequisite_status').selectAll().where('connector_id', '=', connectorId).execute()

/** Policies that are blind now because of this connector, by check. */
export const blindNow = (db: Connection, connectorId: string) =>
  db
    .selectFrom('policy_blind')
    .select(['check_id', 'policy_id'])
    .where('connector_id', '=', connectorId)
    .where('to_at', 'is', null)
    .execute()
