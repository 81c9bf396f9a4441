import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { IdentityRule } from '../domain/identity-rules.ts'
import type { Connection } from './connection.ts'

/** Somebody or something says that two accounts are one person's. */
export interface JoinProposal {
  a: number
  b: number
  cause: 'source' | 'rule' | 'staff' | 'split'
  rules?: readonly IdentityRule[]
  rulesVersion?: number
  importId?: string
  line?: number
  staffId?: string
}

/** Why a join is not made without an admin. */
export const CONFLICT_CODES = [
  'two_profiles',
  'two_employee_numbers',
  'no_person',
  'shared_account',
  'too_many_accounts',
] as const
export type ConflictCode = (typeof CONFLICT_CODES)[number]

export interface PlannedJoin extends JoinProposal {
  /** Whose accounts move; null where the accounts are one person's already. */
  fromPerson: number | null
  toPerson: number
}

export interface JoinPlan {
  joins: PlannedJoin[]
  conflicts: (JoinProposal & { code: ConflictCode; personA: number; personB: number })[]
  vetoed: JoinProposal[]
  /** Person → the people whose accounts go to it. */
  merges: Map<number, number[]>
}

/** Accounts of one person at most: more are a rule or a source gone wrong. */
export const ACCOUNTS_AT_MOST = 500

interface Account {
  id: number
  person_id: number
  scheme: string
  kind: string | null
}

/** People who would be one. */
interface Group {
  people: number[]
  accounts: number[]
  employeeNumbers: number
  /** Connectors that tell of a profile. */
  profiles: Set<string>
  alerts: boolean
}

/**
 * What proposals come to, in their order: joins, conflicts that an admin has to look at, and what a veto forbids.
 * Nothing is changed. Two people of whom one source tells apart (profiles, employee numbers) are never one person by a
 * rule or a record, an account that is nobody's or many people's is never a person's. An admin's word decides all but a veto.
 */
export async function planJoins(tx: Connection, proposals: readonly JoinProposal[]): Promise<JoinPlan> {
  const plan: JoinPlan = { joins: [], conflicts: [], vetoed: [], merges: new Map() }
  if (proposals.length === 0) return plan
  const known = await readAccounts(tx, proposals)
  const outsiders = await lastActedAsOutsiders(
    tx,
    proposals.flatMap(({ a, b, cause }) => (cause === 'rule' ? [a, b] : [])),
  )
  const { groups, vetoes } = known
  const groupOf = (personId: number): Group => groups.get(personId) as Group
  for (const proposal of proposals) {
    const [a, b] = [known.accounts.get(proposal.a), known.accounts.get(proposal.b)]
    if (!a || !b || a.id === b.id) continue
    const [groupA, groupB] = [groupOf(a.person_id), groupOf(b.person_id)]
    if (groupA === groupB) {
      plan.joins.push({ ...proposal, fromPerson: null, toPerson: a.person_id })
      continue
    }
    if (isVetoed(groupA, groupB, vetoes)) {
      plan.vetoed.push(proposal)
      continue
    }
    const code = proposal.cause === 'staff' ? null : conflictOf(a, b, groupA, groupB, outsiders)
    if (code !== null) {
      plan.conflicts.push({ ...proposal, code, personA: a.person_id, personB: b.person_id })
      continue
    }
    const merged = merge(groupA, groupB)
    for (const personId of merged.people) groups.set(personId, merged)
    plan.joins.push({ ...proposal, fromPerson: null, toPerson: 0 })
  }
  settle(plan, known)
  return plan
}

/** Which person each merged group is, now that all of it is known. */
function settle(plan: JoinPlan, { accounts, groups }: Known): void {
  for (const join of plan.joins) {
    const [a, b] = [accounts.get(join.a) as Account, accounts.get(join.b) as Account]
    const [kept, ...absorbed] = (groups.get(a.person_id) as Group).people as [number, ...number[]]
    if (absorbed.length > 0) plan.merges.set(kept, absorbed)
    join.toPerson = kept
    join.fromPerson = [b.person_id, a.person_id].find((personId) => personId !== kept) ?? null
  }
}

/** Whoever has an open alert is kept, else whoever is known longest: pseudonyms stay as far as they can. */
function merge(a: Group, b: Group): Group {
  const [kept, absorbed] =
    a.alerts === b.alerts
      ? (a.people[0] as number) < (b.people[0] as number)
        ? [a, b]
        : [b, a]
      : a.alerts
        ? [a, b]
        : [b, a]
  return {
    people: [...kept.people, ...absorbed.people],
    accounts: [...kept.accounts, ...absorbed.accounts],
    employeeNumbers: a.employeeNumbers + b.employeeNumbers,
    profiles: new Set([...a.profiles, ...b.profiles]),
    alerts: a.alerts || b.alerts,
  }
}

