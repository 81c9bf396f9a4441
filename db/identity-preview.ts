import type { IdentityRule, IdentityRules } from '../domain/identity-rules.ts'
import { joinsByForm } from '../domain/identity-rules.ts'
import type { Connection } from './connection.ts'
import { planJoins } from './identity-joins.ts'
import { byForm, proposalsOf, spellAccounts } from './identity-matching.ts'
import type { Vault } from './vault.ts'

const ACCOUNTS_AT_ONCE = 5_000
/** Accounts that a preview looks at; a larger installation is told that it is not complete. */
export const PREVIEWED_AT_MOST = 500_000
/** Pairs shown. */
const PAIRS_AT_MOST = 100

export interface PreviewedPair {
  a: number
  b: number
  rules: readonly IdentityRule[]
}

export interface RulesPreview {
  accounts: number
  /** False when there are more accounts than were looked at. */
  complete: boolean
  joins: number
  conflicts: number
  /** Joins that a veto forbids. */
  vetoed: number
  /** Joins of rules that would end. */
  ends: number
  joining: PreviewedPair[]
  ending: PreviewedPair[]
}

interface Previewed {
  id: number
  person: number
  form: string
  rules: IdentityRule[]
}

/** What rules would join, find unclear and end; nothing is changed. */
export async function previewRules(db: Connection, vault: Vault, rules: IdentityRules): Promise<RulesPreview> {
  const held = await db
    .selectFrom('identity_join')
    .select(['identity_a', 'identity_b', 'rules'])
    .where('cause', '=', 'rule')
    .where('ended_at', 'is', null)
    .execute()
  const { spelled, accounts, complete } = await spellAll(db, vault, rules)
  const groups = byForm(spelled)
  const apart = groups.filter((group) => new Set(group.map(({ person }) => person)).size > 1)
  const plan = await planJoins(
    db,
    apart.flatMap((group) => proposalsOf(group, 0)),
  )
  const joins = plan.joins.filter(({ fromPerson }) => fromPerson !== null)
  const formOf = new Map(groups.flatMap((group) => group.map(({ id, form }) => [id, form])))
  const ends = held.filter(({ identity_a, identity_b }) => {
    const form = formOf.get(identity_a)
    return form === undefined || form !== formOf.get(identity_b)
  })
  return {
    accounts,
    complete,
    joins: joins.length,
    conflicts: plan.conflicts.length,
    vetoed: plan.vetoed.length,
    ends: ends.length,
    joining: joins.slice(0, PAIRS_AT_MOST).map(({ a, b, rules: by = [] }) => ({ a, b, rules: by })),
    ending: ends
      .slice(0, PAIRS_AT_MOST)
      .map((row) => ({ a: row.identity_a, b: row.identity_b, rules: row.rules as IdentityRule[] })),
  }
}

async function spellAll(db: Connection, vault: Vault, rules: IdentityRules) {
  const spelled: Previewed[] = []
  let [accounts, last] = [0, 0]
  while (joinsByForm(rules) && accounts < PREVIEWED_AT_MOST) {
    const rows = await db
      .selectFrom('identity')
      .select(['id', 'person_id', 'sealed_id'])
      .where('id', '>', last)
      .orderBy('id')
      .limit(ACCOUNTS_AT_ONCE)
      .execute()
    if (rows.length === 0) return { spelled, accounts, complete: true }
    const found = await spellAccounts(db, vault, { rules }, rows)
    for (const [index, { id, form, rules: by }] of found.entries()) {
      if (form)
        spelled.push({
          id,
          person: (rows[index] as (typeof rows)[number]).person_id,
          form: form.toString('hex'),
          rules: by,
        })
    }
    accounts += rows.length
    last = (rows.at(-1) as (typeof rows)[number]).id
  }
  return { spelled, accounts, complete: !joinsByForm(rules) }
}
