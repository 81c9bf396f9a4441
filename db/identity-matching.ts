import { sql } from 'kysely'
import { formOfIdentity, type IdentityRule, joinsByForm } from '../domain/identity-rules.ts'
import type { Identifier } from '../domain/signal.ts'
import type { Connection } from './connection.ts'
import { applyJoins, type JoinProposal, planJoins } from './identity-joins.ts'
import type { StoredRules } from './identity-rules.ts'
import { endOutdated, followUp } from './identity-splits.ts'
import { lockDecisions } from './subject-keys.ts'
import { openSealed, type Vault } from './vault.ts'

export interface Spelled {
  id: number
  form: Buffer | null
  rules: IdentityRule[]
}

/** Accounts behind an id, as the rules spell them; the last one's id goes on. */
export async function spellAccounts(
  db: Connection,
  vault: Vault,
  { rules }: Pick<StoredRules, 'rules'>,
  rows: readonly { id: number; sealed_id: string }[],
): Promise<Spelled[]> {
  const opened = await openSealed(
    db,
    vault,
    rows.map((row) => row.sealed_id),
  )
  return rows.map(({ id, sealed_id }) => {
    const identifier = JSON.parse((opened.get(sealed_id) as Buffer).toString()) as Identifier
    const form = formOfIdentity(identifier, rules)
    return { id, form: form && vault.lookupKey('identity-form', form.text), rules: form?.rules ?? [] }
  })
}

/** Of accounts with one form: each with the one that needs no rule to be spelled so, else with the first. */
export function proposalsOf(group: readonly Pick<Spelled, 'id' | 'rules'>[], rulesVersion: number): JoinProposal[] {
  const [anchor, ...others] = [...group].sort((a, b) => a.rules.length - b.rules.length || a.id - b.id)
  if (!anchor) return []
  return others.map(({ id, rules }) => ({
    a: anchor.id,
    b: id,
    cause: 'rule',
    rules: [...new Set([...anchor.rules, ...rules])].sort(),
    rulesVersion,
  }))
}

/** Whether accounts wait to be compared, or rules to be applied. */
export async function matchingWaits(db: Connection, { version, rules, appliedAt }: StoredRules): Promise<boolean> {
  if (appliedAt === null) return true
  if (!joinsByForm(rules)) return false
  const next = await db.selectFrom('identity').select('id').where('compared_version', '<', version).limit(1).execute()
  return next.length > 0
}

/** Compares at most so many accounts with all others and joins what the rules say; returns how many it compared. */
export async function matchPiece(tx: Connection, vault: Vault, stored: StoredRules, atMost: number): Promise<number> {
  await lockDecisions(tx, 'facts')
  const rows = await tx
    .selectFrom('identity')
    .select(['id', 'sealed_id'])
    .where('compared_version', '<', stored.version)
    .orderBy('compared_version')
    .orderBy('id')
    .limit(atMost)
    .execute()
  if (rows.length === 0) return 0
  const spelled = await spellAccounts(tx, vault, stored, rows)
  const formed = spelled.filter(({ form }) => form !== null)
  const ids = rows.map(({ id }) => id)
  await sql`delete from identity_form where identity_id = any (${ids}::bigint[])`.execute(tx)
  await sql`
    insert into identity_form (identity_id, form_key, rules)
    select id, form, string_to_array(rules, ',') from unnest(${formed.map(({ id }) => id)}::bigint[],
      ${formed.map(({ form }) => form)}::bytea[], ${formed.map(({ rules }) => rules.join(','))}::text[]) as f (id, form, rules)`.execute(
    tx,
  )
  await sql`update identity set compared_version = ${stored.version} where id = any (${ids}::bigint[])`.execute(tx)
  const groups = await sql<{ id: number; rules: IdentityRule[]; form: string }>`
    select f.identity_id as id, f.rules, encode(f.form_key, 'hex') as form
    from identity_form f join identity on identity.id = f.identity_id and identity.compared_version = ${stored.version}
    where f.form_key in (select form_key from identity_form where identity_id = any (${ids}::bigint[]))
    order by 1`.execute(tx)
  const proposals = byForm(groups.rows).flatMap((group) => proposalsOf(group, stored.version))
  await followUp(tx, await applyJoins(tx, await planJoins(tx, proposals)))
  return rows.length
}

export function byForm<Row extends { form: string }>(rows: readonly Row[]): Row[][] {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const group = groups.get(row.form)
    if (group) group.push(row)
    else groups.set(row.form, [row])
  }
  return [...groups.values()].filter((group) => group.length > 1)
}

/** Ends at most so many joins that their rules no longer make, once all accounts are compared; returns how many. */
export async function endPiece(tx: Connection, vault: Vault, atMost: number): Promise<number> {
  await lockDecisions(tx, 'facts')
  const rows = await sql<{ id: string }>`
    select j.id from identity_join j
    left join identity_form a on a.identity_id = j.identity_a
    left join identity_form b on b.identity_id = j.identity_b
    where j.cause = 'rule' and j.ended_at is null and (a.form_key = b.form_key) is not true
    order by j.id limit ${atMost}`.execute(tx)
  if (rows.rows.length > 0)
    await endOutdated(
      tx,
      vault,
      rows.rows.map(({ id }) => id),
    )
  return rows.rows.length
}

/** Forgets the forms when no rule asks for any. */
export const forgetForms = (tx: Connection) => sql`delete from identity_form`.execute(tx)

/** Rules have been applied; conflicts of rules that no longer say so are no questions any more. */
export async function closeRules(tx: Connection, { version }: StoredRules): Promise<void> {
  await sql`
    update identity_conflict c set state = 'withdrawn', decided_at = now()
    where c.state = 'open' and c.cause = 'rule' and not exists (
      select from identity_form a join identity_form b on b.form_key = a.form_key
      where a.identity_id = c.identity_a and b.identity_id = c.identity_b)`.execute(tx)
  await tx
    .updateTable('identity_rules')
    .set({ applied_at: new Date() })
    .where('version', '<=', version)
    .where('applied_at', 'is', null)
    .execute()
}
