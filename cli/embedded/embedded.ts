import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { AppError } from '../../domain/errors.ts'
import { acquireLock, LOCK_FILE, type Lock } from './lock.ts'
import { removePostgres, type StartLog, startPostgres } from './postgres.ts'
import { findTemporalCli } from './temporal-cli.ts'
import { endLeftTemporal, startTemporal } from './temporal-server.ts'

const POSTGRES_PORT = 54329
const TEMPORAL_PORT = 7233
const TEMPORAL_UI_PORT = 8233
/** Oldest PostgreSQL that the schema works on. */
const OLDEST_POSTGRES = 150_000

export interface Embedded {
  databaseUrl: string
  temporalAddress: string
  /** Absent with a Temporal server of one's own. */
  temporalUiUrl: string | undefined
  lock: Lock
  stop(): Promise<void>
}

/** PostgreSQL and Temporal over one data directory, unless DATABASE_URL or TEMPORAL_ADDRESS name servers of one's own. */
export async function startEmbedded({
  dataDir,
  log,
  lock: given,
  codecEndpoint,
  env = process.env,
}: {
  dataDir: string
  log: StartLog
  /** Of the directory, where the caller holds it already; it is released at the stop. */
  lock?: Lock | undefined
  /** Where the Temporal UI has payloads decoded; asked for once this directory is ours. */
  codecEndpoint?: () => string
  env?: NodeJS.ProcessEnv
}): Promise<Embedded> {
  const lock = given ?? acquireLock(dataDir)
  const stops: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each()
    lock.release()
  }
  const moved = (what: string, taken: boolean, port: number | string) => {
    if (taken) log.info(`the usual port of ${what} is taken; it listens on ${port}`)
  }
  try {
    let databaseUrl = env['DATABASE_URL']
    if (databaseUrl) await checkVersion(databaseUrl)
    else {
      const postgres = await startPostgres({ dataDir, log, preferredPort: POSTGRES_PORT })
      stops.push(postgres.stop)
      moved('PostgreSQL', postgres.preferredTaken, postgres.port)
      databaseUrl = postgres.url
    }
    let temporalAddress = env['TEMPORAL_ADDRESS']
    let temporalUiUrl: string | undefined
    if (!temporalAddress) {
      const { path: cliPath } = await findTemporalCli({ log, env })
      const temporal = await startTemporal({
        cliPath,
        dataDir,
        log,
        preferredPort: TEMPORAL_PORT,
        preferredUiPort: TEMPORAL_UI_PORT,
        ...(codecEndpoint ? { codecEndpoint: codecEndpoint() } : {}),
      })
      stops.push(temporal.stop)
      moved('Temporal', temporal.preferredTaken, temporal.address)
      temporalAddress = temporal.address
      temporalUiUrl = temporal.uiUrl
    }
    return { databaseUrl, temporalAddress, temporalUiUrl, lock, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Ends servers that an earlier run left behind and removes all that the directory holds, except the lock that the caller has. */
export async function clearEmbedded(dataDir: string, log: StartLog): Promise<void> {
  await endLeftTemporal(dataDir, log)
  await removePostgres(dataDir, log)
  for (const name of readdirSync(dataDir)) {
    if (name !== LOCK_FILE) rmSync(path.join(dataDir, name), { recursive: true, force: true })
  }
}

async function checkVersion(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  try {
    await client.connect()
    const { rows } = await client.query<{ version: string }>("select current_setting('server_version_num') as version")
    if (Number(rows[0]?.version) < OLDEST_POSTGRES) {
      throw new AppError('embedded_start_failed', 'the PostgreSQL of DATABASE_URL is older than 15', {
        fix: 'Use PostgreSQL 15 or newer.',
      })
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    throw new AppError('database_unavailable', 'the PostgreSQL of DATABASE_URL does not answer', {
      fix: 'Check the address and start the server.',
    })
  } finally {
    await client.end().catch(() => {})
  }
}
