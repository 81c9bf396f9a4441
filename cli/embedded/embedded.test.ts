import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { commandLine, waitFor } from './processes.ts'

const root = path.join(import.meta.dirname, '../..')
const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
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
  const pids = [
    Number(readFileSync(path.join(dataDir, 'temporal/pid'), 'utf8')),
    Number(readFileSync(path.join(dataDir, 'postgres/cluster/postmaster.pid'), 'utf8').split('\n')[0]),
  ]
  return pids.filter((pid) => commandLine(pid)?.includes(dataDir))
}

test('starts once per directory, recovers from kill -9, and leaves no process behind', {
  timeout: 120_000,
}, async () => {
  const dataDir = dataDirectory()
  const first = up(dataDir)
  expect(await first.isUp()).toBe(true)

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
  const running = servers(dataDir)
  expect(running).toHaveLength(2)
  for (const pid of orphans) expect(commandLine(pid)).toBeNull()

  second.child.kill('SIGINT')
  await once(second.child, 'exit')
  for (const pid of running) expect(commandLine(pid)).toBeNull()
})
