import { type Kysely, sql } from 'kysely'

/** Which rollups cover all history, so that a policy made after an import sees what was imported before it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table rollup (
      -- as in indicator_day.indicator_id
      key text primary key,
      built_at timestamptz(3) not null default now()
    );
    -- A fresh installation begins with whatever version an indicator ships at.
    alter table indicator drop constraint indicator_id_previous_version_fkey;
    alter table indicator drop column previous_version;
  `.execute(db)
}
