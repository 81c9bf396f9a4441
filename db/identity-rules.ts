import { canonicalJson } from '../domain/canonical.ts'
import { AppError } from '../domain/errors.ts'
import { type IdentityRules, identityRules } from '../domain/identity-rules.ts'
import type { Connection } from './connection.ts'
import type { Vault } from './vault.ts'

export interface StoredRules {
  version: number
  rules: IdentityRules
  madeBy: string | null
  madeAt: Date
  /** null while accounts are still compared by them. */
  appliedAt: Date | null
}

/** The rules by which accounts are joined now. */
export async function currentRules(db: Connection): Promise<StoredRules> {
  const row = await db
    .selectFrom('identity_rules')
    .selectAll()
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
  return {
    version: row.version,
    rules: identityRules.parse(row.definition),
    madeBy: row.made_by,
    madeAt: row.created_at,
    appliedAt: row.applied_at,
  }
}

/** Rules as somebody sent them. Throws settings_invalid, naming the field. */
export function parseRules(sent: unknown): IdentityRules {
  const parsed = identityRules.safeParse(sent)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const field = `/rules/${issue?.path.join('/') ?? ''}`
  throw new AppError('settings_invalid', `the rules do not fit at ${field}: ${issue?.message ?? 'invalid'}`, {
    field,
    fix: 'See docs/guides/identities.md for what a rule may hold.',
  })
}

/** Proves that exactly these rules were looked at before they count, on top of the version that counts now. */
export const previewToken = (vault: Vault, version: number, rules: IdentityRules): string =>
  vault.lookupHex('identity-rules', `${version}\u001f${canonicalJson(rules)}`)

/** Makes the next version. Throws precondition_failed when somebody else was faster, state_conflict without a preview. */
export async function storeRules(
  tx: Connection,
  vault: Vault,
  input: { rules: IdentityRules; version: number; preview: string; staffId: string },
): Promise<StoredRules> {
  const before = await currentRules(tx)
  if (before.version !== input.version)
    throw new AppError('precondition_failed', `the rules are at version ${before.version} by now`, {
      fix: 'Read them again and look at what your change would join.',
    })
  if (input.preview !== previewToken(vault, before.version, input.rules))
    throw new AppError('state_conflict', 'nobody has looked at what these rules would join', {
      field: '/preview',
      fix: 'Ask for a preview of exactly these rules and send its token.',
    })
  await tx
    .insertInto('identity_rules')
    .values({ version: before.version + 1, definition: canonicalJson(input.rules), made_by: input.staffId })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  return currentRules(tx)
}
