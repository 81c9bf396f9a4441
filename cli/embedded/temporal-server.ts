import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Connection } from '@temporalio/client'
import { AppError } from '../../domain/errors.ts'
import { SEARCH_ATTRIBUTES } from '../../domain/processes.ts'
import { freePort } from './ports.ts'
import type { StartLog } from './postgres.ts'
import { commandLine, endProcess, waitFor } from './processes.ts'

export interface RunningTemporal {
  address: string
  uiUrl: string
  pid: number
  preferredTaken: boolean
  stop(): Promise<void>
}

export interface TemporalOptions {
  cliPath: string
  dataDir: string
  log: StartLog
  preferredPort?: number
  preferredUiPort?: number
  /** Where the UI has payloads decoded. */
  codecEndpoint?: string
  /** False: nothing is kept; for tests. */
  keep?: boolean
  /** Settings of the server's dynamic configuration, as JSON values by name; for tests. */
  dynamicConfig?: Record<string, number | boolean | string>
  onExit?: () => void
}

const START_TIMEOUT_MS = 30_000
const STOP_GRACE_MS = 10_000

/** Starts Temporal's development server with its UI over a file of its own, ending one that an earlier run left behind. */
export async function startTemporal(options: TemporalOptions): Promise<RunningTemporal> {
  const { home, database, pidFile } = placesIn(options.dataDir)
  mkdirSync(home, { recursive: true, mode: 0o700 })
  await endLeftTemporal(options.dataDir, options.log)

  const { port, preferredTaken } = await freePort(options.preferredPort)
  const ui = await freePort(options.preferredUiPort)
  const attributes = Object.values(SEARCH_ATTRIBUTES).flatMap((name) => ['--search-attribute', `${name}=Keyword`])
  const dynamicConfig = Object.entries(options.dynamicConfig ?? {}).flatMap(([name, value]) => [
    '--dynamic-config-value',
    `${name}=${JSON.stringify(value)}`,
  ])
  const logFile = openSync(path.join(home, 'server.log'), 'a', 0o600)
  const child = spawn(
    options.cliPath,
    [
      ...[
        'server',
        'start-dev',
        '--ip',
        '127.0.0.1',
        '--port',
        String(port),
        '--ui-port',
        String(ui.port),
        '--log-level',
        'warn',
      ],
      ...(options.keep === false ? [] : ['--db-filename', database]),
      ...(options.codecEndpoint ? ['--ui-codec-endpoint', options.codecEndpoint] : []),
      ...dynamicConfig,
      ...attributes,
    ],
    // In a group of its own, like the database: it is stopped in order, not by the terminal.
    { detached: true, stdio: ['ignore', logFile, logFile] },
  )
  if (child.pid !== undefined) writeFileSync(pidFile, String(child.pid))
  let stopping = false
  child.once('error', () => {})
  child.once('exit', () => {
    if (!stopping) options.onExit?.()
  })
  const address = `127.0.0.1:${port}`
  const stop = async () => {
    stopping = true
    if (child.pid !== undefined) await endProcess(child.pid, { signal: 'SIGTERM', graceMs: STOP_GRACE_MS })
    rmSync(pidFile, { force: true })
  }
  const up = await waitFor(async () => child.exitCode !== null || (await answers(address)), START_TIMEOUT_MS, 100)
  if (!up || child.exitCode !== null) {
    await stop()
    throw new AppError('embedded_start_failed', "Temporal's development server did not start", {
      fix: `See ${path.join(home, 'server.log')}, or set TEMPORAL_ADDRESS to a server of your own.`,
    })
  }
  return {
    address,
    uiUrl: `http://127.0.0.1:${ui.port}`,
    pid: child.pid as number,
    preferredTaken: preferredTaken || ui.preferredTaken,
    stop,
  }
}

async function answers(address: string): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: '1 second' })
    try {
      // The namespace is registered a moment after the port opens.
      await connection.workflowService.describeNamespace({ namespace: 'default' })
      return true
    } finally {
      await connection.close()
    }
  } catch {
    return false
  }
}

function placesIn(dataDir: string) {
  const home = path.join(dataDir, 'temporal')
  return { home, database: path.join(home, 'temporal.db'), pidFile: path.join(home, 'pid') }
}

/** Ends a server that an earlier run left behind. A reused pid is left alone. */
export async function endLeftTemporal(dataDir: string, log: StartLog): Promise<void> {
  const { database, pidFile } = placesIn(dataDir)
  if (!existsSync(pidFile)) return
  const pid = Number(readFileSync(pidFile, 'utf8'))
  if (pid > 0 && commandLine(pid)?.includes(database)) {
    log.info(`ending the Temporal server that an earlier run left behind (process ${pid})`)
    await endProcess(pid, { signal: 'SIGTERM', graceMs: STOP_GRACE_MS })
  }
  rmSync(pidFile, { force: true })
}
