import { sql } from 'kysely'
import type { Deps } from '../activities/deps.ts'
import { EncryptingCodec } from '../activities/payload-codec.ts'
import { type Listening, listen } from '../api/listen.ts'
import { createApi } from '../api/server.ts'
import { appendAudit } from '../db/audit.ts'
import type { KeyRing } from '../db/keyring.ts'
import { Presence } from '../db/presence.ts'
import { createStaff, createToken } from '../db/staff.ts'
import { Vault } from '../db/vault.ts'

const FIRST_TOKEN_DAYS = 90
const FIRST_ADMIN_LOCK = 0x0f1a57

/** The secret part of the codec endpoint's path: follows from the key ring, so nothing has to be kept for it. */
export const codecCapability = (ring: KeyRing): string =>
  new Vault(ring).lookupKey('codec-capability', '').toString('base64url')

/** Serves the API; with a Temporal UI also its codec endpoint. */
export async function serveApi(
  deps: Deps,
  ring: KeyRing,
  { host, port, uiOrigin }: { host: string; port: number; uiOrigin?: string | undefined },
): Promise<Listening> {
  const presence = await Presence.open(deps.databaseUrl)
  const app = createApi(deps, {
    presence,
    ...(uiOrigin
      ? { codec: { codec: new EncryptingCodec(ring), capability: codecCapability(ring), origin: uiOrigin } }
      : {}),
    ...(process.env['OPENIRM_INDICATORS_DIR'] ? { indicatorFolder: process.env['OPENIRM_INDICATORS_DIR'] } : {}),
  })
  try {
    const { url, close } = await listen(app, { host, port })
    return {
      url,
      async close() {
        await close()
        await presence[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await presence[Symbol.asyncDispose]()
    throw error
  }
}

/** Makes the first admin where there is no member of staff yet, and shows the token, once. */
export async function announceFirstAdmin({ db }: Deps, say: (text: string) => void): Promise<void> {
  const secret = await db.transaction().execute(async (tx) => {
    // Two starts at once make one admin.
    await sql`select pg_advisory_xact_lock(${FIRST_ADMIN_LOCK})`.execute(tx)
    const somebody = await tx.selectFrom('staff_member').select('id').limit(1).executeTakeFirst()
    if (somebody) return null
    const staffId = await createStaff(tx, { name: 'First admin', roles: ['admin'] })
    const token = await createToken(tx, { staffId, label: 'first admin', expiresInDays: FIRST_TOKEN_DAYS })
    await appendAudit(tx, { staffId: null, action: 'token.created', subjectKind: 'token', subjectId: token.tokenId })
    return token.secret
  })
  if (secret !== null) say(`First admin's token, shown this once, valid for ${FIRST_TOKEN_DAYS} days:\n  ${secret}`)
}
