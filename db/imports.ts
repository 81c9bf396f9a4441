import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { AppError, type ErrorCode } from '../domain/errors.ts'
import type { Connection } from './connection.ts'
import { type QuarantineChoice, takeRows } from './queries/quarantined-rows.ts'
import { insertSealed, type Vault } from './vault.ts'

export type FileImportSource = 'upload' | 'cli' | 'drop_folder' | 'microsoft_upload' | 'backfill'

export interface FileArrival {
  connectorId: string
  source: FileImportSource
  /** SHA-256 (hex) of the file: the same bytes are one import, whatever their name. */
  sha256: string
  bytes: number
  fileName: string
  nominalAt: Date
  backfillId?: string
}

/** The import of these bytes that is under way or done. */
export const findFileImport = (db: Connection, connectorId: string, sha256: string) =>
  db
    .selectFrom('import')
    .select('id')
    .where('connector_id', '=', connectorId)
    .where('body_sha256', '=', sha256)
    .where('state', 'in', ['running', 'completed'])
    .executeTakeFirst()

/**
 * The import of a file that lies in the spool. The same bytes for the same connector are no second import: the first
 * one is returned with `repeated`. A failed or cancelled one may be tried again.
 */
export async function openFileImport(
  tx: Connection,
  vault: Vault,
  arrival: FileArrival,
): Promise<{ importId: string; repeated: boolean }> {
  const find = () => findFileImport(tx, arrival.connectorId, arrival.sha256)
  const earlier = await find()
  if (earlier) return { importId: earlier.id, repeated: true }
  const id = uuid()
  const inserted = await tx
    .insertInto('import')
    .values({
      id,
      connector_id: arrival.connectorId,
      source: arrival.source,
      state: 'running',
      nominal_at: arrival.nominalAt,
      body_sha256: arrival.sha256,
      body_bytes: arrival.bytes,
      file_name_id: await insertSealed(tx, vault, 'file_name', arrival.fileName),
      backfill_id: arrival.backfillId ?? null,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['connector_id', 'body_sha256'])
        .where('body_sha256', 'is not', null)
        .where('state', 'in', ['running', 'completed'])
        .doNothing(),
    )
    .returning('id')
    .executeTakeFirst()
  if (inserted) return { importId: id, repeated: false }
  const winner = await find()
  return { importId: winner?.id as string, repeated: true }
}

/** The import of a pull connector that somebody asked for or a Schedule started; `runId` makes a repeated call the same import. */
export async function openPullImport(
  tx: Connection,
  {
    connectorId,
    source,
    nominalAt,
    id = uuid(),
  }: { connectorId: string; source: 'schedule' | 'request'; nominalAt: Date; id?: string },
): Promise<{ importId: string }> {
  await tx
    .insertInto('import')
    .values({ id, connector_id: connectorId, source, state: 'running', nominal_at: nominalAt })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute()
  return { importId: id }
}

export const openRequestImport = (tx: Connection, request: { connectorId: string; nominalAt: Date }) =>
  openPullImport(tx, { ...request, source: 'request' })

/**
 * Takes open quarantined rows into an import of their own. A row is in one re-drive at a time; what fails again is
 * quarantined anew under the new import.
 */
export async function openRedrive(
  tx: Connection,
  choice: QuarantineChoice,
): Promise<{ importId: string; rows: number }> {
  const importId = uuid()
  await tx
    .insertInto('import')
    .values({
      id: importId,
      connector_id: choice.connectorId,
      source: 'redrive',
      state: 'running',
      nominal_at: new Date(),
    })
    .execute()
  const rows = await takeRows(tx, choice, importId)
  if (rows === 0) {
    throw new AppError('state_conflict', 'no open quarantined row matches', {
      fix: 'List the open rows of the connector first.',
    })
  }
  return { importId, rows }
}

/** A file that could not be taken in, with what to do about it: an import that failed before its first row. */
export async function bookRefusedFile(
  tx: Connection,
  vault: Vault,
  refused: { connectorId: string; fileName: string; nominalAt: Date; error: ImportError },
): Promise<void> {
  await tx
    .insertInto('import')
    .values({
      id: uuid(),
      connector_id: refused.connectorId,
      source: 'drop_folder',
      state: 'failed',
      nominal_at: refused.nominalAt,
      file_name_id: await insertSealed(tx, vault, 'file_name', refused.fileName),
      error: JSON.stringify(refused.error),
      finished_at: new Date(),
    })
    .execute()
}

export type ImportRow = Awaited<ReturnType<typeof readImport>>

export async function readImport(db: Connection, importId: string) {
  const row = await db
    .selectFrom('import')
    .innerJoin('connector', 'connector.id', 'import.connector_id')
    .selectAll('import')
    .select(['connector.kind', 'connector.state as connector_state', 'connector.settings', 'connector.secret_id'])
    .select('connector.pause_reason')
    .select(['connector.position as connector_position', 'connector.skip as connector_skip'])
    .where('import.id', '=', importId)
    .executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no import ${importId}`)
  return row
}

export interface ImportError {
  code: ErrorCode
  detail: string
  fix: string | null
}

/** Ends a running import; an import that has ended already stays as it is. Returns its final state. */
export async function closeImport(
  tx: Connection,
  importId: string,
  end: { state: 'completed' | 'cancelled' } | { state: 'failed'; error: ImportError },
): Promise<string> {
  await tx
    .updateTable('import')
    .set({
      state: end.state,
      finished_at: new Date(),
      error: end.state === 'failed' ? JSON.stringify(end.error) : null,
    })
    .where('id', '=', importId)
    .where('state', '=', 'running')
    .execute()
  return (await tx.selectFrom('import').select('state').where('id', '=', importId).executeTakeFirstOrThrow()).state
}

/** Adds a key to the seen-set. */
export const rememberSeen = (tx: Connection, vault: Vault, connectorId: string, key: string) =>
  tx
    .insertInto('seen_key')
    .values({ connector_id: connectorId, key_hash: vault.lookupKey(`seen/${connectorId}`, key) })
    .onConflict((conflict) => conflict.doNothing())
    .execute()

/** Keys of the seen-set that were met before. */
export async function seenKeys(
  db: Connection,
  vault: Vault,
  connectorId: string,
  keys: readonly string[],
): Promise<Set<string>> {
  if (keys.length === 0) return new Set()
  const hashed = new Map(keys.map((key) => [vault.lookupKey(`seen/${connectorId}`, key).toString('hex'), key]))
  const found = await sql<{ key_hash: Buffer }>`
    select key_hash from seen_key
    where connector_id = ${connectorId}
      and key_hash = any (${[...hashed.keys()].map((hex) => Buffer.from(hex, 'hex'))}::bytea[])`.execute(db)
  return new Set(found.rows.map((row) => hashed.get(row.key_hash.toString('hex')) as string))
}
