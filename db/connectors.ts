import { AppError } from '../domain/errors.ts'
import { endBlindness } from './blindness.ts'
import type { Connection } from './connection.ts'
import { endMicrosoftUpload } from './microsoft-uploads.ts'
import { dropSealed, sealSecrets } from './secrets.ts'
import type { Vault } from './vault.ts'

export const findConnector = (db: Connection, connectorId: string) =>
  db.selectFrom('connector').selectAll().where('id', '=', connectorId).executeTakeFirst()

/** Throws not_found. */
export async function readConnector(db: Connection, connectorId: string) {
  const row = await findConnector(db, connectorId)
  if (!row) throw new AppError('not_found', `there is no connector ${connectorId}`)
  return row
}
export type ConnectorRow = Awaited<ReturnType<typeof readConnector>>

/** Locked for a change. Throws not_found, precondition_failed. */
export async function lockConnector(tx: Connection, connectorId: string, revision?: number): Promise<ConnectorRow> {
  const row = await tx.selectFrom('connector').selectAll().where('id', '=', connectorId).forUpdate().executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no connector ${connectorId}`)
  checkRevision(row.revision, revision)
  return row
}

/** Throws precondition_failed when somebody changed it since it was read. */
export function checkRevision(current: number, read: number | undefined): void {
  if (read === undefined || read === current) return
  throw new AppError('precondition_failed', `it is at revision ${current}, you read ${read}`, {
    field: 'If-Match',
    fix: 'Read it again and repeat your change.',
  })
}

/** Why a connector is paused, as stored. */
export interface PauseReason {
  by: 'staff' | 'prerequisite'
  code: string
  detail: string
  /** Of the check that paused it. */
  check?: string
  guide?: string
  /** `import`: only what an import brings can show that the condition holds again, so imports go on. */
  mendedBy?: 'admin' | 'import'
}

/** An active connector imports, and one whose pause only an import can end: the overdue file has to come in. */
export function mayImport({ state, pause_reason }: { state: string; pause_reason: unknown }): boolean {
  return state === 'active' || (state === 'paused' && (pause_reason as PauseReason | null)?.mendedBy === 'import')
}

export interface ConnectorChange {
  name?: string
  everySeconds?: number
  settings?: Record<string, unknown>
  /** All secrets from now on. */
  secrets?: Record<string, unknown>
}

/** Changes an active or paused connector. */
export async function changeConnector(
  tx: Connection,
  vault: Vault,
  row: ConnectorRow,
  change: ConnectorChange,
): Promise<void> {
  if (row.state === 'draft') {
    throw new AppError('state_conflict', 'the connector is still being set up', { fix: 'Change it in its set-up.' })
  }
  if (row.state === 'retired') throw new AppError('state_conflict', 'the connector is retired')
  const secretId = change.secrets === undefined ? row.secret_id : await sealSecrets(tx, vault, change.secrets)
  await tx
    .updateTable('connector')
    .set({
      name: change.name ?? row.name,
      every_seconds: change.everySeconds ?? row.every_seconds,
      ...(change.settings === undefined ? {} : { settings: JSON.stringify(change.settings) }),
      secret_id: secretId,
      revision: row.revision + 1,
    })
    .where('id', '=', row.id)
    .execute()
  if (secretId !== row.secret_id) await dropSealed(tx, row.secret_id)
}

const PAUSED_BY_STAFF: PauseReason = { by: 'staff', code: 'paused_by_staff', detail: 'An admin paused it.' }

/** A pause by staff, also over one by a check; false when staff had paused it already. */
export async function pauseConnector(tx: Connection, row: ConnectorRow): Promise<boolean> {
  const byStaff = (row.pause_reason as PauseReason | null)?.by === 'staff'
  if (row.state === 'paused' && byStaff) return false
  mustRun(row)
  await tx
    .updateTable('connector')
    .set({ state: 'paused', pause_reason: JSON.stringify(PAUSED_BY_STAFF), revision: row.revision + 1 })
    .where('id', '=', row.id)
    .execute()
  return true
}

/** Ends a pause; false when it was active already. A condition that is still unmet pauses it again at its next check. */
export async function resumeConnector(tx: Connection, row: ConnectorRow): Promise<boolean> {
  if (row.state === 'active') return false
  mustRun(row)
  await tx
    .updateTable('connector')
    .set({ state: 'active', pause_reason: null, revision: row.revision + 1 })
    .where('id', '=', row.id)
    .execute()
  return true
}

/** Ends a connector for good and deletes its secrets; false when it was retired already. */
export async function retireConnector(tx: Connection, row: ConnectorRow): Promise<boolean> {
  if (row.state === 'retired') return false
  if (row.state === 'draft') {
    throw new AppError('state_conflict', 'the connector is still being set up', { fix: 'Abandon its set-up.' })
  }
  await tx
    .updateTable('connector')
    .set({ state: 'retired', pause_reason: null, secret_id: null, revision: row.revision + 1 })
    .where('id', '=', row.id)
    .execute()
  await dropSealed(tx, row.secret_id)
  await endMicrosoftUpload(tx, row.id)
  await endBlindness(tx, row.id)
  return true
}

function mustRun(row: ConnectorRow): void {
  if (row.state === 'active' || row.state === 'paused') return
  throw new AppError('state_conflict', `the connector is ${row.state}`, {
    fix: row.state === 'draft' ? 'Finish its set-up first.' : 'Set up a new connector.',
  })
}
