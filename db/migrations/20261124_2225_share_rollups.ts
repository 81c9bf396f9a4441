import { type Kysely, sql } from 'kysely'

/**
 * Rollups belong to what they count, not to who asks: indicators with the same predicate share them. Those that are there
 * are dropped; each policy fills its own again before it next evaluates.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    truncate indicator_day;
    alter table indicator_day drop constraint indicator_day_pkey, drop column indicator_id;
    -- Half of the SHA-256 of the predicate.
    alter table indicator_day add column rollup_key uuid not null;
    alter table indicator_day add primary key (identity_id, day, rollup_key);
    delete from rollup;
    alter table rollup alter column key type uuid using key::uuid;
  `.execute(db)
}
