import { type Kysely, Migrator } from 'kysely'
import { migrations } from './migrations/index.ts'

/** Brings the schema up to date. Returns the names of the migrations that were applied now; throws at the first failure. */
export async function migrate(db: Kysely<any>): Promise<string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
  const { error, results } = await migrator.migrateToLatest()
  if (error) throw error
  return (results ?? []).filter((result) => result.status === 'Success').map((result) => result.migrationName)
}
