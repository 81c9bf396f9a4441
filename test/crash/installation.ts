import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { freePort } from '../../cli/embedded/ports.ts'
import { type RunningPostgres, startPostgres } from '../../cli/embedded/postgres.ts'
import { isAlive, waitFor } from '../../cli/embedded/processes.ts'
import { findTemporalCli } from '../../cli/embedded/temporal-cli.ts'
import { type RunningTemporal, startTemporal } from '../../cli/embedded/temporal-server.ts'
import { createDatabase, createPool } from '../../db/connection.ts'
import { createKeyRing } from '../../db/keyring.ts'
import { createStaff, createToken, type Role } from '../../db/staff.ts'
import { Vault } from '../../db/vault.ts'
import { caller, type Requests } from '../harness/caller.ts'
import type { TestDatabase } from '../harness/database.ts'
import { openirm, type Running, startOpenirm } from '../harness/openirm.ts'

export const VICTIMS = ['worker', 'api', 'postgres'] as const
export type Victim = (typeof VICTIMS)[number] | 'temporal'

/**
 * The production shape with a PostgreSQL of its own, each part a process that may be killed. Temporal's server only where it
 * was asked for: else it is one that several installations share.
 */
export interface Installation extends AsyncDisposable {
  t: TestDatabase
  /** Somebody new with these roles, asking over HTTP. */
  as(...roles: Role[]): Promise<Requests & { staffId: string }>
  /** SIGKILL; returns once the process is gone. */
  kill(victim: Victim): Promise<void>
  /** Starts what was killed again, over the same data and under the same address. */
  startAgain(victim: Victim): Promise<void>
}

/** `chunkRecords` is how many records an import stores at once. */
export async function install({
  ownTemporal = false,
  chunkRecords,
}: {
  ownTemporal?: boolean
  chunkRecords?: number
} = {}): Promise<Installation> {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'openirm-crash-'))
  chmodSync(dataDir, 0o755)
  const log = { info: () => {} }
  let postgres: RunningPostgres = await startPostgres({ dataDir, log })
  const startOwnTemporal = async (ports: { preferredPort?: number } = {}): Promise<RunningTemporal> =>
    startTemporal({ cliPath: (await findTemporalCli({ log })).path, dataDir, log, ...ports })
  let temporal = ownTemporal ? await startOwnTemporal() : null
  const { port: apiPort } = await freePort()
  const ring = createKeyRing()
  const bundle = path.join(dataDir, 'workflow-bundle.js')
  const env = {
    DATABASE_URL: postgres.url,
    TEMPORAL_ADDRESS: temporal?.address ?? (process.env['OPENIRM_TEST_TEMPORAL_ADDRESS'] as string),
    TEMPORAL_NAMESPACE: `crash-${randomBytes(5).toString('hex')}`,
    OPENIRM_KEYRING: JSON.stringify(ring),
    OPENIRM_SPOOL_DIR: path.join(dataDir, 'spool'),
    OPENIRM_ALLOW_PRIVATE_ADDRESSES: 'true',
    OPENIRM_WORKFLOW_BUNDLE: bundle,
    ...(chunkRecords === undefined ? {} : { OPENIRM_CHUNK_RECORDS: String(chunkRecords) }),
  }
  const { OPENIRM_WORKFLOW_BUNDLE: _, ...unbundled } = env
  for (const args of [['migrate'], ['prepare-temporal'], ['bundle-workflows', bundle]]) {
    const { code, err } = await openirm(args, { env: unbundled })
    if (code !== 0) throw new Error(`openirm ${args[0]}: ${err}`)
  }

  const start = {
    worker: async () => {
      const worker = startOpenirm(['work'], env)
      await worker.said(/^working on /m)
      return worker
    },
    api: async () => {
      const api = startOpenirm(['serve', '--port', String(apiPort)], env)
      await api.said(/^serving /m)
      return api
    },
  }
  const running: Record<'worker' | 'api', Running> = { worker: await start.worker(), api: await start.api() }
  const pool = createPool(postgres.url, { applicationName: 'openirm-test' })
  const t: TestDatabase = {
    url: postgres.url,
    pool,
    db: createDatabase(pool),
    ring,
    vault: new Vault(ring),
    [Symbol.asyncDispose]: () => pool.end(),
  }
  const pidOf = (victim: Victim): number => {
    if (victim === 'postgres') return postgres.pid
    if (victim !== 'temporal') return running[victim].child.pid as number
    if (temporal === null) throw new Error('the Temporal server is not of this installation')
    return temporal.pid
  }
  const kill = async (victim: Victim) => {
    const pid = pidOf(victim)
    process.kill(pid, 'SIGKILL')
    if (!(await waitFor(() => !isAlive(pid), 10_000))) throw new Error(`${victim} outlived SIGKILL`)
  }

  return {
    t,
    async as(...roles) {
      const staffId = await createStaff(t.db, { name: roles.join(' and '), roles })
      const { secret } = await createToken(t.db, { staffId, label: 'test', expiresInDays: 1 })
      return { staffId, ...caller(`http://127.0.0.1:${apiPort}`, secret) }
    },
    kill,
    async startAgain(victim) {
      if (victim === 'worker' || victim === 'api') {
        running[victim] = await start[victim]()
        return
      }
      if (victim === 'temporal') {
        temporal = await startOwnTemporal({ preferredPort: Number(env.TEMPORAL_ADDRESS.split(':').at(-1)) })
        if (temporal.address !== env.TEMPORAL_ADDRESS) throw new Error('Temporal came back under another address')
        return
      }
      postgres = await startPostgres({ dataDir, log, preferredPort: postgres.port })
      if (postgres.url !== t.url) throw new Error('PostgreSQL came back under another address')
    },
    async [Symbol.asyncDispose]() {
      for (const { child } of Object.values(running)) child.kill('SIGKILL')
      await t[Symbol.asyncDispose]()
      await postgres.stop()
      await temporal?.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
