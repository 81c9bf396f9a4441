import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { claimPieces, moveBackfill } from '../activities/backfill.ts'
import { reconcileRuns } from '../activities/reconcile.ts'
import { startImport } from '../api/processes.ts'
import { openRangeBackfill } from '../db/backfills.ts'
import { openPullImport } from '../db/imports.ts'
import { verifyImports } from '../db/verify.ts'
import { cutRange } from '../domain/pieces.ts'
import { startS3 } from '../sandbox/s3.ts'
import { type Api, api, type Caller } from './api/api.ts'
import { DAY_MS, daysAgo, deliver, trailRecord, trailSettings } from './harness/trail.ts'
import { eventually } from './harness/world.ts'

const HOUR_MS = 3_600_000

let t: Api
let admin: Caller
let s3: Awaited<ReturnType<typeof startS3>>
beforeAll(async () => {
  t = await api({ workers: true })
  admin = await t.as('admin')
  s3 = await startS3()
})
afterAll(async () => {
  await s3[Symbol.asyncDispose]()
  await t[Symbol.asyncDispose]()
})

const midnight = (daysBack: number): Date => new Date(Math.floor(daysAgo(daysBack).getTime() / DAY_MS) * DAY_MS)
const noon = (daysBack: number): Date => new Date(midnight(daysBack).getTime() + DAY_MS / 2)
const filled = (daysBack: number, records: number) => {
  const at = noon(daysBack)
  const body = Array.from({ length: records }, (_, index) =>
    trailRecord({ user: `user${index % 5}@example.com`, at, key: `doc-${index}` }),
  )
  deliver(s3, at, body)
}
const storedCount = async (connectorId: string): Promise<number> =>
  Number((await t.w.t.pool.query('select count(*) from activity where connector_id = $1', [connectorId])).rows[0].count)
const settled = (id: string, state: string, timeoutMs = 60_000) =>
  eventually(() => admin.get(`/backfills/${id}`), { timeoutMs, until: ({ body }) => body.state === state })

test('a range is read piece by piece beside the live import, without doubles, and closed by a statement', {
  timeout: 120_000,
}, async () => {
  const connectorId = await t.w.connector('amazon-s3', trailSettings(s3.endpoint, { startDaysBack: 3 }))
  // Twelve days with something, one of them empty in the middle.
  for (let day = 1; day <= 12; day += 1) if (day !== 7) filled(day, 10 + day)
  const { importId } = await openPullImport(t.w.t.db, { connectorId, source: 'request', nominalAt: new Date() })
  const created = await admin.post(`/connectors/${connectorId}/backfills`, {
    json: { from: midnight(12).toISOString(), to: midnight(0).toISOString(), parallel: 3, requestsPerSecond: 200 },
  })
  expect(created.status).toBe(202)
  expect(created.body).toMatchObject({ state: 'running', progress: { pieces: 12 }, statement: null })
  const second = await admin.post(`/connectors/${connectorId}/backfills`, {
    json: { from: midnight(2).toISOString(), to: midnight(1).toISOString() },
  })
  expect(second.body).toMatchObject({ status: 409, code: 'state_conflict' })
  const live = await startImport(t.w.client, {
    connectorId,
    importId,
    run: importId,
    kind: 'amazon-s3',
    why: 'request',
  })
  await live.result()
  const { body } = await settled(created.body.id, 'completed')
  const total = Array.from({ length: 12 }, (_, index) => (index === 6 ? 0 : 11 + index)).reduce((a, b) => a + b)
  expect(await storedCount(connectorId)).toBe(total)
  const { rows, ...statement } = body.statement
  expect(statement).toEqual({
    pieces: 12,
    done: 12,
    setAside: [],
    late: 0,
    gaps: [{ from: midnight(7).toISOString(), to: midnight(6).toISOString(), why: 'empty' }],
    error: null,
  })
  expect(rows.received).toBe(rows.stored + rows.duplicate)
  expect(rows.quarantined + rows.ignored).toBe(0)
  expect(await verifyImports(t.w.t.db)).toMatchObject({ untruth: null })
  const pieces = await admin.get(`/backfills/${created.body.id}/pieces?limit=5`)
  expect(pieces.body.items.map(({ number, state }: any) => [number, state])).toEqual(
    [1, 2, 3, 4, 5].map((number) => [number, 'done']),
  )
  const late = await admin.post(`/backfills/${created.body.id}/pause`)
  expect(late.body).toMatchObject({ status: 409, code: 'state_conflict' })
})

