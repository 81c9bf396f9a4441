import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { normaliseToken, tokensOfIdentifier } from '../domain/name-tokens.ts'
import { ownText } from '../domain/own-text.ts'
import { pseudonymFrom } from '../domain/pseudonym.ts'
import type { Identifier, IdentifierScheme } from '../domain/signal.ts'
import type { Connection, Database } from './connection.ts'
import { insertSealedRows, sealedRow, type Vault } from './vault.ts'

/** One account, whatever its spelling: addresses and user names are compared without case. */
export const identifierText = ({ scheme, value }: Identifier): string =>
  `${scheme}\u001f${scheme === 'employee_number' ? value.trim().normalize('NFC') : normaliseToken(value.trim())}`

/** Identity ids by `identifierText`. Bounded by the distinct accounts of one import. */
export type IdentityCache = Map<string, number>

const ACCOUNTS_AT_MOST = 200_000

/** Identity ids by the very spelling of an account: most records name one that was met a moment ago. */
export class AccountIds {
  readonly #ids = new Map<IdentifierScheme, Map<string, number>>()

  get({ scheme, value }: Identifier): number | undefined {
    return this.#ids.get(scheme)?.get(value)
  }

  /** Takes over what `resolveIdentities` found or made. */
  take(identifier: Identifier, found: IdentityCache): void {
    const id = found.get(identifierText(identifier))
    if (id === undefined) return
    let ids = this.#ids.get(identifier.scheme)
    if (!ids || ids.size >= ACCOUNTS_AT_MOST) {
      ids = new Map()
      this.#ids.set(identifier.scheme, ids)
    }
    ids.set(ownText(identifier.value), id)
  }
}

/**
 * Finds the identities of accounts and creates the unknown ones, each with a person of its own. Set-based: one look-up
 * for all that the cache does not hold. Commits by itself: an identity without activities does no harm, and two
 * imports that meet a new account at once agree on one identity.
 */
export async function resolveIdentities(
  db: Database,
  vault: Vault,
  identifiers: Iterable<Identifier>,
  cache: IdentityCache,
): Promise<void> {
  const wanted = new Map<string, Identifier>()
  for (const identifier of identifiers) {
    const text = identifierText(identifier)
    if (!cache.has(text)) wanted.set(text, identifier)
  }
  if (wanted.size === 0) return
  const keys = new Map(
    [...wanted].map(([text, identifier]) => [text, vault.lookupKey(`identity/${identifier.scheme}`, text)]),
  )
  const take = async (tx: Connection) => {
    const missing = [...wanted.keys()].filter((text) => !cache.has(text))
    if (missing.length === 0) return
    const rows = await sql<{ id: number; lookup_key: Buffer }>`
      select identity.id, identity.lookup_key
      from identity join unnest(${missing.map((text) => wanted.get(text)?.scheme)}::text[],
                                ${missing.map((text) => keys.get(text))}::bytea[]) as asked (scheme, lookup_key)
        on identity.scheme = asked.scheme and identity.lookup_key = asked.lookup_key`.execute(tx)
    const byKey = new Map(rows.rows.map((row) => [row.lookup_key.toString('hex'), row.id]))
    for (const text of missing) {
      const id = byKey.get((keys.get(text) as Buffer).toString('hex'))
      if (id !== undefined) cache.set(text, id)
    }
  }
  await take(db)
  const unknown = [...wanted].filter(([text]) => !cache.has(text))
  if (unknown.length === 0) return
  await db.transaction().execute(async (tx) => {
    const sealed = unknown.map(([, identifier]) => sealedRow(vault, 'identity', JSON.stringify(identifier)))
    await insertSealedRows(tx, sealed)
    const people = unknown.map(() => ({ uid: uuid(), pseudonym: pseudonymFrom(randomBytes(5)) }))
    const made = await sql<{ id: number; uid: string }>`
      insert into person (uid, pseudonym)
      select * from unnest(${people.map((person) => person.uid)}::uuid[], ${people.map((person) => person.pseudonym)}::text[])
      returning id, uid`.execute(tx)
    const idOf = new Map(made.rows.map((row) => [row.uid, row.id]))
    const inserted = await sql<{ person_id: number; lookup_key: Buffer }>`
      insert into identity (person_id, scheme, lookup_key, sealed_id)
      select * from unnest(${people.map((person) => idOf.get(person.uid))}::bigint[],
                           ${unknown.map(([, identifier]) => identifier.scheme)}::text[],
                           ${unknown.map(([text]) => keys.get(text))}::bytea[],
                           ${sealed.map((row) => row.id)}::uuid[]) as fresh (person_id, scheme, lookup_key, sealed_id)
      order by scheme, lookup_key
      on conflict (scheme, lookup_key) do nothing
      returning person_id, lookup_key`.execute(tx)
    const kept = new Set(inserted.rows.map((row) => row.person_id))
    const orphans = [...idOf.values()].filter((id) => !kept.has(id))
    if (orphans.length > 0) {
      // Somebody else created the same account meanwhile: theirs stays.
      await tx.deleteFrom('person').where('id', 'in', orphans).execute()
      const lost = sealed.filter((_, index) => !kept.has(idOf.get(people[index]?.uid ?? '') as number))
      await tx
        .deleteFrom('sealed_value')
        .where(
          'id',
          'in',
          lost.map((row) => row.id),
        )
        .execute()
    }
    const tokens = unknown.flatMap(([, identifier], index) => {
      const personId = idOf.get(people[index]?.uid ?? '') as number
      return kept.has(personId) ? tokensOfIdentifier(identifier).map((token) => ({ token, personId })) : []
    })
    await rememberTokens(tx, vault, tokens)
  })
  await take(db)
}

/** Remembers by which words text may name a person; what is known already is left alone. */
export async function rememberTokens(
  tx: Connection,
  vault: Vault,
  tokens: readonly { token: string; personId: number }[],
): Promise<void> {
  if (tokens.length === 0) return
  await sql`
    insert into name_token (token_key, person_id)
    select distinct * from unnest(${tokens.map(({ token }) => vault.lookupKey('name-token', token))}::bytea[],
                                  ${tokens.map(({ personId }) => personId)}::bigint[])
    order by 1, 2
    on conflict do nothing`.execute(tx)
}
