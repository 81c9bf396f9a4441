import { type Kysely, sql } from 'kysely'

/** Why the platform made a version of an alert. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table alert_version add column because text`.execute(db)
}
