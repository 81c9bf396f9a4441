import { type Kysely, sql } from 'kysely'

/** Corrected records are few: whoever looks for them among the days of an import must not read the whole month. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index activity_superseded on activity (identity_id, at) where superseded_by is not null`.execute(db)
}
