import { sql } from 'kysely'
import { tokensOfIdentifier, tokensOfName } from '../domain/name-tokens.ts'
import type { Identifier } from '../domain/signal.ts'
import type { Connection } from './connection.ts'
import { rememberTokens } from './people.ts'
import { openSealed, type Vault } from './vault.ts'

/** The name in a profile: as HR systems tell it, or as directories do, whose names are compared with nobody's. */
export function nameOf(personal: Readonly<Record<string, string>> = {}): { first: string; last: string } | null {
  const last = personal['lastName'] ?? personal['surname']
  return last ? { first: personal['firstName'] ?? personal['givenName'] ?? '', last } : null
}

/** Says anew by which words text may name these people: their accounts, and the names in their profiles. */
export async function retellNames(tx: Connection, vault: Vault, personIds: readonly number[]): Promise<void> {
  const accounts = await tx
    .selectFrom('identity')
    .select(['person_id', 'sealed_id'])
    .where('person_id', 'in', [...personIds])
    .execute()
  const profiles = await tx
    .selectFrom('fact')
    .innerJoin('identity', 'identity.id', 'fact.identity_id')
    .select(['identity.person_id', 'fact.sealed_id'])
    .where('identity.person_id', 'in', [...personIds])
    // Names of before still stand in texts of before.
    .where('fact.kind', '=', 'employee_profile')
    .where('fact.sealed_id', 'is not', null)
    .execute()
  const opened = await openSealed(
    tx,
    vault,
    [...accounts, ...profiles].map(({ sealed_id }) => sealed_id as string),
  )
  const read = (sealedId: string | null) => JSON.parse((opened.get(sealedId ?? '') ?? '{}').toString())
  const tokens = [
    ...accounts.flatMap(({ person_id, sealed_id }) =>
      tokensOfIdentifier(read(sealed_id) as Identifier).map((token) => ({ token, personId: person_id })),
    ),
    ...profiles.flatMap(({ person_id, sealed_id }) => {
      const name = nameOf(read(sealed_id))
      return name === null ? [] : tokensOfName(name.first, name.last).map((token) => ({ token, personId: person_id }))
    }),
  ]
  await sql`delete from name_token where person_id = any (${personIds}::bigint[])`.execute(tx)
  await rememberTokens(tx, vault, tokens)
}
