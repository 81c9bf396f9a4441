import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { stringify as stringifyUuid, v7 as uuid, v4 as uuidAtRandom } from 'uuid'
import { AppError } from '../domain/errors.ts'
import type { Connection } from './connection.ts'
import type { Vault } from './vault.ts'

const DAY_MS = 86_400_000
/** One in use and the one that takes its place. */
const VALID_SECRETS = 2
/** A secret's last use is noted this often at most. */
const USE_NOTED_EVERY_MS = 60_000
/** Begins with a letter, so that no command line takes it for an option. */
const SECRET_PREFIX = 'oirmu_'

const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest()

/** The tenant id of this installation: a UUID that follows from its key ring, so nothing has to be kept for it. */
export function tenantIdOf(vault: Vault): string {
  const bytes = Buffer.from(vault.lookupKey('microsoft-tenant', '').subarray(0, 16))
  // Version 8, the variant of RFC 9562: made by a rule of one's own.
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  return stringifyUuid(bytes)
}

export const findMicrosoftUpload = (db: Connection, connectorId: string) =>
  db.selectFrom('microsoft_upload').selectAll().where('connector_id', '=', connectorId).executeTakeFirst()

/** Newest first. */
export const listUploadSecrets = (db: Connection, connectorId: string) =>
  db
    .selectFrom('microsoft_upload_secret')
    .select(['id', 'created_at', 'expires_at', 'revoked_at', 'last_used_at'])
    .where('connector_id', '=', connectorId)
    .orderBy('id', 'desc')
    .execute()
export type UploadSecretRow = Awaited<ReturnType<typeof listUploadSecrets>>[number]

/** Whether any connector takes uploads; while none does, the addresses of the scripts do not exist. */
export async function isUploadOn(db: Connection): Promise<boolean> {
  const row = await db.selectFrom('microsoft_upload').select('client_id').where('enabled', '=', true).executeTakeFirst()
  return row !== undefined
}

/** Turns uploads of a connector on or off; false when it was so already. The client id stays the same. */
export async function switchMicrosoftUpload(tx: Connection, connectorId: string, enabled: boolean): Promise<boolean> {
  await tx
    .insertInto('microsoft_upload')
    .values({ connector_id: connectorId, client_id: uuidAtRandom() })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const changed = await tx
    .updateTable('microsoft_upload')
    .set({ enabled })
    .where('connector_id', '=', connectorId)
    .where('enabled', '<>', enabled)
    .executeTakeFirst()
  return Number(changed.numUpdatedRows) > 0
}

/** Makes a secret; its text exists only in this answer. Throws state_conflict when two are valid already. */
export async function createUploadSecret(
  tx: Connection,
  connectorId: string,
  expiresInDays: number,
): Promise<{ secretId: string; secret: string }> {
  const access = await tx
    .selectFrom('microsoft_upload')
    .select('enabled')
    .where('connector_id', '=', connectorId)
    .forUpdate()
    .executeTakeFirst()
  if (!access?.enabled) {
    throw new AppError('state_conflict', 'uploads are off for this connector', { fix: 'Turn them on first.' })
  }
  const now = new Date()
  const valid = (await listUploadSecrets(tx, connectorId)).filter((row) => isValid(row, now))
  if (valid.length >= VALID_SECRETS) {
    throw new AppError('state_conflict', `${VALID_SECRETS} secrets are valid already`, {
      fix: 'Revoke the one that no script uses any more.',
    })
  }
  const secretId = uuid()
  const secret = `${SECRET_PREFIX}${randomBytes(32).toString('base64url')}`
  await tx
    .insertInto('microsoft_upload_secret')
    .values({
      id: secretId,
      connector_id: connectorId,
      secret_sha256: hashOf(secret),
      created_at: now,
      expires_at: new Date(now.getTime() + expiresInDays * DAY_MS),
    })
    .execute()
  return { secretId, secret }
}

