import { sql } from 'kysely'
import type { Connection } from './connection.ts'
import { touchAfterLeaving, touchRelated } from './subject-keys.ts'

/**
 * Notes the person-days of these accounts' owners whose indicators depend on whose an account is: whose record was
 * touched, what came after a last working day. They are counted anew in pieces.
 */
export async function queueRecount(tx: Connection, identityIds: readonly number[]): Promise<void> {
  await sql`create temp table if not exists owner_day (identity_id bigint not null, day date not null) on commit drop`.execute(
    tx,
  )
  await touchRelated(tx, identityIds, 'pg_temp.owner_day')
  await touchAfterLeaving(tx, identityIds, 'pg_temp.owner_day')
  await sql`
    insert into recount (identity_id, day) select distinct identity_id, day from pg_temp.owner_day order by 1, 2
    on conflict do nothing`.execute(tx)
  await sql`truncate pg_temp.owner_day`.execute(tx)
}

/** The table in which `takeRecount` leaves what it took, until the transaction ends. */
export const RECOUNTED = 'pg_temp.recounted_day'

/** Takes at most so many person-days; returns their accounts. */
export async function takeRecount(tx: Connection, atMost: number): Promise<number[]> {
  await sql`create temp table recounted_day (identity_id bigint not null, day date not null) on commit drop`.execute(tx)
  await sql`
    with taken as (
      delete from recount using (
        select identity_id, day from recount order by 1, 2 limit ${atMost} for update skip locked
      ) next where recount.identity_id = next.identity_id and recount.day = next.day
      returning recount.identity_id, recount.day
    )
    insert into recounted_day select * from taken`.execute(tx)
  const rows = await sql<{ id: number }>`select distinct identity_id as id from recounted_day order by 1`.execute(tx)
  return rows.rows.map(({ id }) => id)
}

export const recountWaits = async (db: Connection): Promise<boolean> =>
  (await db.selectFrom('recount').select('identity_id').limit(1).executeTakeFirst()) !== undefined
