import { type RawBuilder, sql } from 'kysely'
import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

/** An account as others may see it: whose it is by pseudonym, never what it is called. */
export interface SeenIdentity {
  uid: string
  scheme: string
  kind: string | null
  person: SeenPerson
}
export interface SeenPerson {
  uid: string
  pseudonym: string
}

/** One row of a person or an account as JSON, by its internal id; null without one. */
const personAs = (id: string): RawBuilder<SeenPerson> => sql<SeenPerson>`
  (select json_build_object('uid', p.uid, 'pseudonym', p.pseudonym) from person p where p.id = ${sql.ref(id)})`
const identityAs = (id: string): RawBuilder<SeenIdentity> => sql<SeenIdentity>`
  (select json_build_object('uid', i.uid, 'scheme', i.scheme, 'kind', i.kind,
     'person', json_build_object('uid', p.uid, 'pseudonym', p.pseudonym))
   from identity i join person p on p.id = i.person_id where i.id = ${sql.ref(id)})`
/** The kind and id of the connector whose record said so. */
const sourceAs = (importId: string): RawBuilder<{ connectorId: string; kind: string } | null> => sql<{
  connectorId: string
  kind: string
} | null>`
  (select json_build_object('connectorId', c.id, 'kind', c.kind)
   from import m join connector c on c.id = m.connector_id where m.id = ${sql.ref(importId)})`

const byIdentity = sortedBy([['identity.id', 'bigint']], 'asc')
const byJoin = sortedBy(
  [
    ['identity_join.created_at', 'timestamptz'],
    ['identity_join.id', 'uuid'],
  ],
  'desc',
)
const byConflict = sortedBy(
  [
    ['identity_conflict.created_at', 'timestamptz'],
    ['identity_conflict.id', 'uuid'],
  ],
  'desc',
)
const byVeto = sortedBy(
  [
    ['identity_veto.created_at', 'timestamptz'],
    ['identity_veto.id', 'uuid'],
  ],
  'desc',
)

/** Longest known first. */
export async function listIdentities(
  db: Connection,
  page: PageRequest,
  filter: { personUid?: string; pseudonym?: string; kind?: string },
) {
  let query = db
    .selectFrom('identity')
    .innerJoin('person', 'person.id', 'identity.person_id')
    .select(['identity.id', 'identity.created_at', identityAs('identity.id').as('seen')])
    .where(byIdentity.behind(page.after))
  if (filter.personUid !== undefined) query = query.where('person.uid', '=', filter.personUid)
  if (filter.pseudonym !== undefined) query = query.where('person.pseudonym', '=', filter.pseudonym)
  if (filter.kind !== undefined) query = query.where('identity.kind', '=', filter.kind)
  const rows = await query
    .orderBy(byIdentity.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.id])
}

export const readIdentity = (db: Connection, uid: string) =>
  db
    .selectFrom('identity')
    .select(['identity.created_at', identityAs('identity.id').as('seen')])
    .where('uid', '=', uid)
    .executeTakeFirstOrThrow()

/** Newest first. Of one person: what brought it accounts, took some away, or holds it together. */
export async function listJoins(
  db: Connection,
  page: PageRequest,
  filter: { personUid?: string; identityId?: string; held?: boolean },
) {
  let query = db
    .selectFrom('identity_join')
    .selectAll('identity_join')
    .select([
      identityAs('identity_a').as('a'),
      identityAs('identity_b').as('b'),
      personAs('from_person').as('from'),
      personAs('to_person').as('to'),
      sourceAs('import_id').as('source'),
    ])
    .where(byJoin.behind(page.after))
  const { personUid, identityId, held } = filter
  if (personUid !== undefined)
    query = query.where(
      sql<boolean>`(select id from person where uid = ${personUid}::uuid) in (from_person, to_person,
        (select person_id from identity where id = identity_a))`,
    )
  if (identityId !== undefined)
    query = query.where(
      sql<boolean>`(select id from identity where uid = ${identityId}::uuid) in (identity_a, identity_b)`,
    )
  if (held !== undefined) query = query.where('ended_at', held ? 'is' : 'is not', null)
  const rows = await query
    .orderBy(byJoin.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.created_at, row.id])
}

/** Newest first. */
export async function listConflicts(db: Connection, page: PageRequest, filter: { id?: string; state?: string }) {
  let query = db
    .selectFrom('identity_conflict')
    .selectAll('identity_conflict')
    .select([identityAs('identity_a').as('a'), identityAs('identity_b').as('b'), sourceAs('import_id').as('source')])
    .where(byConflict.behind(page.after))
  if (filter.id !== undefined) query = query.where('id', '=', filter.id)
  if (filter.state !== undefined) query = query.where('state', '=', filter.state)
  const rows = await query
    .orderBy(byConflict.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.created_at, row.id])
}

/** Newest first, each with the accounts that it keeps apart. */
export async function listVetoes(db: Connection, page: PageRequest, filter: { id?: string; lifted?: boolean }) {
  let query = db
    .selectFrom('identity_veto')
    .selectAll('identity_veto')
    .select(
      sql<SeenIdentity[]>`
        (select json_agg(json_build_object('uid', i.uid, 'scheme', i.scheme, 'kind', i.kind,
           'person', json_build_object('uid', p.uid, 'pseudonym', p.pseudonym)) order by i.id)
         from identity i join person p on p.id = i.person_id
         where i.id in (select unnest(array[identity_a, identity_b]) from identity_veto_pair
                        where veto_id = identity_veto.id))`.as('accounts'),
    )
    .where(byVeto.behind(page.after))
  if (filter.id !== undefined) query = query.where('id', '=', filter.id)
  if (filter.lifted !== undefined) query = query.where('lifted_at', filter.lifted ? 'is not' : 'is', null)
  const rows = await query
    .orderBy(byVeto.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.created_at, row.id])
}

/** Accounts by their internal ids, as others may see them. */
export async function seenIdentities(db: Connection, ids: readonly number[]): Promise<Map<number, SeenIdentity>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('identity')
    .select(['identity.id', identityAs('identity.id').as('seen')])
    .where('id', 'in', [...new Set(ids)])
    .execute()
  return new Map(rows.map((row) => [row.id, row.seen]))
}
