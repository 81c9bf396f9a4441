import { chmodSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { importStart, prerequisiteStart } from '../../activities/starting.ts'
import { openRedrive } from '../../db/imports.ts'
import { policyHealth } from '../../db/queries/policies.ts'
import { startS3 } from '../../sandbox/s3.ts'
import { importFile } from '../harness/files.ts'
import { daysAgo, deliver, trailRecord, trailSettings } from '../harness/trail.ts'
import { eventually, type World, world } from '../harness/world.ts'

const SCENARIOS = [
  { scenario: 'resignation', columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' } },
]
const csv = (...rows: string[]) => ['Email,Notice,LastDay', ...rows, ''].join('\n')
const QUEUES = ['imports', 'evaluation'] as const

async function run(w: World, connectorId: string, kind: string, importId?: string): Promise<void> {
  const { type, ...options } = importStart({
    connectorId,
    run: importId ?? `run-${Math.random()}`,
    kind,
    why: 'test',
    ...(importId ? { importId } : {}),
  })
  await (await w.client.workflow.start(type, options)).result().catch(() => {})
}

async function check(w: World, connectorId: string, kind: string) {
  const { type, ...options } = prerequisiteStart(connectorId, kind)
  return (await w.client.workflow.start(type, options)).result()
}

const importsOf = (w: World) =>
  w.t.db.selectFrom('import').select(['state', 'source', 'stored', 'error']).orderBy('started_at').execute()
const connectorOf = (w: World, id: string) =>
  w.t.db.selectFrom('connector').select(['state', 'pause_reason']).where('id', '=', id).executeTakeFirstOrThrow()

test('a drop folder: settled files once by their content, one being written later, one too large as a failed import', {
  timeout: 90_000,
}, async () => {
  await using w = await world({ queues: QUEUES })
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-drop-'))
  chmodSync(folder, 0o755)
  try {
    const connectorId = await w.connector('hr', { scenarios: SCENARIOS, dropFolder: folder })
    const put = (name: string, text: string, age: number) => {
      writeFileSync(path.join(folder, name), text)
      const at = new Date(Date.now() - age)
      utimesSync(path.join(folder, name), at, at)
    }
    put('a.csv', csv('a@example.com,2026-01-01Z,2026-02-01Z'), 60_000)
    put('copy-of-a.csv', csv('a@example.com,2026-01-01Z,2026-02-01Z'), 60_000)
    put('writing.csv', csv('b@example.com,2026-01-01Z,2026-02-01Z'), -60_000)
    put('.hidden.csv', csv('c@example.com,2026-01-01Z,2026-02-01Z'), 60_000)
    put('huge.csv', csv('d@example.com,2026-01-01Z,2026-02-01Z'.padEnd(2_000)), 60_000)
    w.deps.maxFileBytes = 1_000
    await run(w, connectorId, 'hr')
    await run(w, connectorId, 'hr')
    const seen = (await importsOf(w)).map(({ state, source, stored, error }) => [
      state,
      source,
      stored,
      (error as { code?: string } | null)?.code ?? null,
    ])
    expect(seen.sort()).toEqual([
      ['completed', 'drop_folder', 1, null],
      ['failed', 'drop_folder', 0, 'body_too_large'],
    ])
    put('writing.csv', csv('b@example.com,2026-01-01Z,2026-02-01Z'), 60_000)
    await run(w, connectorId, 'hr')
    expect((await importsOf(w)).filter(({ state }) => state === 'completed')).toHaveLength(2)

    rmSync(folder, { recursive: true })
    await run(w, connectorId, 'hr')
    await eventually(() => connectorOf(w, connectorId), { until: ({ state }) => state === 'paused' })
    expect((await connectorOf(w, connectorId)).pause_reason).toMatchObject({
      check: 'drop-folder',
      code: 'folder_unreadable',
      guide: 'docs/guides/hr.md#drop-folder',
      mendedBy: 'admin',
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('an overdue HR file pauses the connector and blinds its policies; a current file is taken, resumes it and ends the blindness', {
  timeout: 90_000,
}, async () => {
  await using w = await world({ queues: QUEUES })
  const policyId = await w.policy('data-theft-departing-users', 'Leavers')
  const connectorId = await w.connector('hr', { scenarios: SCENARIOS })
  await importFile(w, connectorId, csv('a@example.com,2026-01-01Z,2026-02-01Z'))
  await w.t.db
    .updateTable('import')
    .set({ started_at: daysAgo(9), finished_at: daysAgo(8) })
    .execute()
  expect(await check(w, connectorId, 'hr')).toMatchObject({ unmet: 1, connectorState: 'paused' })
  expect((await connectorOf(w, connectorId)).pause_reason).toMatchObject({ by: 'prerequisite', mendedBy: 'import' })
  const blind = await policyHealth(w.t.db, policyId)
  expect(blind.seeing).toBe(false)
  expect(blind.blind).toEqual([
    expect.objectContaining({ code: 'stale', guide: 'docs/guides/hr.md#freshness', to_at: null }),
  ])
  // What only an import can mend must not keep imports from running.
  const schedule = w.client.schedule.getHandle(`import/${connectorId}`)
  expect((await schedule.describe()).state.paused).toBe(false)

  const taken = await importFile(w, connectorId, csv('b@example.com,2026-01-01Z,2026-02-01Z'))
  expect(taken).toMatchObject({ state: 'completed', stored: 1 })
  await eventually(() => connectorOf(w, connectorId), { until: ({ state }) => state === 'active' })
  expect(await connectorOf(w, connectorId)).toEqual({ state: 'active', pause_reason: null })
  const seeing = await policyHealth(w.t.db, policyId)
  expect(seeing.seeing).toBe(true)
  expect(seeing.blind[0]?.to_at).not.toBeNull()
})

test('an expired credential stops the import, says what to do, and pauses the connector until it is mended', {
  timeout: 90_000,
}, async () => {
  await using w = await world({ queues: QUEUES })
  await using s3 = await startS3()
  deliver(s3, daysAgo(1), [trailRecord({ user: 'a@example.com', at: daysAgo(1) })])
  const connectorId = await w.connector('amazon-s3', trailSettings(s3.endpoint))
  s3.fail({ match: 'list-type', times: 99, status: 400, code: 'ExpiredToken' })
  await run(w, connectorId, 'amazon-s3')
  expect((await importsOf(w)).map(({ state, error }) => ({ state, error }))).toEqual([
    {
      state: 'failed',
      error: { code: 'credential_expired', detail: expect.any(String), fix: 'Enter new credentials.' },
    },
  ])
  await eventually(() => connectorOf(w, connectorId), { until: ({ state }) => state === 'paused' })
  expect((await connectorOf(w, connectorId)).pause_reason).toMatchObject({
    check: 'listing-allowed',
    code: 'credential_expired',
    guide: 'docs/guides/amazon-s3.md#listing',
    mendedBy: 'admin',
  })
  // The check aligns the Schedules at its end.
  const schedule = await eventually(() => w.client.schedule.getHandle(`import/${connectorId}`).describe())
  expect(schedule.state.paused).toBe(true)
  await run(w, connectorId, 'amazon-s3')
  expect(await importsOf(w)).toHaveLength(1)
})

test('quarantined rows come in once the mapping is mended, and a re-drive is no fresh file', {
  timeout: 90_000,
}, async () => {
  await using w = await world({ queues: QUEUES })
  const connectorId = await w.connector('hr', { scenarios: SCENARIOS, dateFormat: 'iso' })
  const first = await importFile(
    w,
    connectorId,
    csv('a@example.com,2026-01-01Z,2026-02-01Z', 'b@example.com,not yet,2026-02-01Z'),
  )
  expect(first).toMatchObject({ stored: 1, quarantined: 1 })
  const swapped = [{ scenario: 'resignation', columns: { ...SCENARIOS[0]?.columns, resignationDate: 'LastDay' } }]
  await w.t.db
    .updateTable('connector')
    .set({ settings: JSON.stringify({ scenarios: swapped }) })
    .execute()
  const { importId, rows } = await w.t.db.transaction().execute((tx) => openRedrive(tx, { connectorId }))
  expect(rows).toBe(1)
  await run(w, connectorId, 'hr', importId)
  const redriven = await w.t.db.selectFrom('import').selectAll().where('id', '=', importId).executeTakeFirstOrThrow()
  expect(redriven).toMatchObject({ state: 'completed', received: 1, stored: 1, quarantined: 0 })
  expect(await w.t.db.selectFrom('quarantined_row').select(['state', 'redriven_import_id']).execute()).toEqual([
    { state: 'redriven', redriven_import_id: importId },
  ])
  await w.t.db
    .updateTable('import')
    .set({ started_at: daysAgo(9), finished_at: daysAgo(8) })
    .where('id', '=', first.id)
    .execute()
  expect(await check(w, connectorId, 'hr')).toMatchObject({ connectorState: 'paused' })
})
