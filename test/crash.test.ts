import { type ChildProcess, spawn } from 'node:child_process'
import path from 'node:path'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { startImport } from '../api/processes.ts'
import { openPullImport } from '../db/imports.ts'
import { startS3 } from '../sandbox/s3.ts'
import { daysAgo, deliver, trailRecord, trailSettings } from './harness/trail.ts'
import { eventually, type World, world } from './harness/world.ts'

const root = path.join(import.meta.dirname, '..')

/** A worker of the imports queue in a process of its own, so that it can be killed. */
function startImportWorker(w: World): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', 'cli/openirm.ts', 'work', '--queues', 'imports'], {
    cwd: root,
    stdio: 'ignore',
    env: {
      ...process.env,
      DATABASE_URL: w.t.url,
      TEMPORAL_ADDRESS: process.env['OPENIRM_TEST_TEMPORAL_ADDRESS'] as string,
      TEMPORAL_NAMESPACE: w.namespace,
      OPENIRM_KEYRING: JSON.stringify(w.t.ring),
      OPENIRM_LOG_LEVEL: 'silent',
    },
  })
}

test('an import whose worker is killed goes on behind its last chunk: nothing lost, nothing twice', {
  timeout: 120_000,
}, async () => {
  await using w = await world({ queues: ['triage'] })
  await using s3 = await startS3()
  await w.policy('data-theft-departing-users', 'Leavers')
  const connectorId = await w.connector('amazon-s3', trailSettings(s3.endpoint))
  const [files, perFile] = [75, 1_000]
  for (let file = 0; file < files; file += 1) {
    const at = daysAgo(1 + (file % 5))
    const records = Array.from({ length: perFile }, (_, index) =>
      trailRecord({ user: `user${index % 50}@example.com`, at, key: `doc-${index}` }),
    )
    deliver(s3, at, records)
  }
  const { importId } = await openPullImport(w.t.db, { connectorId, source: 'request', nominalAt: new Date() })
  const chunks = async () => {
    const row = await w.t.db.selectFrom('import').select('chunks').where('id', '=', importId).executeTakeFirstOrThrow()
    return row.chunks
  }
  const run = await startImport(w.client, { connectorId, importId, run: importId, kind: 'amazon-s3', why: 'request' })

  const first = startImportWorker(w)
  await eventually(chunks, { timeoutMs: 60_000, until: (n) => n >= 1 })
  first.kill('SIGKILL')
  const atTheKill = await chunks()
  expect(atTheKill).toBeLessThan(3)

  const second = startImportWorker(w)
  try {
    await run.result()
  } finally {
    second.kill('SIGKILL')
  }
  const row = await w.t.db.selectFrom('import').selectAll().where('id', '=', importId).executeTakeFirstOrThrow()
  const total = files * perFile
  expect(row).toMatchObject({
    state: 'completed',
    received: total,
    stored: total,
    duplicate: 0,
    quarantined: 0,
    ignored: 0,
  })
  const stored = await sql<{ n: number }>`select count(*)::int as n from activity`.execute(w.t.db)
  expect(stored.rows[0]?.n).toBe(total)
  const rollups = await sql<{ n: number }>`
    select sum(count)::int as n from indicator_day where indicator_id = 's3-bulk-read@2'`.execute(w.t.db)
  expect(rollups.rows[0]?.n).toBe(total)
})
