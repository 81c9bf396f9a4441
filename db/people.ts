import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { normaliseToken, tokensOfIdentifier } from '../domain/name-tokens.ts'
import { ownText } from '../domain/own-text.ts'
import { pseudonymFrom } from '../domain/pseudonym.ts'
import type { Identifier, IdentifierScheme } from '../domain/signal.ts'
import { bigints, byteas, texts } from './binary.ts'
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

/** Whoever makes accounts of a share takes turns: two imports that meet a new one at once agree on one identity. */
const NEW_ACCOUNTS_LOCK = 0x5b003
/** Shares of all accounts, by their keys: many accounts are made of all shares at the same time. */
const SHARES = [0, 1]
/** Fewer are made at once, behind the locks of all shares. */
const MANY = 200

/**
 * Finds the identities of accounts and creates the unknown ones, each with a person of its own. Set-based: one look-up
 * for all that the cache does not hold. Commits by itself: an identity without activities does no harm.
 */
export async function resolveIdentities(
  db: Database,
  vault: Vault,
  identifiers: Iterable<Identifier>,
  cache: IdentityCache,
): Promise<void> {
  const wanted = new Map<string, Account>()
  for (const identifier of identifiers) {
    const text = identifierText(identifier)
    if (cache.has(text) || wanted.has(text)) continue
    wanted.set(text, { text, identifier, key: vault.lookupKey(`identity/${identifier.scheme}`, text) })
  }
  const found = await takeKnown(db, [...wanted.values()], cache)
  if (found === wanted.size) return
  // All that can be made ready without a lock is.
  const fresh = [...wanted.values()]
    .filter(({ text }) => !cache.has(text))
    .map((account) => freshAccount(vault, account))
  if (fresh.length < MANY) return makeAccounts(db, fresh, SHARES, cache)
  const ofShare = (share: number) => fresh.filter(({ key }) => key.readUInt8() % SHARES.length === share)
  await Promise.all(SHARES.map((share) => makeAccounts(db, ofShare(share), [share], cache)))
}

async function makeAccounts(
  db: Database,
  accounts: readonly FreshAccount[],
  shares: readonly number[],
  cache: IdentityCache,
): Promise<void> {
  if (accounts.length === 0) return
  await db.transaction().execute(async (tx) => {
    // Nobody need wait for the disk: whatever refers to these accounts is committed later, and with it all before it.
    await sql`
      select pg_advisory_xact_lock(${NEW_ACCOUNTS_LOCK}, share), set_config('synchronous_commit', 'off', true)
      from unnest(${shares}::int[]) as share`.execute(tx)
    const madeMeanwhile = await takeKnown(tx, accounts, cache)
    const unknown = madeMeanwhile === 0 ? accounts : accounts.filter(({ text }) => !cache.has(text))
    await createPeople(tx, unknown, cache)
  })
}

interface Account {
  /** See `identifierText`. */
  text: string
  identifier: Identifier
  key: Buffer
}

/** Takes those that are stored into the cache; how many there are. */
async function takeKnown(tx: Connection, accounts: readonly Account[], cache: IdentityCache): Promise<number> {
  if (accounts.length === 0) return 0
  const { rows } = await sql<{ id: number; place: number }>`
    select identity.id, asked.place::int
    from unnest(${texts(accounts.length, (n) => schemeOf(accounts, n))}::text[],
                ${byteas(accounts.length, (n) => keyOf(accounts, n))}::bytea[])
           with ordinality as asked (scheme, lookup_key, place)
    join identity on identity.scheme = asked.scheme and identity.lookup_key = asked.lookup_key`.execute(tx)
  for (const { id, place } of rows) cache.set((accounts[place - 1] as Account).text, id)
  return rows.length
}

const schemeOf = (accounts: readonly Account[], n: number): string => (accounts[n] as Account).identifier.scheme
const keyOf = (accounts: readonly Account[], n: number): Buffer => (accounts[n] as Account).key

/** What is stored of an account and its person. */
interface FreshAccount extends Account {
  sealed: ReturnType<typeof sealedRow>
  /** By which words text may name the person. */
  tokenKeys: Buffer[]
}

function freshAccount(vault: Vault, account: Account): FreshAccount {
  const tokens = new Set(tokensOfIdentifier(account.identifier))
  return {
    ...account,
    sealed: sealedRow(vault, 'identity', JSON.stringify(account.identifier)),
    tokenKeys: [...tokens].map((token) => vault.lookupKey('name-token', token)),
  }
}

const PSEUDONYM_BYTES = 5

/** Nobody else makes them meanwhile: nothing can conflict. */
async function createPeople(tx: Connection, accounts: readonly FreshAccount[], cache: IdentityCache): Promise<void> {
  const count = accounts.length
  if (count === 0) return
  const sealed = accounts.map((account) => account.sealed)
  const tokens = accounts.flatMap(({ tokenKeys }, n) => tokenKeys.map((key) => ({ key, place: n + 1 })))
  const random = randomBytes(count * PSEUDONYM_BYTES)
  const pseudonymOf = (n: number) => pseudonymFrom(random.subarray(n * PSEUDONYM_BYTES, (n + 1) * PSEUDONYM_BYTES))
  await insertSealedRows(tx, sealed)
  const { rows } = await sql<{ id: number; place: number }>`
    with fresh as materialized (
      select nextval('person_id_seq') as person_id, * from unnest(
        ${texts(count, pseudonymOf)}::text[], ${texts(count, (n) => schemeOf(accounts, n))}::text[],
        ${byteas(count, (n) => keyOf(accounts, n))}::bytea[], ${sealed.map(({ id }) => id)}::uuid[]
      ) with ordinality as fresh (pseudonym, scheme, lookup_key, sealed_id, place)
    ), people as (
      insert into person (id, uid, pseudonym) overriding system value
      select person_id, gen_random_uuid(), pseudonym from fresh
    ), named as (
      insert into name_token (token_key, person_id)
      select token_key, person_id
      from unnest(${byteas(tokens.length, (n) => tokens[n]?.key as Buffer)}::bytea[],
                  ${bigints(tokens.length, (n) => tokens[n]?.place as number)}::bigint[]) as token (token_key, place)
      join fresh using (place)
      order by 1, 2
    ), accounts as (
      insert into identity (person_id, scheme, lookup_key, sealed_id)
      select person_id, scheme, lookup_key, sealed_id from fresh order by scheme, lookup_key
      returning id, person_id
    )
    select accounts.id, fresh.place::int from accounts join fresh using (person_id)`.execute(tx)
  for (const { id, place } of rows) cache.set((accounts[place - 1] as Account).text, id)
}

/** Remembers by which words text may name a person; what is known already is left alone. */
export async function rememberTokens(
  tx: Connection,
  vault: Vault,
  tokens: readonly { token: string; personId: number }[],
): Promise<void> {
  if (tokens.length === 0) return
  const keys = tokens.map(({ token }) => vault.lookupKey('name-token', token))
  await sql`
    insert into name_token (token_key, person_id)
    select distinct * from unnest(${byteas(keys.length, (n) => keys[n] as Buffer)}::bytea[],
                                  ${bigints(tokens.length, (n) => tokens[n]?.personId as number)}::bigint[])
    order by 1, 2
    on conflict do nothing`.execute(tx)
}
