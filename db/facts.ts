import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { canonicalJson } from '../domain/canonical.ts'
import { tokensOfName } from '../domain/name-tokens.ts'
import type { Fact, Subject } from '../domain/signal.ts'
import { contentKey } from './activities.ts'
import type { Connection } from './connection.ts'
import { applyJoins, type JoinProposal, planJoins } from './identity-joins.ts'
import { currentRules } from './identity-rules.ts'
import { nameOf } from './name-tokens.ts'
import { rememberTokens } from './people.ts'
import { storeProfileKeys, touchAfterLeaving, touchRelated } from './subject-keys.ts'
import { insertSealedRows, sealedRow, type Vault } from './vault.ts'

export interface ResolvedFact {
  fact: Fact
  line: number
  identityId: number
  aliasIds: readonly number[]
}

export interface StoredFacts {
  stored: number
  duplicate: number
  /** Identities whose facts or owner changed. */
  touchedIdentities: number[]
}

const place = (identityId: number, naturalKey: string) => `${identityId}\u001f${naturalKey}`

/** What the connector of an import said last, of accounts of whom something is known. */
async function toldBefore(
  tx: Connection,
  importId: string,
  known: readonly { identity_id: number }[],
): Promise<Map<string, { content: string; withdrawn: boolean }>> {
  const rows = await sql<{ identity_id: number; natural_key: string; content_key: string; withdrawn: boolean }>`
    select distinct on (fact.identity_id, fact.natural_key)
      fact.identity_id, fact.natural_key, fact.content_key, fact.withdrawn
    from fact join import on import.id = fact.import_id
    where fact.identity_id = any (${known.map((row) => row.identity_id)}::bigint[])
      and import.connector_id = (select connector_id from import where id = ${importId})
    order by 1, 2, fact.recorded_at desc, fact.superseded_at desc nulls first`.execute(tx)
  return new Map(
    rows.rows.map((row) => [
      place(row.identity_id, row.natural_key),
      { content: row.content_key, withdrawn: row.withdrawn },
    ]),
  )
}

/** Everything that makes two rows say the same. */
const contentOf = (fact: Fact): string =>
  canonicalJson({
    kind: fact.kind,
    effectiveAt: fact.effectiveAt.toISOString(),
    lastWorkingAt: fact.lastWorkingAt?.toISOString() ?? null,
    withdrawn: fact.withdrawn ?? false,
    attributes: fact.attributes,
    personal: fact.personal ?? {},
    aliases: (fact.aliases ?? []).map((alias) => `${alias.scheme}:${alias.value}`),
  })

/**
 * Stores facts in the order of their lines. The current fact of an identity and natural key is superseded by a row
 * that says something else; a row that says the same is a duplicate. What was known earlier stays, with its dates.
 * `touched` names the table in which person-days are noted whose indicators depend on a changed fact.
 */
export async function storeFacts(
  tx: Connection,
  vault: Vault,
  { importId, touched }: { importId: string; touched: string },
  facts: readonly ResolvedFact[],
): Promise<StoredFacts> {
  if (facts.length === 0) return { stored: 0, duplicate: 0, touchedIdentities: [] }
  const recordedAt = new Date()
  const known = await tx
    .selectFrom('fact')
    .innerJoin('import', 'import.id', 'fact.import_id')
    .select(['fact.id', 'identity_id', 'natural_key', 'content_key', 'effective_at', 'import.connector_id'])
    .where('superseded_at', 'is', null)
    .where('identity_id', 'in', [...new Set(facts.map((row) => row.identityId))])
    .forUpdate('fact')
    .execute()
  const told = await toldBefore(tx, importId, known)
  const current = new Map(
    known.map((row) => [
      place(row.identity_id, row.natural_key),
      { id: row.id, content: row.content_key, at: row.effective_at },
    ]),
  )
  const superseded = new Map<string, string>()
  const fresh: { id: string; row: ResolvedFact; content: string }[] = []
  for (const row of facts) {
    const key = place(row.identityId, row.fact.naturalKey)
    const content = contentKey(vault, contentOf(row.fact))
    const before = current.get(key)
    // What a source says again is no news, though another has said something else meanwhile.
    if (before?.content === content || told.get(key)?.content === content) continue
    if (row.fact.takesBack && (told.get(key) ?? { withdrawn: true }).withdrawn) continue
    // Older news, told late or again.
    if (row.fact.newestCounts && before && row.fact.effectiveAt < before.at) continue
    const id = uuid()
    if (before) superseded.set(before.id, id)
    current.set(key, { id, content, at: row.fact.effectiveAt })
    told.set(key, { content, withdrawn: row.fact.withdrawn ?? false })
    fresh.push({ id, row, content })
  }

  const sealed = new Map(
    fresh
      .filter(({ row }) => row.fact.personal && Object.keys(row.fact.personal).length > 0)
      .map(({ id, row }) => [id, sealedRow(vault, 'personal', JSON.stringify(row.fact.personal))]),
  )
  await insertSealedRows(tx, [...sealed.values()])
  await sql`
    update fact set superseded_at = ${recordedAt}, superseded_by = change.successor
    from unnest(${[...superseded.keys()]}::uuid[], ${[...superseded.values()]}::uuid[]) as change (id, successor)
    where fact.id = change.id`.execute(tx)
  for (let from = 0; from < fresh.length; from += 2_000) {
    await tx
      .insertInto('fact')
      .values(
        fresh.slice(from, from + 2_000).map(({ id, row, content }) => ({
          id,
          identity_id: row.identityId,
          kind: row.fact.kind,
          natural_key: row.fact.naturalKey,
          content_key: content,
          effective_at: row.fact.effectiveAt,
          last_working_at: row.fact.lastWorkingAt ?? null,
          withdrawn: row.fact.withdrawn ?? false,
          attributes: JSON.stringify(row.fact.attributes),
          sealed_id: sealed.get(id)?.id ?? null,
          import_id: importId,
          line: row.line,
          recorded_at: recordedAt,
          superseded_at: superseded.has(id) ? recordedAt : null,
          superseded_by: superseded.get(id) ?? null,
        })),
      )
      .execute()
  }

  const joined = await applyJoins(tx, await planJoins(tx, await saidTogether(tx, importId, fresh)))
  await markKinds(
    tx,
    fresh.map(({ row }) => row),
  )
  await rememberNames(
    tx,
    vault,
    fresh.map(({ row }) => row),
  )
  await touchWhatFactsDecide(
    tx,
    vault,
    fresh.map(({ row }) => row),
    touched,
  )
  const owners = joined.length
    ? await tx.selectFrom('identity').select('id').where('person_id', 'in', joined).execute()
    : []
  const moved = owners.map(({ id }) => id)
  await touchRelated(tx, moved, touched)
  await touchAfterLeaving(tx, moved, touched)
  return {
    stored: fresh.length,
    duplicate: facts.length - fresh.length,
    touchedIdentities: [...new Set([...fresh.map(({ row }) => row.identityId), ...owners.map((owner) => owner.id)])],
  }
}

