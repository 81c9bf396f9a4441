import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { beginImports, runImport } from '../activities/imports.ts'
import { startImport } from '../api/processes.ts'
import { closeImport, openPullImport } from '../db/imports.ts'
import { Spool } from '../db/spool.ts'
import { type S3StandIn, startS3 } from '../sandbox/s3.ts'
import { commandArguments } from './harness/command.ts'
import { crampedDisk } from './harness/cramped-disk.ts'
import { gatewayTo } from './harness/gateway.ts'
import { importing } from './harness/importing.ts'
import { namedRollups } from './harness/rollups.ts'
import { insertConnector } from './harness/rows.ts'
import { daysAgo, deliver, trailRecord, trailSettings } from './harness/trail.ts'
import { eventually, type World, world } from './harness/world.ts'

/** What goes wrong around an import: files that change under it, a disk that is full, a database that is away. */
const TIMEOUT = 240_000
const OLD = new Date('2026-03-02T00:00:00Z')
const HEADER = 'id,user,at'
const row = (id: number) => `${id},a@example.com,2026-03-02T10:00:00Z\n`

/** A spool beside which something happens as soon as the first bytes of a file were read. */
class WatchedSpool extends Spool {
  meanwhile: (() => void) | undefined

  override put(bytes: AsyncIterable<Uint8Array>, maxBytes: number) {
    const took = this
    async function* watched() {
      for await (const piece of bytes) {
        yield piece
        const act = took.meanwhile
        took.meanwhile = undefined
        act?.()
      }
    }
    return super.put(watched(), maxBytes)
  }
}

