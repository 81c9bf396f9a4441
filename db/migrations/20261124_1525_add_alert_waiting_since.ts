import { type Kysely, sql } from 'kysely'

/** Since when an alert waits for somebody: what the clocks of its triage count from. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table alert add column waiting_since timestamptz(3) not null default now();
    update alert set waiting_since = updated_at;
  `.execute(db)
}