/** The accounts that a record names together, of the schemes that may join people. */
async function saidTogether(
  tx: Connection,
  importId: string,
  fresh: readonly { row: ResolvedFact }[],
): Promise<JoinProposal[]> {
  if (!fresh.some(({ row }) => row.aliasIds.length > 0)) return []
  const { rules } = await currentRules(tx)
  return fresh.flatMap(({ row }) =>
    (row.fact.aliases ?? []).flatMap(({ scheme }, index): JoinProposal[] =>
      rules.sourceAliases.includes(scheme)
        ? [{ a: row.identityId, b: row.aliasIds[index] as number, cause: 'source', importId, line: row.line }]
        : [],
    ),
  )
}

/** Profiles decide who a touched record belongs to, last working days what came after them. */
async function touchWhatFactsDecide(
  tx: Connection,
  vault: Vault,
  rows: readonly ResolvedFact[],
  touched: string,
): Promise<void> {
  const profiles = rows
    .filter(({ fact }) => fact.kind === 'employee_profile')
    .map(({ fact, identityId }) => ({ identityId, subject: fact.withdrawn ? {} : subjectOf(fact) }))
  await storeProfileKeys(tx, vault, profiles, touched)
  const leavers = rows.filter(({ fact }) => fact.kind === 'resignation').map(({ identityId }) => identityId)
  await touchAfterLeaving(tx, leavers, touched)
}

const subjectOf = ({ personal = {}, attributes }: Fact): Subject => {
  const subject: Subject = {}
  if (personal['firstName']) subject.firstName = personal['firstName']
  if (personal['lastName']) subject.lastName = personal['lastName']
  if (personal['addressLine1']) subject.addressLine = personal['addressLine1']
  if (personal['zipCode']) subject.postalCode = personal['zipCode']
  if (attributes['department']) subject.department = attributes['department']
  return subject
}

/** Accounts that a source knows to be no person's inside, where no admin has said who acts by them. */
async function markKinds(tx: Connection, rows: readonly ResolvedFact[]): Promise<void> {
  const marked = rows.filter(({ fact }) => fact.personKind !== undefined)
  if (marked.length === 0) return
  await sql`
    update identity set kind = said.kind
    from unnest(${marked.map(({ identityId }) => identityId)}::bigint[],
                ${marked.map(({ fact }) => fact.personKind)}::text[]) as said (id, kind)
    where identity.id = said.id and identity.kind is null`.execute(tx)
}

async function rememberNames(tx: Connection, vault: Vault, rows: readonly ResolvedFact[]): Promise<void> {
  const named = rows.filter(({ fact }) => fact.kind === 'employee_profile' && nameOf(fact.personal) !== null)
  if (named.length === 0) return
  const owners = await tx
    .selectFrom('identity')
    .select(['id', 'person_id'])
    .where('id', 'in', [...new Set(named.map((row) => row.identityId))])
    .execute()
  const personOf = new Map(owners.map((owner) => [owner.id, owner.person_id]))
  const tokens = named.flatMap(({ fact, identityId }) => {
    const personId = personOf.get(identityId)
    if (personId === undefined) return []
    const { first, last } = nameOf(fact.personal) as { first: string; last: string }
    return tokensOfName(first, last).map((token) => ({ token, personId }))
  })
  await rememberTokens(tx, vault, tokens)
}