test('a file of a drop folder that changes while it is read is left until it has settled, then taken once and whole', {
  timeout: TIMEOUT,
}, async () => {
  await using t = await importing()
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-changing-'))
  try {
    const spool = new WatchedSpool(path.join(folder, '.spool'), t.t.vault)
    Object.assign(t.deps, { spool })
    const connectorId = await insertConnector(t.t, 'custom-file', {
      columns: { person: 'user', at: 'at' },
      eventIdColumns: ['id'],
      verb: 'download',
      dropFolder: folder,
    })
    const file = path.join(folder, 'log.csv')
    const settle = (name = file) => utimesSync(name, OLD, OLD)
    let runs = 0
    const run = async () => {
      runs += 1
      const ids = await beginImports(t.deps)({ connectorId, runId: `run-${runs}`, nominalAt: new Date().toISOString() })
      for (const id of ids) {
        await runImport(t.deps, id, { signal: new AbortController().signal, heartbeat: () => {} })
        await closeImport(t.t.db, id, { state: 'completed' })
      }
      return ids.length
    }
    // More than one piece of a stream, so that there is something left to read.
    const rows = Array.from({ length: 5_000 }, (_, id) => row(id))
    writeFileSync(file, `${HEADER}\n${rows.join('')}`)
    const changes: (() => void)[] = [
      () => appendFileSync(file, row(5_000)),
      () => truncateSync(file, 100_000),
      () => {
        writeFileSync(`${file}.next`, `${HEADER}\n${rows.slice(0, 4_000).join('')}`)
        renameSync(`${file}.next`, file)
      },
      () => rmSync(file),
    ]
    for (const change of changes) {
      settle()
      spool.meanwhile = change
      expect(await run()).toBe(0)
      expect(spool.meanwhile).toBeUndefined()
    }
    expect(await run()).toBe(0)
    expect(await t.t.db.selectFrom('import').select('id').execute()).toEqual([])

    writeFileSync(file, `${HEADER}\n${rows.join('')}${row(5_000)}`)
    settle()
    expect([await run(), await run()]).toEqual([1, 0])
    const imports = await t.t.db.selectFrom('import').select(['state', 'received', 'stored']).execute()
    expect(imports).toEqual([{ state: 'completed', received: 5_001, stored: 5_001 }])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

const PER_FILE = 1_000
/** Of a worker of its own: so few that an import is several transactions. */
const CHUNK_RECORDS = 2_000
const USERS = 40

/** So many files of a thousand events over five days. */
function fill(s3: S3StandIn, files: number): number {
  for (let file = 0; file < files; file += 1) {
    const at = daysAgo(1 + (file % 5))
    const records = Array.from({ length: PER_FILE }, (_, index) =>
      trailRecord({ user: `user${index % USERS}@example.com`, at, key: `doc-${index}` }),
    )
    deliver(s3, at, records)
  }
  return files * PER_FILE
}

async function begin(w: World, s3: S3StandIn) {
  await w.policy('data-theft-departing-users', 'Leavers')
  const connectorId = await w.connector('amazon-s3', trailSettings(s3.endpoint))
  const { importId } = await openPullImport(w.t.db, { connectorId, source: 'request', nominalAt: new Date() })
  const run = await startImport(w.client, { connectorId, importId, run: importId, kind: 'amazon-s3', why: 'request' })
  const chunks = async () => {
    const { chunks } = await w.t.db
      .selectFrom('import')
      .select('chunks')
      .where('id', '=', importId)
      .executeTakeFirstOrThrow()
    return chunks
  }
  /** Code and advice of the last attempt that failed. */
  const trouble = async () => {
    const { raw } = await run.describe()
    const { lastFailure, attempt } = raw.pendingActivities?.[0] ?? {}
    return { code: lastFailure?.applicationFailureInfo?.type, said: lastFailure?.message, attempt: attempt ?? 0 }
  }
  return { importId, run, chunks, trouble }
}

async function isWhole(w: World, importId: string, total: number): Promise<void> {
  const read = await w.t.db.selectFrom('import').selectAll().where('id', '=', importId).executeTakeFirstOrThrow()
  const balance = { received: total, stored: total, duplicate: 0, quarantined: 0, ignored: 0 }
  expect(read).toMatchObject({ state: 'completed', ...balance })
  const { rows } = await sql<{ activities: number; rollups: number }>`
    select (select count(*)::int from activity) as activities,
           (select sum(count)::int from ${namedRollups()} r where indicator_id = 's3-bulk-read') as rollups`.execute(
    w.t.db,
  )
  expect(rows).toEqual([{ activities: total, rollups: total }])
}

test('a disk that is full under the database: the import says so, loses nothing and goes on once there is space', {
  timeout: TIMEOUT,
}, async (context) => {
  await using disk = await crampedOrSkip(context.skip)
  await using w = await world({ queues: ['imports', 'triage'] })
  await using s3 = await startS3()
  for (const days of [1, 5]) {
    const month = daysAgo(days).toISOString().slice(0, 10)
    await sql`select ensure_month(${month}::date)`.execute(w.t.db)
    const table = `activity_${month.slice(0, 7).replace('-', '')}`
    await sql`alter table ${sql.table(table)} set tablespace ${sql.ref(disk.tablespace)}`.execute(w.t.db)
  }
  const total = fill(s3, 60)
  const { importId, run, trouble } = await begin(w, s3)
  const told = await eventually(trouble, { timeoutMs: 90_000, until: ({ code }) => code !== undefined })
  expect(told).toMatchObject({ code: 'database_full', said: 'the database has no space left' })
  // Whatever did not fit is as if it had never been tried.
  const stored = await sql<{ n: number }>`select count(*)::int as n from activity`.execute(w.t.db)
  const { stored: booked } = await w.t.db
    .selectFrom('import')
    .select('stored')
    .where('id', '=', importId)
    .executeTakeFirstOrThrow()
  expect(stored.rows[0]?.n).toBe(booked)

  disk.enlarge(200)
  await run.result()
  await isWhole(w, importId, total)
})

async function crampedOrSkip(skip: (why: string) => never) {
  const disk = await crampedDisk(3)
  return typeof disk === 'string' ? skip(disk) : disk
}

/** A worker of the imports queue in a process of its own, with another way to the database than the test's. */
function importWorker(w: World, databaseUrl: string): ChildProcess & Disposable {
  const worker = spawn(process.execPath, [...commandArguments(), 'work', '--queues', 'imports'], {
    cwd: path.join(import.meta.dirname, '..'),
    stdio: 'ignore',
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: process.env['OPENIRM_TEST_TEMPORAL_ADDRESS'] as string,
      TEMPORAL_NAMESPACE: w.namespace,
      OPENIRM_KEYRING: JSON.stringify(w.t.ring),
      OPENIRM_LOG_LEVEL: 'silent',
      OPENIRM_CHUNK_RECORDS: String(CHUNK_RECORDS),
    },
  })
  return Object.assign(worker, { [Symbol.dispose]: () => void worker.kill('SIGKILL') })
}

test('a database that hangs and then is away in the middle of an import: it waits, and ends complete', {
  timeout: TIMEOUT,
}, async () => {
  await using w = await world({ queues: ['triage'] })
  await using s3 = await startS3()
  await using gateway = await gatewayTo(w.t.url)
  const total = fill(s3, 120)
  const { importId, run, chunks, trouble } = await begin(w, s3)
  using worker = importWorker(w, gateway.url)
  await eventually(chunks, { timeoutMs: 90_000, until: (n) => n >= 1 })
  gateway.hold()
  const before = await chunks()
  expect(before * CHUNK_RECORDS).toBeLessThan(total / 2)
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  gateway.shut()
  // More than one attempt meets a closed door.
  const told = await eventually(trouble, { timeoutMs: 90_000, until: ({ attempt }) => attempt >= 3 })
  expect(told.code).toBe('database_unavailable')
  expect(await chunks()).toBe(before)
  gateway.open()
  await run.result()
  expect(worker.exitCode).toBeNull()
  await isWhole(w, importId, total)
})