test('a piece that fails is tried again, then set aside by name while the others go on; late files are found', {
  timeout: 120_000,
}, async () => {
  await using own = await startS3()
  const connectorId = await t.w.connector('amazon-s3', trailSettings(own.endpoint))
  const put = (daysBack: number, key: string) =>
    deliver(own, noon(daysBack), [trailRecord({ user: 'ada@example.com', at: noon(daysBack), key })])
  for (let day = 1; day <= 5; day += 1) put(day, `of day ${day}`)
  const dayPath = (daysBack: number) => noon(daysBack).toISOString().slice(0, 10).replaceAll('-', '/')
  const denied = own.deny('s3:ListBucket', {
    bucket: 'trail',
    prefix: `AWSLogs/111122223333/CloudTrail/eu-west-1/${dayPath(3)}/`,
  } as never)
  const created = await admin.post(`/connectors/${connectorId}/backfills`, {
    json: { from: midnight(5).toISOString(), to: midnight(0).toISOString(), parallel: 1 },
  })
  expect(created.status).toBe(202)
  const { id } = created.body
  // The failing day waits for its next try; shorten the wait, as time would.
  const hurry = setInterval(() => {
    t.w.t.pool.query('update backfill_piece set not_before = now() where not_before > now()').catch(() => {})
  }, 200)
  // Read before the source had delivered all of it: the sweep at the end finds the rest.
  await eventually(() => admin.get(`/backfills/${id}`), { until: ({ body }) => body.progress.done >= 1 })
  put(1, 'late')
  const { body } = await settled(id, 'completed', 90_000)
  clearInterval(hurry)
  denied()
  expect(body.statement).toMatchObject({ pieces: 5, done: 4, late: 1, error: null })
  expect(body.statement.setAside).toEqual([
    { number: 3, from: midnight(3).toISOString(), to: midnight(2).toISOString(), code: 'permission_missing' },
  ])
  expect(body.statement.gaps).toEqual([
    { from: midnight(3).toISOString(), to: midnight(2).toISOString(), why: 'set_aside' },
  ])
  const [aside] = (await admin.get(`/backfills/${id}/pieces?state=set_aside`)).body.items
  expect(aside).toMatchObject({ number: 3, tries: 3, error: { code: 'permission_missing' } })
  expect(await storedCount(connectorId)).toBe(5)
})

test('a backfill is paused, resumed and cancelled; the reconciler brings a lost one back', {
  timeout: 120_000,
}, async () => {
  await using own = await startS3()
  const connectorId = await t.w.connector('amazon-s3', trailSettings(own.endpoint))
  deliver(own, noon(1), [trailRecord({ user: 'ada@example.com', at: noon(1) })])
  const { body: created } = await admin.post(`/connectors/${connectorId}/backfills`, {
    json: { from: midnight(120).toISOString(), to: midnight(0).toISOString(), parallel: 1 },
  })
  const { id } = created
  const doneOf = async () => (await admin.get(`/backfills/${id}`)).body.progress.done as number
  // Before its first claim it could be paused with nothing done.
  await eventually(doneOf, { until: (done) => done > 0 })
  const paused = await admin.post(`/backfills/${id}/pause`, { key: 'pause' })
  expect(paused.body.state).toBe('paused')
  expect((await admin.post(`/backfills/${id}/pause`, { key: 'pause' })).body.state).toBe('paused')
  // The run under way ends; nothing of what was claimed with it begins.
  const isQuiet = async () => {
    const before = await doneOf()
    await sleep(1_500)
    return (await doneOf()) === before
  }
  expect(await eventually(isQuiet, { until: (quiet) => quiet })).toBe(true)
  const quiet = await admin.get(`/backfills/${id}`)
  expect(quiet.body.state).toBe('paused')
  expect(quiet.body.progress.done).toBeLessThan(quiet.body.progress.pieces)
  expect(Date.parse(quiet.body.estimatedEndAt)).toBeGreaterThan(Date.parse(created.createdAt))
  await t.w.client.workflow.getHandle(`backfill/${id}`).terminate('lost on purpose')
  const repairs = await reconcileRuns(t.w.deps)()
  expect(repairs.backfills).toBe(1)
  expect((await reconcileRuns(t.w.deps)()).backfills).toBe(0)
  const resumed = await admin.post(`/backfills/${id}/resume`)
  expect(resumed.body.state).toBe('running')
  await eventually(() => admin.get(`/backfills/${id}`), {
    until: ({ body }) => body.progress.done > quiet.body.progress.done,
  })
  const cancelled = await admin.post(`/backfills/${id}/cancel`)
  expect(cancelled.body).toMatchObject({ state: 'cancelled', estimatedEndAt: null })
  expect(cancelled.body.statement.gaps.at(0).why).toBe('cancelled')
  await t.w.client.workflow.getHandle(`backfill/${id}`).result()
  const audited = await t.w.t.db
    .selectFrom('audit_entry')
    .select(['action', 'staff_id'])
    .where('subject_id', '=', id)
    .orderBy('seq')
    .execute()
  expect(audited.map(({ action }) => action)).toEqual([
    'backfill.requested',
    'backfill.paused',
    'backfill.resumed',
    'backfill.cancelled',
  ])
  for (const { staff_id } of audited) expect(staff_id).toBe(admin.staffId)
})

