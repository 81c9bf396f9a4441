import { sql } from 'kysely'
import { ownText } from '../domain/own-text.ts'
import type { Subject } from '../domain/signal.ts'
import { formsOf } from '../domain/subject.ts'
import type { Connection } from './connection.ts'
import type { Vault } from './vault.ts'

/** Keyed hashes of somebody's normal forms, 64 bits each; null where the source does not say. */
export interface SubjectKeys {
  id: string | null
  name: string | null
  lastName: string | null
  address: string | null
  street: string | null
  department: string | null
}

/** Forms remembered of each kind: patients are met many times, and a cipher call each time would cost more than the rest. */
const REMEMBERED_AT_MOST = 30_000

/** Makes the keys of a subject; remembers what it has hashed for the length of an import. */
export function subjectHasher(vault: Vault): (subject: Subject) => SubjectKeys {
  const hasher = (kind: string) => {
    const known = new Map<string, string>()
    return (form: string | undefined): string | null => {
      if (form === undefined) return null
      const remembered = known.get(form)
      if (remembered !== undefined) return remembered
      const made = vault.lookupKey(`subject/${kind}`, form).readBigInt64BE(0).toString()
      if (known.size >= REMEMBERED_AT_MOST) known.clear()
      known.set(ownText(form), made)
      return made
    }
  }
  const [id, name, lastName] = [hasher('id'), hasher('name'), hasher('last-name')]
  const [address, street, department] = [hasher('address'), hasher('street'), hasher('department')]
  return (subject) => {
    const forms = formsOf(subject)
    return {
      id: id(forms.id),
      name: name(forms.name),
      lastName: lastName(forms.lastName),
      address: address(forms.address),
      street: street(forms.street),
      department: department(forms.department),
    }
  }
}

/** The lock between activities and the facts that decide about them: any number. */
const FACTS_DECIDE = 7_104_021

/**
 * Facts (a profile, a last working day, an account joined) decide about activities in either order of arrival, and each
 * transaction sees only what others have committed. So facts are stored while no activities are, and the one that comes
 * second sees the first. Taken before any row is locked.
 */
export const lockDecisions = (tx: Connection, stores: 'facts' | 'activities') =>
  stores === 'facts'
    ? sql`select pg_advisory_xact_lock(${sql.lit(FACTS_DECIDE)})`.execute(tx)
    : sql`select pg_advisory_xact_lock_shared(${sql.lit(FACTS_DECIDE)})`.execute(tx)

/** A current profile of an identity, as what a touched record is compared with. */
export interface Profile {
  identityId: number
  subject: Subject
}

/**
 * Replaces the keys of these profiles and notes the person-days whose relations may have changed: days on which their
 * owners touched somebody's record, and days on which anybody touched a record of that name.
 */
export async function storeProfileKeys(
  tx: Connection,
  vault: Vault,
  profiles: readonly Profile[],
  touched: string,
): Promise<void> {
  if (profiles.length === 0) return
  const hash = subjectHasher(vault)
  const last = new Map(profiles.map(({ identityId, subject }) => [identityId, hash(subject)]))
  // A name that is somebody's no longer ends a relation: its days are touched as well.
  await touchRelated(tx, [...last.keys()], touched)
  const column = (of: (keys: SubjectKeys) => string | null) => sql`${[...last.values()].map(of)}::bigint[]`
  await sql`
    insert into profile_key (identity_id, name_key, last_name_key, address_key, street_key, department_key)
    select * from unnest(${[...last.keys()]}::bigint[], ${column(({ name }) => name)},
      ${column(({ lastName }) => lastName)}, ${column(({ address }) => address)}, ${column(({ street }) => street)},
      ${column(({ department }) => department)}) as p (identity_id, name_key, last_name_key, address_key, street_key, department_key)
    order by 1
    on conflict (identity_id) do update set name_key = excluded.name_key, last_name_key = excluded.last_name_key,
      address_key = excluded.address_key, street_key = excluded.street_key, department_key = excluded.department_key`.execute(
    tx,
  )
  await touchRelated(tx, [...last.keys()], touched)
}

/** Notes the days on which these identities' relations to touched records have to be looked at again. */
export async function touchRelated(tx: Connection, identityIds: readonly number[], touched: string): Promise<void> {
  if (identityIds.length === 0) return
  await sql`
    insert into ${sql.raw(touched)} (identity_id, day)
    select a.identity_id, (a.at at time zone 'UTC')::date
    from identity own join identity other on other.person_id = own.person_id
    join activity a on a.identity_id = other.id and a.subject_last_name_key is not null
    where own.id = any (${identityIds}::bigint[])
    group by 1, 2
    union
    select a.identity_id, (a.at at time zone 'UTC')::date
    from profile_key p join activity a on a.subject_name_key = p.name_key
    where p.identity_id = any (${identityIds}::bigint[])
    group by 1, 2`.execute(tx)
}

/** Notes the days on which these identities did anything after the earliest last working day that is known of them. */
export async function touchAfterLeaving(
  tx: Connection,
  identityIds: readonly number[],
  touched: string,
): Promise<void> {
  if (identityIds.length === 0) return
  await sql`
    insert into ${sql.raw(touched)} (identity_id, day)
    select a.identity_id, (a.at at time zone 'UTC')::date
    from (
      select other.id, min(fact.last_working_at) as last_working_at
      from identity own join identity other on other.person_id = own.person_id
      join identity named on named.person_id = own.person_id
      join fact on fact.identity_id = named.id and fact.kind = 'resignation' and fact.last_working_at is not null
      where own.id = any (${identityIds}::bigint[])
      group by 1
    ) leaver
    join activity a on a.identity_id = leaver.id and a.at >= leaver.last_working_at
    group by 1, 2`.execute(tx)
}