const isValid = (row: { expires_at: Date; revoked_at: Date | null }, now: Date): boolean =>
  row.revoked_at === null && row.expires_at > now

/** Ends a secret at once, and every token that was given for it; false when it had ended. Throws not_found. */
export async function revokeUploadSecret(tx: Connection, connectorId: string, secretId: string): Promise<boolean> {
  const row = await tx
    .selectFrom('microsoft_upload_secret')
    .select('revoked_at')
    .where('id', '=', secretId)
    .where('connector_id', '=', connectorId)
    .forUpdate()
    .executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no secret ${secretId}`)
  if (row.revoked_at !== null) return false
  await tx.updateTable('microsoft_upload_secret').set({ revoked_at: new Date() }).where('id', '=', secretId).execute()
  return true
}

/** Of a connector that is retired. */
export async function endMicrosoftUpload(tx: Connection, connectorId: string): Promise<void> {
  await tx
    .updateTable('microsoft_upload_secret')
    .set({ revoked_at: new Date() })
    .where('connector_id', '=', connectorId)
    .where('revoked_at', 'is', null)
    .execute()
  await tx.updateTable('microsoft_upload').set({ enabled: false }).where('connector_id', '=', connectorId).execute()
}

export type SignedUp =
  | { state: 'client_unknown' | 'secret_wrong' | 'secret_expired' | 'off' }
  | { state: 'ok'; connectorId: string; secretId: string }

/** Whose client id and secret these are. */
export async function signInUpload(db: Connection, clientId: string, secret: string): Promise<SignedUp> {
  const access = await db
    .selectFrom('microsoft_upload')
    .select(['connector_id', 'enabled'])
    // Compared as text: what a script sends need not be a UUID.
    .where((eb) => eb(eb.cast<string>('client_id', 'text'), '=', clientId.toLowerCase()))
    .executeTakeFirst()
  if (!access) return { state: 'client_unknown' }
  const hash = hashOf(secret)
  const rows = await db
    .selectFrom('microsoft_upload_secret')
    .selectAll()
    .where('connector_id', '=', access.connector_id)
    .where('revoked_at', 'is', null)
    .execute()
  const row = rows.find((each) => timingSafeEqual(each.secret_sha256, hash))
  if (!row) return { state: 'secret_wrong' }
  const now = new Date()
  if (!isValid(row, now)) return { state: 'secret_expired' }
  if (!access.enabled) return { state: 'off' }
  if (row.last_used_at === null || now.getTime() - row.last_used_at.getTime() > USE_NOTED_EVERY_MS) {
    await db.updateTable('microsoft_upload_secret').set({ last_used_at: now }).where('id', '=', row.id).execute()
  }
  return { state: 'ok', connectorId: access.connector_id, secretId: row.id }
}

/** The connector that a secret uploads to; undefined when the secret has ended or uploads are off. */
export const findUploadTarget = (db: Connection, secretId: string) =>
  db
    .selectFrom('microsoft_upload_secret')
    .innerJoin('microsoft_upload', 'microsoft_upload.connector_id', 'microsoft_upload_secret.connector_id')
    .innerJoin('connector', 'connector.id', 'microsoft_upload.connector_id')
    .selectAll('connector')
    .where('microsoft_upload_secret.id', '=', secretId)
    .where('microsoft_upload_secret.revoked_at', 'is', null)
    .where('microsoft_upload_secret.expires_at', '>', new Date())
    .where('microsoft_upload.enabled', '=', true)
    .executeTakeFirst()

/** For the admin who looks whether a script gets through. */
export async function noteUpload(db: Connection, connectorId: string, refusal: string | null): Promise<void> {
  const at = new Date()
  await db
    .updateTable('microsoft_upload')
    .set(refusal === null ? { last_accepted_at: at } : { last_refused_at: at, last_refusal: refusal })
    .where('connector_id', '=', connectorId)
    .execute()
}
