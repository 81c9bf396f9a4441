import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { commandArguments } from '../../test/harness/command.ts'
import { commandLine, waitFor } from './processes.ts'
import { findTemporalCli } from './temporal-cli.ts'

const root = path.join(import.meta.dirname, '../..')
const folders: string[] = []
const children: ChildProcess[] = []

afterEach(() => {
  // A test that failed half-way leaves its servers to nobody else.
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const folder of folders.splice(0)) {
    for (const pid of servers(folder)) process.kill(pid, 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
})

function dataDirectory(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-up-'))
  chmodSync(folder, 0o755)
  folders.push(folder)
  return folder
}

/** The user of a process; nothing means the one of the tests. */
type User = { uid?: number; gid?: number }

function up(
  dataDir: string,
  { as = {}, more = {}, shipped = true }: { as?: User; more?: Record<string, string>; shipped?: boolean } = {},
) {
  const { DATABASE_URL: _, TEMPORAL_ADDRESS: __, ...env } = process.env
  const child = spawn(process.execPath, [...commandArguments({ shipped }), 'up'], {
    cwd: root,
    env: { ...env, OPENIRM_DATA_DIR: dataDir, OPENIRM_LOG_LEVEL: 'silent', ...more },
    ...as,
  })
  children.push(child)
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
  })
  child.stderr.on('data', (text) => {
    output += text
  })
  return { child, output: () => output, isUp: () => waitFor(() => output.includes('OpenIRM is up'), 60_000, 50) }
}

/** Servers of this data directory that run. */
function servers(dataDir: string): number[] {
  const pidIn = (file: string): number => {
    const found = path.join(dataDir, file)
    return existsSync(found) ? Number(readFileSync(found, 'utf8').split('\n')[0]) : 0
  }
  const pids = [pidIn('temporal/pid'), pidIn('postgres/cluster/postmaster.pid')]
  return pids.filter((pid) => pid > 0 && commandLine(pid)?.includes(dataDir))
}

async function statusOf(url: string, token: string): Promise<number> {
  return (await fetch(`${url}/v1/me`, { headers: { authorization: `Bearer ${token}` } })).status
}

const apiOf = (output: string): string => /API: (http:\S+)/.exec(output)?.[1] ?? ''

test('starts once per directory, recovers from kill -9, and leaves no process behind', {
  timeout: 120_000,
}, async () => {
  const dataDir = dataDirectory()
  // The others of this file take the bundle of the run.
  const first = up(dataDir, { more: { OPENIRM_WORKFLOW_BUNDLE: '' } })
  expect(await first.isUp()).toBe(true)
  const token = /oirm_\S+/.exec(first.output())?.[0] ?? ''
  expect(await statusOf(apiOf(first.output()), token)).toBe(200)
  expect(await statusOf(apiOf(first.output()), `${token.slice(0, -1)}?`)).toBe(401)

  const refused = up(dataDir, { shipped: false })
  const [code] = await once(refused.child, 'exit')
  expect(code).toBe(1)
  expect(refused.output()).toContain(
    `embedded_already_running: OpenIRM runs already with this data directory (process ${first.child.pid}`,
  )

  const orphans = servers(dataDir)
  expect(orphans).toHaveLength(2)
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  expect(servers(dataDir)).toEqual(orphans)

  const second = up(dataDir, { shipped: false })
  expect(await second.isUp()).toBe(true)
  // The token was shown once, and it and its holder outlived the crash.
  expect(second.output()).not.toContain('oirm_')
  expect(await statusOf(apiOf(second.output()), token)).toBe(200)
  const running = servers(dataDir)
  expect(running).toHaveLength(2)
  for (const pid of orphans) expect(commandLine(pid)).toBeNull()

  second.child.kill('SIGINT')
  await once(second.child, 'exit')
  for (const pid of running) expect(commandLine(pid)).toBeNull()
})

/** Who owns nothing on this machine, where the tests run as root; else whoever runs them, who is ordinary already. */
const ORDINARY: User = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

/** Whether that user may run node and read what is checked out; a checkout in root's own home is closed to it. */
const mayRead = (): boolean =>
  spawnSync(process.execPath, ['-e', "fs.accessSync('cli/openirm.ts'); require.resolve('tsx')"], {
    cwd: root,
    ...ORDINARY,
  }).status === 0

/** A home and a data directory of that user's, and what it would have found in the home of who runs the tests. */
async function homeOf({ uid, gid }: User): Promise<{ dataDir: string; more: Record<string, string> }> {
  const [home, dataDir] = [dataDirectory(), dataDirectory()]
  const { path: found } = await findTemporalCli({ log: { info: () => {} } })
  const temporal = path.join(home, 'temporal')
  try {
    linkSync(found, temporal)
  } catch {
    copyFileSync(found, temporal)
  }
  if (uid !== undefined && gid !== undefined) for (const each of [home, dataDir]) chownSync(each, uid, gid)
  return { dataDir, more: { HOME: home, XDG_CACHE_HOME: path.join(home, 'cache'), OPENIRM_TEMPORAL_CLI: temporal } }
}

test('starts as an ordinary user, keeps everything under its own name, and leaves no process behind', {
  timeout: 120_000,
}, async ({ skip }) => {
  skip(!mayRead(), 'an ordinary user may not read this checkout: run the tests where it may, or as that user')
  const { dataDir, more } = await homeOf(ORDINARY)
  const running = up(dataDir, { as: ORDINARY, more })
  expect(await running.isUp(), running.output()).toBe(true)
  const url = apiOf(running.output())
  expect((await fetch(`${url}/v1/readiness`)).status).toBe(200)
  expect(await statusOf(url, /oirm_\S+/.exec(running.output())?.[0] ?? '')).toBe(200)

  const pids = servers(dataDir)
  expect(pids).toHaveLength(2)
  const uid = ORDINARY.uid ?? process.getuid?.()
  for (const kept of ['keys.json', 'postgres/cluster/PG_VERSION', 'temporal/temporal.db'])
    expect(statSync(path.join(dataDir, kept)).uid, kept).toBe(uid)

  running.child.kill('SIGINT')
  const [code] = await once(running.child, 'exit')
  expect(code).toBe(0)
  for (const pid of pids) expect(commandLine(pid)).toBeNull()
})
