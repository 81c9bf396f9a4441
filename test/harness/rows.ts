import { v7 as uuid } from 'uuid'
import { connectorKind } from '../../connectors/kinds.ts'
import { sha256 } from '../../db/hash.ts'
import { identifierText } from '../../db/people.ts'
import { insertSealed } from '../../db/vault.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import { partSecrets } from '../../domain/form.ts'
import type { IndicatorDefinition } from '../../policies/indicator.ts'
import { definitionFrom, type PolicyOverrides, syncIndicators } from '../../policies/load.ts'
import { builtInIndicators, builtInTemplates, storeBuiltIn } from './built-in.ts'
import type { TestDatabase } from './database.ts'

/** An active connector of a kind, as a finished set-up leaves it. */
export async function insertConnector(
  t: TestDatabase,
  kind: string,
  settings: Record<string, unknown>,
  id: string = uuid(),
): Promise<string> {
  const parts = partSecrets(connectorKind(kind).config, settings)
  await t.db
    .insertInto('connector')
    .values({
      id,
      kind,
      name: `${kind} ${id}`,
      state: 'active',
      activated_at: new Date(),
      settings: JSON.stringify(parts.settings),
      secret_id: Object.keys(parts.secret).length
        ? await insertSealed(t.db, t.vault, 'secret', JSON.stringify(parts.secret))
        : null,
      every_seconds: 3600,
    })
    .execute()
  return id
}

/** An enabled policy, made from a template; with indicators of the test's own where it brings them. */
export async function insertPolicy(
  t: TestDatabase,
  template: string,
  name: string,
  overrides: PolicyOverrides = {},
  own: readonly IndicatorDefinition[] = [],
): Promise<string> {
  const id = uuid()
  const indicators = new Map(builtInIndicators())
  for (const each of own) indicators.set(each.id, each)
  await storeBuiltIn(t.db, new Set(own.map(({ id }) => id)))
  await syncIndicators(t.db, own)
  const chosen = builtInTemplates().get(template)
  if (!chosen) throw new Error(`no template ${template}`)
  const definition = canonicalJson(definitionFrom(chosen, indicators, overrides))
  await t.db.transaction().execute(async (tx) => {
    await tx.insertInto('policy').values({ id, template, name, state: 'enabled', version: 1 }).execute()
    await tx
      .insertInto('policy_version')
      .values({ policy_id: id, version: 1, definition, sha256: sha256(definition), note: 'first' })
      .execute()
  })
  return id
}

/** Whoever has the account of this address. Throws where nobody has. */
export async function personAt(t: TestDatabase, address: string): Promise<number> {
  const key = t.vault.lookupKey('identity/address', identifierText({ scheme: 'address', value: address }))
  const row = await t.db
    .selectFrom('identity')
    .select('person_id')
    .where('scheme', '=', 'address')
    .where('lookup_key', '=', key)
    .executeTakeFirstOrThrow()
  return row.person_id
}
