import { type Kysely, sql } from 'kysely'

/** Which process carries a keyed request out, so that a key does not outlive it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table idempotent_response
      -- as presence.ts numbers them; null: a process that did not say
      add column holder int check (holder > 0)
  `.execute(db)
}
