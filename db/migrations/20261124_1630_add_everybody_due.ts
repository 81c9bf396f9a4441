import { type Kysely, sql } from 'kysely'

/** A policy that has something new to score with owes everybody a look; kept here, so that no lost answer loses it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table policy add column everybody_due boolean not null default true`.execute(db)
}
