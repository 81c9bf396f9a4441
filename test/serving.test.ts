import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Connection } from '@temporalio/client'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createKeyRing } from '../db/keyring.ts'
import { insertSealed } from '../db/vault.ts'
import { SEARCH_ATTRIBUTES } from '../domain/processes.ts'
import { type TestDatabase, testDatabase } from './harness/database.ts'
import { openirm, type Running, startOpenirm } from './harness/openirm.ts'

/** The production shape: `migrate`, `prepare-temporal`, `serve` and `work` as processes against servers of one's own. */
const TIMEOUT = 240_000
const temporalAddress = process.env['OPENIRM_TEST_TEMPORAL_ADDRESS'] as string
const namespace = `serving-${randomBytes(5).toString('hex')}`
const running: Running[] = []
let t: TestDatabase
let folder: string
/** Everything that is needed, secrets by file. */
let env: Record<string, string>

beforeAll(async () => {
  t = await testDatabase()
  folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-serving-'))
  chmodSync(folder, 0o700)
  env = {
    DATABASE_URL_FILE: secret('database-url', t.url),
    OPENIRM_KEYRING_FILE: secret('keyring', JSON.stringify(t.ring)),
    OPENIRM_SPOOL_DIR: path.join(folder, 'spool'),
    TEMPORAL_ADDRESS: temporalAddress,
    TEMPORAL_NAMESPACE: namespace,
  }
})
afterAll(async () => {
  for (const { child } of running) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
  await t[Symbol.asyncDispose]()
})

function secret(name: string, content: string): string {
  const file = path.join(folder, name)
  writeFileSync(file, `${content}\n`, { mode: 0o600 })
  return file
}

function start(args: string[]): Running {
  const started = startOpenirm(args, env, { shipped: true })
  running.push(started)
  return started
}

const without = (...names: string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !names.includes(name)))

test('what is missing is named with the way out, and nothing is served', { timeout: TIMEOUT }, async () => {
  const empty = await emptyDatabase()
  const tries: [args: string[], env: Record<string, string>, said: string, code?: number][] = [
    [
      ['serve'],
      without('DATABASE_URL_FILE'),
      'setting_missing: DATABASE_URL is not set\nSet DATABASE_URL, or DATABASE_URL_FILE',
    ],
    [['serve'], { ...env, DATABASE_URL: t.url }, 'DATABASE_URL and DATABASE_URL_FILE are both set'],
    [['work'], { ...env, DATABASE_URL_FILE: '/nowhere' }, 'the file of DATABASE_URL_FILE cannot be read: /nowhere'],
    [['work'], without('TEMPORAL_ADDRESS'), 'setting_missing: TEMPORAL_ADDRESS is not set'],
    [
      ['serve'],
      { ...env, OPENIRM_KEYRING_FILE: '/nowhere' },
      'key_missing: there is no key ring at /nowhere\nRun `openirm keys create`',
    ],
    [
      ['serve'],
      { ...env, TEMPORAL_ADDRESS: '127.0.0.1:1' },
      'temporal_unavailable: Temporal cannot be reached\nCheck TEMPORAL_ADDRESS',
    ],
    [
      ['work'],
      { ...without('DATABASE_URL_FILE'), DATABASE_URL: 'postgres://a:b@127.0.0.1:1/c' },
      'database_unavailable: the PostgreSQL of DATABASE_URL does not answer (ECONNREFUSED)',
    ],
    [['serve'], { ...without('DATABASE_URL_FILE'), DATABASE_URL: empty }, 'Make a backup, then run `openirm migrate`.'],
    [['verify'], { DATABASE_URL: empty }, 'schema_mismatch: the database lacks'],
    [['serve'], env, `temporal_unprepared: Temporal has no namespace ${namespace}\nRun \`openirm prepare-temporal\``],
    [['work', '--queues', 'imports,exprots'], env, 'there is no queue exprots', 2],
    [['serve', '--port', '99999'], env, 'a number from 0 to 65535', 2],
  ]
  for (let from = 0; from < tries.length; from += 4) {
    const some = tries.slice(from, from + 4)
    const rans = await Promise.all(some.map(([args, env]) => openirm(args, { env })))
    for (const [index, { code, out, err }] of rans.entries()) {
      expect(err).toContain(some[index]?.[2])
      expect([code, out]).toEqual([some[index]?.[3] ?? 1, ''])
    }
  }
})

