import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { AppError } from '../domain/errors.ts'
import { pseudonymFrom } from '../domain/pseudonym.ts'
import type { Connection } from './connection.ts'
import { applyJoins, type JoinProposal, planJoins, requestForAlerts } from './identity-joins.ts'
import { retellNames } from './name-tokens.ts'
import { noticeTouched } from './notices.ts'
import { queueRecount } from './recounts.ts'
import { lockDecisions } from './subject-keys.ts'
import type { Vault } from './vault.ts'

/** How often two sides of a split may meet: each pair of accounts gets its veto. */
const PAIRS_AT_MOST = 20_000

export interface Separated {
  /** People by their public id. */
  stays: string
  leaves: string
  vetoId: string
}

type Because = 'undone' | 'split' | 'rules_changed'

/** Joins on an admin's word; a veto still holds. Throws not_found, state_conflict. */
export async function joinByStaff(
  tx: Connection,
  { identityUids, staffId }: { identityUids: readonly string[]; staffId: string },
): Promise<void> {
  await lockDecisions(tx, 'facts')
  const [first, ...others] = await idsOf(tx, identityUids)
  const proposals = others.map((b): JoinProposal => ({ a: first as number, b, cause: 'staff', staffId }))
  await join(tx, proposals)
}

async function join(tx: Connection, proposals: readonly JoinProposal[]): Promise<void> {
  const plan = await planJoins(tx, proposals)
  if (plan.vetoed.length > 0)
    throw new AppError('state_conflict', 'a veto keeps these accounts apart', { fix: 'Lift the veto first.' })
  await followUp(tx, await applyJoins(tx, plan))
}

/** What changed owners has its days counted and its people looked at again. */
export async function followUp(tx: Connection, personIds: readonly number[]): Promise<void> {
  if (personIds.length === 0) return
  const members = await membersOf(tx, personIds)
  await queueRecount(tx, members)
  await noticeTouched(tx, members)
  await requestForAlerts(tx, personIds)
}

/**
 * Takes one join back: both sides are people of their own again, and neither a rule nor a record joins them. Throws
 * not_found; state_conflict when the join has ended or other joins hold the two together.
 */
export async function undoJoin(
  tx: Connection,
  vault: Vault,
  { joinId, staffId }: { joinId: string; staffId: string },
): Promise<Separated> {
  await lockDecisions(tx, 'facts')
  const row = await tx.selectFrom('identity_join').selectAll().where('id', '=', joinId).executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no join ${joinId}`)
  if (row.ended_at !== null) throw new AppError('state_conflict', 'the join has ended already')
  await endJoins(tx, [joinId], 'undone', staffId)
  const parts = await partsOf(tx, await ownerOf(tx, row.identity_a))
  const partA = parts.find((part) => part.includes(row.identity_a)) as number[]
  if (partA.includes(row.identity_b)) {
    throw new AppError('state_conflict', 'other joins hold these two accounts together', {
      fix: 'Undo those as well, or split the account from its person.',
    })
  }
  const vetoId = await veto(tx, 'undone', [row.identity_a], [row.identity_b], staffId)
  const people = await separate(tx, vault, await ownerOf(tx, row.identity_a))
  return { ...people, vetoId }
}

/** Ends joins whose rule no longer says so; what nothing else holds together parts. */
export async function endOutdated(tx: Connection, vault: Vault, joinIds: readonly string[]): Promise<void> {
  const rows = await tx
    .selectFrom('identity_join')
    .select('identity_a')
    .where('id', 'in', [...joinIds])
    .execute()
  await endJoins(tx, joinIds, 'rules_changed', null)
  for (const { identity_a } of rows) await separate(tx, vault, await ownerOf(tx, identity_a))
}

/**
 * Takes accounts out of their person: they are one person of their own, and nothing joins them to the rest until the
 * veto is lifted. Throws not_found; invalid_request when they are not one person's, or all that it has.
 */
export async function splitIdentities(
  tx: Connection,
  vault: Vault,
  { identityUids, staffId }: { identityUids: readonly string[]; staffId: string },
): Promise<Separated> {
  await lockDecisions(tx, 'facts')
  const ids = await idsOf(tx, identityUids)
  const owners = new Set(await Promise.all(ids.map((id) => ownerOf(tx, id))))
  const [personId, ...others] = owners
  const members = personId === undefined ? [] : await membersOf(tx, [personId])
  const rest = members.filter((id) => !ids.includes(id))
  if (personId === undefined || others.length > 0)
    throw new AppError('invalid_request', 'the accounts are not one person’s', { field: '/identities' })
  if (rest.length === 0)
    throw new AppError('invalid_request', 'these are all accounts of the person', {
      field: '/identities',
      fix: 'Name those that are somebody else’s.',
    })
  if (ids.length * rest.length > PAIRS_AT_MOST)
    throw new AppError('invalid_request', 'the person has too many accounts to split it so', { field: '/identities' })
  const crossing = await sql<{ id: string }>`
    select id from identity_join where ended_at is null
      and ((identity_a = any (${ids}::bigint[]) and identity_b = any (${rest}::bigint[]))
        or (identity_b = any (${ids}::bigint[]) and identity_a = any (${rest}::bigint[])))`.execute(tx)
  await endJoins(
    tx,
    crossing.rows.map(({ id }) => id),
    'split',
    staffId,
  )
  await holdTogether(tx, ids, staffId)
  await holdTogether(tx, rest, staffId)
  const vetoId = await veto(tx, 'split', ids, rest, staffId)
  const people = await separate(tx, vault, personId, ids)
  return { ...people, vetoId }
}

/** Decides a join that was unclear. Throws not_found, state_conflict. */
export async function decideConflict(
  tx: Connection,
  { conflictId, decision, staffId }: { conflictId: string; decision: 'join' | 'keep_apart'; staffId: string },
): Promise<void> {
  await lockDecisions(tx, 'facts')
  const row = await tx.selectFrom('identity_conflict').selectAll().where('id', '=', conflictId).executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no conflict ${conflictId}`)
  if (row.state !== 'open') throw new AppError('state_conflict', `the conflict is ${row.state}`)
  await tx
    .updateTable('identity_conflict')
    .set({
      state: decision === 'join' ? 'joined' : 'kept_apart',
      decided_at: new Date(),
      decided_by: staffId,
    })
    .where('id', '=', conflictId)
    .execute()
  if (decision === 'join') await join(tx, [{ a: row.identity_a, b: row.identity_b, cause: 'staff', staffId }])
  else await veto(tx, 'kept_apart', [row.identity_a], [row.identity_b], staffId)
}

