import { type Kysely, Migrator, sql } from 'kysely'
import { migrations } from './migrations/index.ts'

const migratorOf = (db: Kysely<any>) => new Migrator({ db, provider: { getMigrations: async () => migrations } })

/** Brings the schema up to date. Returns the names of the migrations that were applied now; throws at the first failure. */
export async function migrate(db: Kysely<any>): Promise<string[]> {
  const { error, results } = await migratorOf(db).migrateToLatest()
  if (error) throw error
  return (results ?? []).filter((result) => result.status === 'Success').map((result) => result.migrationName)
}

export interface SchemaState {
  /** Migrations that this version has and the database lacks. */
  pending: string[]
  /** Migrations that the database has and this version does not know: a newer version was here. */
  unknown: string[]
}

/** How the schema of a database stands to this version; changes nothing. */
export async function schemaState(db: Kysely<any>): Promise<SchemaState> {
  const known = Object.keys(migrations)
  const { rows: tables } = await sql`select from pg_class where oid = to_regclass('kysely_migration')`.execute(db)
  if (tables.length === 0) return { pending: known, unknown: [] }
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db)
  const applied = new Set(rows.map(({ name }) => name))
  return {
    pending: known.filter((name) => !applied.has(name)),
    unknown: [...applied].filter((name) => !known.includes(name)).sort(),
  }
}
