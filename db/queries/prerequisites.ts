import type { Connection } from '../connection.ts'
import type { PrerequisiteSubject } from '../prerequisites.ts'

/** Policies that are blind now because of a connector, or a policy that is by a condition of its own; by check. */
export async function blindNow(
  db: Connection,
  { kind, id }: PrerequisiteSubject,
): Promise<{ check_id: string; policy_id: string }[]> {
  // A destination that fails blinds no policy.
  if (kind === 'destination') return []
  const blind = db.selectFrom('policy_blind').select(['check_id', 'policy_id']).where('to_at', 'is', null)
  return kind === 'connector'
    ? blind.where('connector_id', '=', id).execute()
    : blind.where('policy_id', '=', id).where('connector_id', 'is', null).execute()
}
