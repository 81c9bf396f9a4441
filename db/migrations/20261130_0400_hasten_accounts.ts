import { type Kysely, sql } from 'kysely'

/**
 * New accounts come by the ten thousand, each with several tokens. One that outlived its person would name nobody, for
 * every look-up joins the person: asking for them token by token is half of what a new account costs.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table name_token drop constraint name_token_person_id_fkey`.execute(db)
}