test('files of a folder are read as pieces; the same bytes are read once', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-backfill-'))
  const csv = (...rows: string[]) => ['Email,Notice,LastDay', ...rows].join('\n')
  writeFileSync(path.join(folder, '2024.csv'), csv('ada@example.com,2024-03-01,2024-03-31'))
  writeFileSync(
    path.join(folder, '2025.csv'),
    csv('bea@example.com,2025-03-01,2025-03-31', 'not an address,2025-03-01,'),
  )
  writeFileSync(path.join(folder, 'copy-of-2024.csv'), csv('ada@example.com,2024-03-01,2024-03-31'))
  writeFileSync(path.join(folder, 'broken.csv'), 'Email\nx@example.com\n')
  const columns = { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' }
  const hrId = await t.w.connector('hr', { scenarios: [{ scenario: 'resignation', columns }] })
  const hurry = setInterval(() => {
    t.w.t.pool.query('update backfill_piece set not_before = now() where not_before > now()').catch(() => {})
  }, 200)
  const { body: created } = await admin.post(`/connectors/${hrId}/backfills`, { json: { folder } })
  const { body } = await settled(created.id, 'completed')
  clearInterval(hurry)
  expect(body.statement).toMatchObject({
    pieces: 4,
    done: 3,
    rows: { received: 3, stored: 2, duplicate: 0, quarantined: 1, ignored: 0 },
  })
  expect(body.statement.setAside).toMatchObject([{ from: null, code: 'file_header_missing' }])
  rmSync(folder, { recursive: true })
})

test('what is not a range of this source is refused with the field and the way out', async () => {
  const connectorId = await t.w.connector('amazon-s3', trailSettings(s3.endpoint))
  const hrId = await t.w.connector('hr', {
    scenarios: [{ scenario: 'resignation', columns: { person: 'a', resignationDate: 'b', lastWorkingDate: 'c' } }],
  })
  const ask = async (json: object, id = connectorId) => (await admin.post(`/connectors/${id}/backfills`, { json })).body
  const range = { from: midnight(9).toISOString(), to: midnight(1).toISOString() }
  expect(await ask({})).toMatchObject({ code: 'invalid_request', field: 'from' })
  expect(await ask({ folder: '/data' })).toMatchObject({ code: 'invalid_request', field: 'from' })
  expect(await ask({ ...range, to: range.from })).toMatchObject({ code: 'invalid_request', field: 'to' })
  const future = new Date(Date.now() + DAY_MS).toISOString()
  expect(await ask({ ...range, to: future })).toMatchObject({ code: 'invalid_request', field: 'to' })
  const hours = { from: 22, to: 6, timeZone: 'Atlantis/Capital' }
  expect(await ask({ ...range, hours })).toMatchObject({ code: 'invalid_request', field: 'hours.timeZone' })
  expect(await ask(range, hrId)).toMatchObject({ code: 'invalid_request', field: 'folder' })
  expect(await ask({ ...range, parallel: 17 })).toMatchObject({ code: 'invalid_request' })
})

test('outside its hours of the day a backfill begins nothing and says when it will; within them it goes on', async () => {
  const hour = new Date().getUTCHours()
  const connectorId = await t.w.connector('amazon-s3', trailSettings(s3.endpoint))
  const pieces = cutRange(midnight(3), midnight(0), 24)
  const planned = async (from: number, to: number) => {
    const hours = { from: from % 24, to: to % 24, timeZone: 'UTC' }
    const asked = { connectorId, staffId: admin.staffId, parallel: 1, requestsPerSecond: null, hours }
    const backfillId = await t.w.t.db.transaction().execute((tx) => openRangeBackfill(tx, asked, pieces))
    const claim = await claimPieces(t.w.deps)({ backfillId, atMost: 2, again: false })
    await moveBackfill(t.w.deps)({ backfillId, to: 'cancelled', by: { staffId: admin.staffId, causeKey: backfillId } })
    return claim
  }
  const outside = await planned(hour + 2, hour + 3)
  expect(outside).toMatchObject({ pieces: [], progress: { pieces: 3, waiting: 3, running: 0 } })
  expect(outside.waitMs).toBeGreaterThan(0)
  expect(outside.waitMs).toBeLessThanOrEqual(2 * HOUR_MS)
  const within = await planned(hour, hour + 2)
  expect(within.pieces).toHaveLength(2)
  expect(within.waitMs).toBeNull()
})
