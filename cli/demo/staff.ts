import { existsSync, readFileSync } from 'node:fs'
import { appendAudit } from '../../db/audit.ts'
import type { Database } from '../../db/connection.ts'
import { createStaff, createToken, ROLES, type Role } from '../../db/staff.ts'
import { type Asker, all, answerOf, askerFor } from './asking.ts'
import { type Home, writeWhole } from './home.ts'

/** Somebody who works with the platform, with a token of their own. */
export interface Member {
  staffId: string
  token: string
  ask: Asker
}

export type Staff = Record<Role, Member>

type Kept = Partial<Record<Role, { staffId: string; token: string }>>

const TOKEN_DAYS = 30
const nameOf = (role: Role): string => `Demo ${role}`

/**
 * One member of staff per role. Tokens are shown once, so they are kept in the demo's directory; a token that was made
 * and not kept, because the demo was killed in between, is replaced by another one of the same member.
 */
export async function openStaff(home: Home, db: Database, url: string): Promise<Staff> {
  const file = home.file('tokens.json')
  const kept: Kept = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Kept) : {}
  const keep = (role: Role, member: { staffId: string; token: string }) => {
    kept[role] = member
    writeWhole(file, kept)
  }
  if (!kept.admin) keep('admin', await firstAdmin(db))
  const admin = askerFor(url, kept.admin?.token ?? '')
  const missing = ROLES.filter((role) => !kept[role])
  if (missing.length > 0) {
    const made = await all((cursor) => admin.GET('/tokens', { params: { query: cursor ? { cursor } : {} } }))
    for (const role of missing) {
      const known = made.find(({ staffName }) => staffName === nameOf(role))
      const { staffId, secret } = await answerOf(() =>
        admin.POST('/tokens', {
          params: { header: { 'Idempotency-Key': `demo.token.${role}.${Date.now()}` } },
          body: {
            name: nameOf(role),
            expiresInDays: TOKEN_DAYS,
            ...(known ? { staffId: known.staffId } : { roles: [role] }),
          },
        }),
      )
      keep(role, { staffId, token: secret ?? '' })
    }
  }
  return Object.fromEntries(
    ROLES.map((role) => {
      const member = kept[role] as { staffId: string; token: string }
      return [role, { ...member, ask: askerFor(url, member.token) }]
    }),
  ) as Staff
}

/** As the first start of the platform makes it, except that the token goes into a file. */
async function firstAdmin(db: Database): Promise<{ staffId: string; token: string }> {
  return db.transaction().execute(async (tx) => {
    const known = await tx
      .selectFrom('staff_member')
      .select('id')
      .where('name', '=', nameOf('admin'))
      .executeTakeFirst()
    const staffId = known?.id ?? (await createStaff(tx, { name: nameOf('admin'), roles: ['admin'] }))
    const { tokenId, secret } = await createToken(tx, { staffId, label: nameOf('admin'), expiresInDays: TOKEN_DAYS })
    await appendAudit(tx, { staffId: null, action: 'token.created', subjectKind: 'token', subjectId: tokenId })
    return { staffId, token: secret }
  })
}
