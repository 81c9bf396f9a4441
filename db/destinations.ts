import { v7 as uuid } from 'uuid'
import { AppError } from '../domain/errors.ts'
import type { Connection } from './connection.ts'
import { checkRevision } from './connectors.ts'
import { dropSealed, sealSecrets } from './secrets.ts'
import type { Vault } from './vault.ts'

/** Throws not_found. */
export async function readDestination(db: Connection, destinationId: string) {
  const row = await db.selectFrom('destination').selectAll().where('id', '=', destinationId).executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no destination ${destinationId}`)
  return row
}
export type DestinationRow = Awaited<ReturnType<typeof readDestination>>

/** Locked for a change. Throws not_found, precondition_failed. */
export async function lockDestination(
  tx: Connection,
  destinationId: string,
  revision?: number,
): Promise<DestinationRow> {
  const row = await tx
    .selectFrom('destination')
    .selectAll()
    .where('id', '=', destinationId)
    .forUpdate()
    .executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no destination ${destinationId}`)
  checkRevision(row.revision, revision)
  return row
}

export interface DestinationDraft {
  kind: string
  name: string
  settings: Record<string, unknown>
  secrets: Record<string, unknown>
  staffId: string
}

export async function createDestination(tx: Connection, vault: Vault, draft: DestinationDraft): Promise<string> {
  const id = uuid()
  await tx
    .insertInto('destination')
    .values({
      id,
      kind: draft.kind,
      name: draft.name,
      state: 'active',
      settings: JSON.stringify(draft.settings),
      secret_id: await sealSecrets(tx, vault, draft.secrets),
      created_by: draft.staffId,
    })
    .execute()
  return id
}

export async function changeDestination(
  tx: Connection,
  vault: Vault,
  row: DestinationRow,
  change: { name?: string; settings?: Record<string, unknown>; secrets?: Record<string, unknown> },
): Promise<void> {
  if (row.state === 'retired') throw new AppError('state_conflict', 'the destination is retired')
  const secretId = change.secrets === undefined ? row.secret_id : await sealSecrets(tx, vault, change.secrets)
  await tx
    .updateTable('destination')
    .set({
      name: change.name ?? row.name,
      ...(change.settings === undefined ? {} : { settings: JSON.stringify(change.settings) }),
      secret_id: secretId,
      revision: row.revision + 1,
    })
    .where('id', '=', row.id)
    .execute()
  if (secretId !== row.secret_id) await dropSealed(tx, row.secret_id)
}

/** Ends a destination for good and deletes its secrets; what was sent stays on record. False when it was retired already. */
export async function retireDestination(tx: Connection, row: DestinationRow): Promise<boolean> {
  if (row.state === 'retired') return false
  await tx
    .updateTable('destination')
    .set({ state: 'retired', stop_reason: null, secret_id: null, revision: row.revision + 1 })
    .where('id', '=', row.id)
    .execute()
  await dropSealed(tx, row.secret_id)
  return true
}
