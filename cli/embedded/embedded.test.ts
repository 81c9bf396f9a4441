import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { commandLine, waitFor } from './processes.ts'

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

function up(dataDir: string) {
  const { DATABASE_URL: _, TEMPORAL_ADDRESS: __, ...env } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', 'cli/openirm.ts', 'up'], {
    cwd: root,
    env: { ...env, OPENIRM_DATA_DIR: dataDir, OPENIRM_LOG_LEVEL: 'silent' },
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
  const first = up(dataDir)
  expect(await first.isUp()).toBe(true)
  const token = /oirm_\S+/.exec(first.output())?.[0] ?? ''
  expect(await statusOf(apiOf(first.output()), token)).toBe(200)
  expect(await statusOf(apiOf(first.output()), `${token.slice(0, -1)}?`)).toBe(401)

  const refused = up(dataDir)
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

  const second = up(dataDir)
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
