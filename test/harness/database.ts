import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { createDatabase, createPool, type Database } from '../../db/connection.ts'
import { createKeyRing, type KeyRing } from '../../db/keyring.ts'
import { migrate } from '../../db/migrate.ts'
import { Vault } from '../../db/vault.ts'

export interface TestDatabase extends AsyncDisposable {
  url: string
  db: Database
  pool: pg.Pool
  ring: KeyRing
  vault: Vault
}

const migrationsFolder = path.join(import.meta.dirname, '../../db/migrations')

/** Named by its content, so that runs of different checkouts on one server do not meet. */
function templateName(): string {
  const hash = createHash('sha256')
  for (const name of readdirSync(migrationsFolder).sort()) {
    hash.update(name).update(readFileSync(path.join(migrationsFolder, name)))
  }
  return `openirm_template_${hash.digest('hex').slice(0, 12)}`
}

const withDatabase = (url: string, database: string): string => {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}

/** Makes the migrated template that every test file clones. */
export async function prepareTemplate(serverUrl: string): Promise<string> {
  const template = templateName()
  const admin = new pg.Client(serverUrl)
  await admin.connect()
  try {
    await admin.query('select pg_advisory_lock(4711)')
    const { rowCount } = await admin.query('select from pg_database where datname = $1', [template])
    if (rowCount === 0) {
      const unfinished = `${template}_next`
      await admin.query(`drop database if exists ${unfinished} with (force)`)
      await admin.query(`create database ${unfinished}`)
      const db = new Kysely<unknown>({
        dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: withDatabase(serverUrl, unfinished) }) }),
      })
      await migrate(db)
      await db.destroy()
      await admin.query(`alter database ${unfinished} rename to ${template}`)
    }
  } finally {
    await admin.end()
  }
  return template
}

/** A database of the caller's own, cloned from the migrated template; dropped when disposed. */
export async function testDatabase(ring: KeyRing = createKeyRing()): Promise<TestDatabase> {
  const serverUrl = process.env['OPENIRM_TEST_DATABASE_URL']
  if (!serverUrl) throw new Error('the test harness is not running: start tests with `npm test` or `npx vitest`')
  const name = `test_${randomBytes(6).toString('hex')}`
  const admin = new pg.Client(serverUrl)
  await admin.connect()
  // Copied by the file, nothing of it goes through the log.
  await admin.query(`create database ${name} template ${templateName()} strategy file_copy`)
  await admin.end()

  const url = withDatabase(serverUrl, name)
  const pool = createPool(url, { max: 10, applicationName: 'openirm-test' })
  const db = createDatabase(pool)
  return {
    url,
    db,
    pool,
    ring,
    vault: new Vault(ring),
    async [Symbol.asyncDispose]() {
      await db.destroy()
      const dropper = new pg.Client(serverUrl)
      await dropper.connect()
      await dropper.query(`drop database if exists ${name} with (force)`)
      await dropper.end()
    },
  }
}
