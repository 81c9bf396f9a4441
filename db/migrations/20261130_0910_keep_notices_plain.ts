import { type Kysely, sql } from 'kysely'

/** A notice lives for seconds: compressing what it names costs more than the rest of it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table evaluation_notice alter column identity_ids set storage external`.execute(db)
}
