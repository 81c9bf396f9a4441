import * as queries from '../db/queries/tokens.ts'
import * as staff from '../db/staff.ts'
import { AppError } from '../domain/errors.ts'
import { OPERATIONS, type OperationId } from '../openapi/generated/operations.ts'
import type { components } from '../openapi/generated/types.ts'
import { may } from './roles.ts'
import { inTransaction, iso, isoOrNull, read } from './route.ts'

type Wire = components['schemas']

const present = (row: queries.TokenRow): Wire['Token'] => ({
  id: row.id,
  staffId: row.staff_id,
  staffName: row.name,
  roles: row.roles as staff.Role[],
  label: row.label,
  createdAt: iso(row.created_at),
  expiresAt: iso(row.expires_at),
  revokedAt: isoOrNull(row.revoked_at),
  lastUsedAt: isoOrNull(row.last_used_at),
})

export const listTokens = read('listTokens', async ({ db, page, query, paged }) => ({
  status: 200,
  body: paged(await queries.listTokens(db, page, query), present),
}))

export const createToken = inTransaction('createToken', async ({ db, body }) => {
  const { name, roles, expiresInDays } = body
  if ((body.staffId === undefined) === (roles === undefined)) {
    throw new AppError('invalid_request', 'either roles of a new member of staff or the staffId of a known one', {
      field: body.staffId === undefined ? '/roles' : '/staffId',
      fix: 'Send one of the two.',
    })
  }
  const staffId = body.staffId ?? (await staff.createStaff(db, { name, roles: roles ?? [] }))
  const { tokenId, secret } = await staff.createToken(db, { staffId, label: name, expiresInDays })
  const made = present(await queries.readToken(db, tokenId))
  return {
    status: 201,
    body: { ...made, secret },
    // Shown once: a repetition of the request does not show it again.
    keep: { ...made, secret: null },
    audit: {
      action: 'token.created',
      subjectKind: 'token',
      subjectId: tokenId,
      detail: {
        staff_id: staffId,
        roles: made.roles,
        expires_at: made.expiresAt,
        new_staff: body.staffId === undefined,
      },
    },
  }
})

export const revokeToken = inTransaction('revokeToken', async ({ db, params }) => {
  await staff.revokeToken(db, params.tokenId)
  return {
    status: 200,
    body: present(await queries.readToken(db, params.tokenId)),
    audit: { action: 'token.revoked', subjectKind: 'token', subjectId: params.tokenId },
  }
})

export const getMe = read('getMe', async ({ actor }) => ({
  status: 200,
  body: {
    staffId: actor.staffId,
    name: actor.name,
    roles: actor.roles,
    operations: (Object.keys(OPERATIONS) as OperationId[]).filter((operation) => may(actor.roles, operation)),
    tokenExpiresAt: iso(actor.expiresAt),
  },
}))