/**
 * Lifts a veto: the joins that it ended are proposed again, and rules look at its accounts anew. Throws not_found,
 * state_conflict.
 */
export async function liftVeto(
  tx: Connection,
  { vetoId, staffId }: { vetoId: string; staffId: string },
): Promise<void> {
  await lockDecisions(tx, 'facts')
  const row = await tx.selectFrom('identity_veto').selectAll().where('id', '=', vetoId).executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no veto ${vetoId}`)
  if (row.lifted_at !== null) throw new AppError('state_conflict', 'the veto is lifted already')
  await tx
    .updateTable('identity_veto')
    .set({ lifted_at: new Date(), lifted_by: staffId })
    .where('id', '=', vetoId)
    .execute()
  const told = await sql<{ a: number; b: number; import_id: string; line: number }>`
    select distinct on (j.identity_a, j.identity_b) j.identity_a as a, j.identity_b as b, j.import_id, j.line
    from identity_veto_pair pair
    join identity_join j on j.identity_a = pair.identity_a and j.identity_b = pair.identity_b
    where pair.veto_id = ${vetoId} and j.cause = 'source' and j.ended_because in ('undone', 'split')
    order by 1, 2, j.ended_at desc`.execute(tx)
  const plan = await planJoins(
    tx,
    told.rows.map(({ a, b, import_id, line }) => ({ a, b, cause: 'source', importId: import_id, line })),
  )
  await followUp(tx, await applyJoins(tx, plan))
  await sql`
    update identity set compared_version = 0 from identity_veto_pair pair
    where pair.veto_id = ${vetoId} and identity.id in (pair.identity_a, pair.identity_b)`.execute(tx)
}

/** Says who acts by an account; its owner is looked at again. Throws not_found. */
export async function markIdentity(
  tx: Connection,
  { identityUid, kind }: { identityUid: string; kind: string | null },
): Promise<void> {
  const [id] = await idsOf(tx, [identityUid])
  await tx
    .updateTable('identity')
    .set({ kind, compared_version: 0 })
    .where('id', '=', id as number)
    .execute()
  await noticeTouched(tx, [id as number])
}

async function idsOf(tx: Connection, uids: readonly string[]): Promise<number[]> {
  const rows = await tx
    .selectFrom('identity')
    .select(['id', 'uid'])
    .where('uid', 'in', [...uids])
    .execute()
  const byUid = new Map(rows.map((row) => [row.uid, row.id]))
  return [...new Set(uids)].map((uid) => {
    const id = byUid.get(uid)
    if (id === undefined) throw new AppError('not_found', `there is no account ${uid}`)
    return id
  })
}

const ownerOf = async (tx: Connection, identityId: number): Promise<number> =>
  (await tx.selectFrom('identity').select('person_id').where('id', '=', identityId).executeTakeFirstOrThrow()).person_id

async function membersOf(tx: Connection, personIds: readonly number[]): Promise<number[]> {
  const rows = await tx
    .selectFrom('identity')
    .select('id')
    .where('person_id', 'in', [...personIds])
    .orderBy('id')
    .execute()
  return rows.map(({ id }) => id)
}

const endJoins = (tx: Connection, joinIds: readonly string[], because: Because, staffId: string | null) =>
  sql`
    update identity_join set ended_at = now(), ended_because = ${because}, ended_by = ${staffId}::uuid
    where id = any (${joinIds}::uuid[]) and ended_at is null`.execute(tx)

async function veto(
  tx: Connection,
  because: 'undone' | 'split' | 'kept_apart',
  left: readonly number[],
  right: readonly number[],
  staffId: string,
): Promise<string> {
  const id = uuid()
  await tx.insertInto('identity_veto').values({ id, because, made_by: staffId }).execute()
  await sql`
    insert into identity_veto_pair (veto_id, identity_a, identity_b)
    select ${id}::uuid, least(l, r), greatest(l, r)
    from unnest(${left}::bigint[]) l cross join unnest(${right}::bigint[]) r`.execute(tx)
  return id
}

/** Accounts of a person that joins hold together, in parts. */
async function partsOf(tx: Connection, personId: number): Promise<number[][]> {
  const members = await membersOf(tx, [personId])
  const joins = await sql<{ a: number; b: number }>`
    select identity_a as a, identity_b as b from identity_join
    where ended_at is null and identity_a = any (${members}::bigint[]) and identity_b = any (${members}::bigint[])`.execute(
    tx,
  )
  const partOf = new Map(members.map((id) => [id, [id]]))
  for (const { a, b } of joins.rows) {
    const [left, right] = [partOf.get(a) as number[], partOf.get(b) as number[]]
    if (left === right) continue
    left.push(...right)
    for (const id of right) partOf.set(id, left)
  }
  return [...new Set(partOf.values())]
}

/** What an admin leaves together stays so, also where the account that held it is gone. */
async function holdTogether(tx: Connection, ids: readonly number[], staffId: string): Promise<void> {
  const personId = await ownerOf(tx, ids[0] as number)
  const parts = (await partsOf(tx, personId)).filter((part) => part.some((id) => ids.includes(id)))
  const [first, ...others] = parts.map((part) => part.find((id) => ids.includes(id)) as number)
  const proposals = others.map((b): JoinProposal => ({ a: first as number, b, cause: 'split', staffId }))
  await applyJoins(tx, await planJoins(tx, proposals))
}

/**
 * Gives the parts of a person that nothing holds together an owner each: the part `leaving`, else all but the one that
 * was this person's first. A part goes back to where it came from when that person has nothing else, or is a new person.
 */
async function separate(
  tx: Connection,
  vault: Vault,
  personId: number,
  leaving?: readonly number[],
): Promise<Omit<Separated, 'vetoId'>> {
  const parts = await partsOf(tx, personId)
  const homes = await homesOf(tx, parts.flat())
  const isHome = (part: readonly number[]) =>
    part.filter((id) => homes.get(id) === undefined || homes.get(id) === personId)
  const [stays] = leaving
    ? parts.filter((part) => !part.some((id) => leaving.includes(id)))
    : [...parts].sort((a, b) => isHome(b).length - isHome(a).length || b.length - a.length)
  const people = [personId]
  for (const part of parts) {
    if (part === stays) continue
    const owner =
      (await emptyHome(
        tx,
        part.flatMap((id) => homes.get(id) ?? []),
      )) ?? (await newPerson(tx))
    await sql`
      with moved as (update identity set person_id = ${owner} where id = any (${part}::bigint[]) returning id)
      insert into identity_move (identity_id, from_person, to_person) select id, ${personId}, ${owner} from moved order by 1`.execute(
      tx,
    )
    people.push(owner)
  }
  if (people.length > 1) {
    await retellNames(tx, vault, people)
    await followUp(tx, people)
  }
  const uids = await tx.selectFrom('person').select(['id', 'uid']).where('id', 'in', people).execute()
  const uidOf = (id: number | undefined) => uids.find((row) => row.id === id)?.uid ?? ''
  return { stays: uidOf(personId), leaves: uidOf(people[1] ?? personId) }
}

/** Whose an account was before it was joined to anybody; absent when it never moved. */
async function homesOf(tx: Connection, ids: readonly number[]): Promise<Map<number, number>> {
  const rows = await sql<{ id: number; home: number }>`
    select distinct on (identity_id) identity_id as id, from_person as home from identity_move
    where identity_id = any (${ids}::bigint[]) order by identity_id, id`.execute(tx)
  return new Map(rows.rows.map(({ id, home }) => [id, home]))
}

async function emptyHome(tx: Connection, homes: readonly number[]): Promise<number | null> {
  const rows = await sql<{ id: number }>`
    select person.id from person where person.id = any (${homes}::bigint[])
      and not exists (select from identity where identity.person_id = person.id)
    order by 1 limit 1`.execute(tx)
  return rows.rows[0]?.id ?? null
}

async function newPerson(tx: Connection): Promise<number> {
  const made = await tx
    .insertInto('person')
    .values({ uid: uuid(), pseudonym: pseudonymFrom(randomBytes(5)) })
    .returning('id')
    .executeTakeFirstOrThrow()
  return made.id
}