async function emptyDatabase(): Promise<string> {
  const url = new URL(t.url)
  url.pathname += '_empty'
  const client = new pg.Client(t.url)
  await client.connect()
  await client.query(`create database ${url.pathname.slice(1)}`)
  await client.end()
  return url.href
}

test('Temporal is prepared once, whoever asks', {
  timeout: TIMEOUT,
}, async () => {
  const [first, twin] = await Promise.all([
    openirm(['prepare-temporal'], { env }),
    openirm(['prepare-temporal'], { env }),
  ])
  expect([first.err, first.code, twin.err, twin.code]).toEqual(['', 0, '', 0])
  const again = await openirm(['prepare-temporal'], { env })
  expect(again.out).toBe(`${namespace} is ready: ${Object.keys(SEARCH_ATTRIBUTES).length} search attributes\n`)
  const connection = await Connection.connect({ address: temporalAddress })
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace })
  for (const name of Object.values(SEARCH_ATTRIBUTES)) expect(customAttributes[name]).toBe(2)

  await connection.close()
})

test('API and workers serve, tell their health and stop when asked', { timeout: TIMEOUT }, async () => {
  const migrated = await openirm(['migrate'], { env })
  expect([migrated.err, migrated.code]).toEqual(['', 0])
  expect(migrated.out).toMatch(/^the schema is up to date\nindicators: .*s3-bulk-read@\d/)

  const bundle = path.join(folder, 'workflow-bundle.js')
  const bundled = await openirm(['bundle-workflows', bundle])
  expect([bundled.err, bundled.code]).toEqual(['', 0])
  env['OPENIRM_WORKFLOW_BUNDLE'] = bundle

  const api = start(['serve', '--port', '0'])
  const url = (await api.said(/^serving (\S+)$/m))[1] as string
  const work = start(['work', '--queues', 'triage,exports', '--health-port', '0'])
  await work.said(/^working on triage, exports$/m)
  const workerHealth = /^health: (\S+)$/m.exec(work.ran.out)?.[1] as string
  const readiness = await fetch(`${url}/v1/readiness`)
  expect([readiness.status, await readiness.json()]).toEqual([
    200,
    { ready: true, database: 'reachable', temporal: 'reachable' },
  ])
  const health = await fetch(workerHealth)
  expect([health.status, await health.json()]).toEqual([
    200,
    { queues: ['triage', 'exports'], database: true, temporal: true },
  ])
  const token = /oirm_\S+/.exec(api.ran.out)?.[0] ?? ''
  expect((await fetch(`${url}/v1/me`, { headers: { Authorization: `Bearer ${token}` } })).status).toBe(200)
  const connection = await Connection.connect({ address: temporalAddress })
  const schedules = await connection.workflowService.listSchedules({ namespace })
  expect(schedules.schedules?.map(({ scheduleId }) => scheduleId).sort()).toEqual(['health', 'manifests', 'reconcile'])
  await connection.close()

  for (const each of [api, work]) {
    const { code, err } = await each.stop()
    expect([code, err]).toEqual([0, ''])
  }
  await expect(fetch(`${url}/v1/health`)).rejects.toThrow()
})

test('a key ring of another installation and a schema of a newer version are refused', {
  timeout: TIMEOUT,
}, async () => {
  await insertSealed(t.db, t.vault, 'secret', 'kept under the right ring')
  const foreign = await openirm(['work'], {
    env: { ...env, OPENIRM_KEYRING_FILE: secret('other-ring', JSON.stringify(createKeyRing())) },
  })
  expect(foreign.err).toContain('key_missing: the key ring does not open what this database holds')
  const client = new pg.Client(t.url)
  await client.connect()
  await client.query("insert into kysely_migration values ('20990101_0000_from_the_future', now()::text)")
  await client.end()
  const newer = await openirm(['serve'], { env })
  expect(newer.err).toContain(
    'schema_mismatch: a newer version has migrated the database (20990101_0000_from_the_future)',
  )
  expect([foreign.code, newer.code]).toEqual([1, 1])
})
