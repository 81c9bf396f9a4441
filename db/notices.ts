import { sql } from 'kysely'
import { bigints } from './binary.ts'
import type { Connection, Database } from './connection.ts'

/**
 * Asks every enabled policy to look again at the owners of these identities. Kept as one row: a person whom many chunks
 * touch is asked for once, when the notices are spread. `touched` names a table of further ones, which may repeat them.
 */
export async function noticeTouched(tx: Connection, identityIds: readonly number[], touched?: string): Promise<void> {
  if (identityIds.length === 0 && touched === undefined) return
  const named = sql`select unnest(${bigints(identityIds.length, (n) => identityIds[n] as number)}::bigint[]) as id`
  const noted = touched === undefined ? sql`` : sql`union all select identity_id from ${sql.raw(touched)}`
  await sql`
    insert into evaluation_notice (identity_ids)
    select array_agg(distinct id) from (${named} ${noted}) as each_named having count(*) > 0`.execute(tx)
}

/** Turns the notices into requests, one per policy and person; whoever reads requests does this first. */
export async function spreadNotices(db: Database): Promise<void> {
  const waiting = await db.selectFrom('evaluation_notice').select('id').limit(1).executeTakeFirst()
  if (!waiting) return
  await db.transaction().execute((tx) =>
    sql`
      with taken as (
        delete from evaluation_notice returning identity_ids
      ), touched as (
        select distinct identity.person_id
        from (select distinct unnest(identity_ids) as id from taken) named join identity using (id)
      )
      insert into evaluation_request (policy_id, person_id)
      select policy.id, touched.person_id from policy cross join touched
      where policy.state = 'enabled'
      order by 1, 2
      on conflict (policy_id, person_id) do update set requested_at = now()`.execute(tx),
  )
}