function isVetoed(a: Group, b: Group, vetoes: ReadonlyMap<number, ReadonlySet<number>>): boolean {
  if (vetoes.size === 0) return false
  const others = new Set(b.accounts)
  return a.accounts.some((id) => [...(vetoes.get(id) ?? [])].some((other) => others.has(other)))
}

const NOBODY = ['service', 'guest', 'anonymous']

function conflictOf(a: Account, b: Account, groupA: Group, groupB: Group, outsiders: ReadonlySet<number>) {
  for (const { kind, id } of [a, b]) {
    if (kind === 'shared') return 'shared_account'
    if (NOBODY.includes(kind ?? '') || (kind === null && outsiders.has(id))) return 'no_person'
  }
  const byNumber = [a, b].some(({ scheme }) => scheme === 'employee_number')
  const bothNumbers = [a, b].every(({ scheme }) => scheme === 'employee_number')
  if (groupA.employeeNumbers > 0 && groupB.employeeNumbers > 0 && !bothNumbers) return 'two_employee_numbers'
  // One number in two rows of a source is one employee whose address changed.
  if (!byNumber && [...groupA.profiles].some((connectorId) => groupB.profiles.has(connectorId))) return 'two_profiles'
  if (groupA.accounts.length + groupB.accounts.length > ACCOUNTS_AT_MOST) return 'too_many_accounts'
  return null
}

interface Known {
  accounts: Map<number, Account>
  groups: Map<number, Group>
  vetoes: Map<number, Set<number>>
}

async function readAccounts(tx: Connection, proposals: readonly JoinProposal[]): Promise<Known> {
  const named = [...new Set(proposals.flatMap(({ a, b }) => [a, b]))]
  const members = await sql<Account>`
    select member.id, member.person_id, member.scheme, member.kind
    from (select distinct person_id from identity where id = any (${named}::bigint[])) named
    join identity member using (person_id) order by member.id`.execute(tx)
  const accounts = new Map(members.rows.map((row) => [row.id, row]))
  const groups = new Map<number, Group>()
  for (const { id, person_id, scheme } of members.rows) {
    let group = groups.get(person_id)
    if (!group) {
      group = { people: [person_id], accounts: [], employeeNumbers: 0, profiles: new Set(), alerts: false }
      groups.set(person_id, group)
    }
    group.accounts.push(id)
    if (scheme === 'employee_number') group.employeeNumbers += 1
  }
  const people = [...groups.keys()]
  const profiles = await sql<{ person_id: number; connector_id: string }>`
    select distinct identity.person_id, import.connector_id
    from identity join fact on fact.identity_id = identity.id join import on import.id = fact.import_id
    where identity.person_id = any (${people}::bigint[]) and fact.kind = 'employee_profile'
      and fact.superseded_at is null and not fact.withdrawn`.execute(tx)
  for (const { person_id, connector_id } of profiles.rows) groups.get(person_id)?.profiles.add(connector_id)
  const alerts = await sql<{ person_id: number }>`
    select distinct person_id from alert
    where person_id = any (${people}::bigint[]) and state in ('needs_review', 'confirmed')`.execute(tx)
  for (const { person_id } of alerts.rows) (groups.get(person_id) as Group).alerts = true
  return { accounts, groups, vetoes: await readVetoes(tx, [...accounts.keys()]) }
}

async function readVetoes(tx: Connection, identityIds: readonly number[]): Promise<Known['vetoes']> {
  const rows = await sql<{ a: number; b: number }>`
    select pair.identity_a as a, pair.identity_b as b
    from identity_veto_pair pair join identity_veto veto on veto.id = pair.veto_id and veto.lifted_at is null
    where pair.identity_a = any (${identityIds}::bigint[])`.execute(tx)
  const vetoes: Known['vetoes'] = new Map()
  for (const { a, b } of rows.rows) {
    vetoes.set(a, (vetoes.get(a) ?? new Set()).add(b))
    vetoes.set(b, (vetoes.get(b) ?? new Set()).add(a))
  }
  return vetoes
}

/** Accounts whose newest activity was no person's inside: what a source says of them, while nobody has marked them. */
async function lastActedAsOutsiders(tx: Connection, identityIds: readonly number[]): Promise<Set<number>> {
  if (identityIds.length === 0) return new Set()
  const rows = await sql<{ id: number }>`
    select asked.id from (select distinct unnest(${identityIds}::bigint[]) as id) asked
    cross join lateral (select actor_kind from activity a where a.identity_id = asked.id order by a.at desc limit 1) last
    where last.actor_kind in ('service', 'guest', 'external', 'anonymous')`.execute(tx)
  return new Set(rows.rows.map(({ id }) => id))
}

