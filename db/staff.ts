import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { parse as parseUuid, stringify as stringifyUuid, v7 as uuid } from 'uuid'
import { AppError } from '../domain/errors.ts'
import type { Connection } from './connection.ts'

export const ROLES = ['admin', 'analyst', 'investigator', 'approver', 'auditor', 'operator', 'siem'] as const
export type Role = (typeof ROLES)[number]

/** `oirm_<id in hex>_<32 random bytes>`. The id finds the row; only the hash of the whole is stored. */
const TOKEN = /^oirm_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/
const DAY_MS = 86_400_000
/** A token's last use is noted this often at most. */
const USE_NOTED_EVERY_MS = 60_000

const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest()

/** Throws invalid_request where one person would both ask and approve. */
export function checkRoles(roles: readonly Role[]): void {
  if (roles.includes('approver') && (roles.includes('analyst') || roles.includes('investigator'))) {
    throw new AppError('invalid_request', 'no one both asks and approves', {
      field: '/roles',
      fix: 'Give the role approver to somebody who is neither analyst nor investigator.',
    })
  }
}

export async function createStaff(tx: Connection, staff: { name: string; roles: readonly Role[] }): Promise<string> {
  checkRoles(staff.roles)
  const id = uuid()
  await tx
    .insertInto('staff_member')
    .values({ id, name: staff.name, roles: [...staff.roles] })
    .execute()
  return id
}

/** Makes a token; `secret` exists only in this answer. Throws invalid_request when there is no such member of staff. */
export async function createToken(
  tx: Connection,
  { staffId, label, expiresInDays }: { staffId: string; label: string; expiresInDays: number },
): Promise<{ tokenId: string; secret: string }> {
  const member = await tx
    .selectFrom('staff_member')
    .select('id')
    .where('id', '=', staffId)
    .where('disabled_at', 'is', null)
    .executeTakeFirst()
  if (!member) {
    throw new AppError('invalid_request', 'there is no such member of staff', {
      field: '/staffId',
      fix: 'Leave staffId out to make a new member of staff.',
    })
  }
  const tokenId = uuid()
  const secret = `oirm_${Buffer.from(parseUuid(tokenId)).toString('hex')}_${randomBytes(32).toString('base64url')}`
  const now = Date.now()
  await tx
    .insertInto('api_token')
    .values({
      id: tokenId,
      staff_id: staffId,
      label,
      token_sha256: hashOf(secret),
      created_at: new Date(now),
      expires_at: new Date(now + expiresInDays * DAY_MS),
    })
    .execute()
  return { tokenId, secret }
}

/** Ends a token at once; one that has ended stays as it was. Throws not_found. */
export async function revokeToken(tx: Connection, tokenId: string): Promise<void> {
  const found = await tx
    .selectFrom('api_token')
    .select('revoked_at')
    .where('id', '=', tokenId)
    .forUpdate()
    .executeTakeFirst()
  if (!found) throw new AppError('not_found', `there is no token ${tokenId}`)
  if (found.revoked_at !== null) return
  await tx.updateTable('api_token').set({ revoked_at: new Date() }).where('id', '=', tokenId).execute()
}

export interface SignedIn {
  staffId: string
  name: string
  roles: Role[]
  tokenId: string
  expiresAt: Date
}

/** Who a token belongs to; null when it is unknown, wrong, expired, revoked, or its owner is disabled. */
export async function signInByToken(db: Connection, secret: string): Promise<SignedIn | null> {
  const id = TOKEN.exec(secret)?.[1]
  if (id === undefined) return null
  const row = await db
    .selectFrom('api_token')
    .innerJoin('staff_member', 'staff_member.id', 'api_token.staff_id')
    .select(['api_token.id', 'api_token.token_sha256', 'api_token.expires_at', 'api_token.revoked_at'])
    .select(['api_token.last_used_at', 'staff_member.id as staff_id', 'staff_member.name', 'staff_member.roles'])
    .select('staff_member.disabled_at')
    .where('api_token.id', '=', stringifyUuidFrom(id))
    .executeTakeFirst()
  // An unknown token costs the same comparison as a wrong one.
  const matches = timingSafeEqual(hashOf(secret), row?.token_sha256 ?? Buffer.alloc(32))
  if (!row || !matches || row.revoked_at !== null || row.disabled_at !== null) return null
  const now = Date.now()
  if (row.expires_at.getTime() <= now) return null
  if (row.last_used_at === null || now - row.last_used_at.getTime() > USE_NOTED_EVERY_MS) {
    await db
      .updateTable('api_token')
      .set({ last_used_at: new Date(now) })
      .where('id', '=', row.id)
      .execute()
  }
  return {
    staffId: row.staff_id,
    name: row.name,
    roles: row.roles as Role[],
    tokenId: row.id,
    expiresAt: row.expires_at,
  }
}

function stringifyUuidFrom(hex: string): string {
  try {
    return stringifyUuid(Buffer.from(hex, 'hex'))
  } catch {
    return '00000000-0000-0000-0000-000000000000'
  }
}

/** Throws invalid_request unless somebody with one of the roles can be given work. */
export async function checkAssignee(db: Connection, staffId: string | null, roles: readonly Role[]): Promise<void> {
  if (staffId === null) return
  const found = await db
    .selectFrom('staff_member')
    .select('roles')
    .where('id', '=', staffId)
    .where('disabled_at', 'is', null)
    .executeTakeFirst()
  if (found?.roles.some((role) => roles.includes(role as Role))) return
  throw new AppError('invalid_request', 'nobody with that id can be given this', {
    field: '/assigneeId',
    fix: `Name a member of staff with one of the roles ${roles.join(', ')}, or null.`,
  })
}
