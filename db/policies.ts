import { v7 as uuid } from 'uuid'
import { canonicalJson } from '../domain/canonical.ts'
import { AppError } from '../domain/errors.ts'
import type { Connection } from './connection.ts'
import { checkRevision } from './connectors.ts'
import { sha256 } from './hash.ts'

const select = (db: Connection) =>
  db
    .selectFrom('policy')
    .innerJoin('policy_version', (join) =>
      join.onRef('policy_version.policy_id', '=', 'policy.id').onRef('policy_version.version', '=', 'policy.version'),
    )
    .selectAll('policy')
    .select('policy_version.definition')

/** Throws not_found. */
export async function readPolicy(db: Connection, policyId: string) {
  const row = await select(db).where('policy.id', '=', policyId).executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no policy ${policyId}`)
  return row
}
export type PolicyRow = Awaited<ReturnType<typeof readPolicy>>

/** Locked for a change. Throws not_found, precondition_failed. */
export async function lockPolicy(tx: Connection, policyId: string, revision?: number): Promise<PolicyRow> {
  await tx.selectFrom('policy').select('id').where('id', '=', policyId).forUpdate().executeTakeFirst()
  const row = await readPolicy(tx, policyId)
  checkRevision(row.revision, revision)
  return row
}

export async function createPolicy(
  tx: Connection,
  draft: { template: string; name: string; definition: object; staffId: string },
): Promise<string> {
  const id = uuid()
  await tx
    .insertInto('policy')
    .values({ id, template: draft.template, name: draft.name, state: 'enabled', version: 1, created_by: draft.staffId })
    .execute()
  await insertVersion(tx, { policyId: id, version: 1, note: 'Made from its template.', ...draft })
  return id
}

/** The next version; the ones before never change. Throws policy_invalid when it says what the current one says. */
export async function addPolicyVersion(
  tx: Connection,
  row: PolicyRow,
  next: { definition: object; note: string; staffId: string },
): Promise<number> {
  if (canonicalJson(next.definition) === canonicalJson(row.definition)) {
    throw new AppError('policy_invalid', 'the definition is that of the current version', {
      field: '/definition',
      fix: 'Change what the policy should do otherwise, or leave it.',
    })
  }
  const version = row.version + 1
  await insertVersion(tx, { policyId: row.id, version, ...next })
  await tx
    .updateTable('policy')
    .set({ version, revision: row.revision + 1, everybody_due: true })
    .where('id', '=', row.id)
    .execute()
  return version
}

async function insertVersion(
  tx: Connection,
  version: { policyId: string; version: number; definition: object; note: string; staffId: string },
): Promise<void> {
  const definition = canonicalJson(version.definition)
  await tx
    .insertInto('policy_version')
    .values({
      policy_id: version.policyId,
      version: version.version,
      definition,
      sha256: sha256(definition),
      note: version.note,
      created_by: version.staffId,
    })
    .execute()
}

/** False when it was so already. */
export async function setPolicyState(tx: Connection, row: PolicyRow, state: 'enabled' | 'disabled'): Promise<boolean> {
  if (row.state === state) return false
  await tx
    .updateTable('policy')
    .set({ state, revision: row.revision + 1, everybody_due: true })
    .where('id', '=', row.id)
    .execute()
  return true
}