/**
 * Carries a plan out: accounts go to the person that stays, every join and conflict is written down, words that name
 * them follow, and alerts of people left without an account are looked at again. No activity is rewritten, since
 * activities belong to identities; a person left without one stays, so that what refers to it keeps its meaning.
 * Returns the ids of people whose accounts changed.
 */
export async function applyJoins(tx: Connection, plan: JoinPlan): Promise<number[]> {
  const moves = [...plan.merges].flatMap(([kept, absorbed]) => absorbed.map((from) => ({ from, to: kept })))
  const [from, to] = [moves.map((move) => move.from), moves.map((move) => move.to)]
  if (moves.length > 0) {
    await sql`
      with change as (select * from unnest(${from}::bigint[], ${to}::bigint[]) as change (from_person, to_person)),
      moved as (
        update identity set person_id = change.to_person from change where identity.person_id = change.from_person
        returning identity.id, change.from_person, change.to_person
      )
      insert into identity_move (identity_id, from_person, to_person) select * from moved order by 1`.execute(tx)
    await sql`
      insert into name_token (token_key, person_id)
      select token_key, change.to_person
      from name_token join unnest(${from}::bigint[], ${to}::bigint[]) as change (from_person, to_person)
        on name_token.person_id = change.from_person
      order by 1, 2
      on conflict do nothing`.execute(tx)
    // A token of the emptied person would make the name ambiguous for ever.
    await sql`delete from name_token where person_id = any (${from}::bigint[])`.execute(tx)
    await requestForAlerts(tx, from)
  }
  await writeJoins(tx, plan.joins)
  await writeConflicts(tx, plan.conflicts)
  await closeConflicts(tx, to)
  return [...new Set([...from, ...to])]
}

/** People without an account are not asked for by any notice: their alerts have to hear of it all the same. */
export const requestForAlerts = (tx: Connection, personIds: readonly number[]) =>
  sql`
    insert into evaluation_request (policy_id, person_id)
    select distinct alert.policy_id, alert.person_id from alert join policy on policy.id = alert.policy_id
    where alert.person_id = any (${personIds}::bigint[]) and alert.state in ('needs_review', 'confirmed')
      and policy.state = 'enabled'
    order by 1, 2
    on conflict (policy_id, person_id) do update set requested_at = now()`.execute(tx)

const low = ({ a, b }: JoinProposal): number => Math.min(a, b)
const high = ({ a, b }: JoinProposal): number => Math.max(a, b)

async function writeJoins(tx: Connection, joins: readonly PlannedJoin[]): Promise<void> {
  for (let from = 0; from < joins.length; from += 2_000) {
    await tx
      .insertInto('identity_join')
      .values(
        joins.slice(from, from + 2_000).map((join) => ({
          id: uuid(),
          identity_a: low(join),
          identity_b: high(join),
          cause: join.cause,
          rules: [...(join.rules ?? [])],
          rules_version: join.rulesVersion ?? null,
          import_id: join.importId ?? null,
          line: join.line ?? null,
          made_by: join.staffId ?? null,
          from_person: join.fromPerson,
          to_person: join.toPerson,
        })),
      )
      // Said again: the first time stands.
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
}

async function writeConflicts(tx: Connection, conflicts: JoinPlan['conflicts']): Promise<void> {
  for (let from = 0; from < conflicts.length; from += 2_000) {
    await tx
      .insertInto('identity_conflict')
      .values(
        conflicts.slice(from, from + 2_000).map((conflict) => ({
          id: uuid(),
          identity_a: low(conflict),
          identity_b: high(conflict),
          code: conflict.code,
          cause: conflict.cause as 'source' | 'rule',
          rules: [...(conflict.rules ?? [])],
          rules_version: conflict.rulesVersion ?? null,
          import_id: conflict.importId ?? null,
          line: conflict.line ?? null,
        })),
      )
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
}

/** What was unclear between accounts that are one person's now is settled. */
const closeConflicts = (tx: Connection, personIds: readonly number[]) =>
  sql`
    update identity_conflict set state = 'joined', decided_at = now()
    from identity a, identity b
    where identity_conflict.state = 'open' and a.id = identity_conflict.identity_a
      and b.id = identity_conflict.identity_b and a.person_id = b.person_id
      and a.person_id = any (${personIds}::bigint[])`.execute(tx)
