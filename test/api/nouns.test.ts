import { randomBytes } from 'node:crypto'
import { Client, Connection } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApi } from '../../api/server.ts'
import { createDatabase, createPool } from '../../db/connection.ts'
import { scheduleId } from '../../domain/processes.ts'
import { startS3 } from '../../sandbox/s3.ts'
import { startWebhookReceiver } from '../../sandbox/webhook-receiver.ts'
import { caller } from '../harness/caller.ts'
import { trailSettings } from '../harness/trail.ts'
import { eventually } from '../harness/world.ts'
import { type Api, api, type Caller } from './api.ts'

const TIMEOUT = 60_000
let t: Api
let s3: Awaited<ReturnType<typeof startS3>>
let admin: Caller
let operator: Caller
beforeAll(async () => {
  t = await api({ workers: true })
  s3 = await startS3({ maxKeys: 100 })
  admin = await t.as('admin')
  operator = await t.as('operator')
}, TIMEOUT)
afterAll(async () => {
  await t[Symbol.asyncDispose]()
  await s3[Symbol.asyncDispose]()
}, TIMEOUT)

const sealed = (purpose: string) =>
  t.w.t.db.selectFrom('sealed_value').select('id').where('purpose', '=', purpose).execute()
const actions = async (subjectId: string) =>
  (
    await t.w.t.db
      .selectFrom('audit_entry')
      .select(['action', 'staff_id'])
      .where('subject_id', '=', subjectId)
      .orderBy('seq')
      .execute()
  ).map(({ action, staff_id }) => [action, staff_id])

describe('a connector', () => {
  test('is changed, paused, resumed and retired; its Schedule and its secret follow', {
    timeout: TIMEOUT,
  }, async () => {
    const id = await t.w.connector('amazon-s3', trailSettings(s3.endpoint))
    const before = await admin.get(`/connectors/${id}`)
    expect(before.headers.get('ETag')).toBe('"1"')
    expect(before.body).toMatchObject({
      state: 'active',
      everySeconds: 3600,
      secrets: { secretAccessKey: { set: true } },
    })

    const changed = await admin.patch(`/connectors/${id}`, {
      revision: 1,
      json: { name: 'Logs', everySeconds: 600, settings: { ...before.body.settings, startDaysBack: 7 } },
    })
    expect(changed.body).toMatchObject({ name: 'Logs', everySeconds: 600, revision: 2, settings: { startDaysBack: 7 } })
    // The secret that was not sent is still there.
    expect(changed.body.secrets.secretAccessKey).toEqual({ set: true })
    const schedule = t.w.client.schedule.getHandle(scheduleId.import(id))
    await eventually(() => schedule.describe(), { until: ({ spec }) => spec.intervals?.[0]?.every === 600_000 })
    expect((await schedule.describe()).spec.intervals?.[0]?.every).toBe(600_000)

    const invalid = await admin.patch(`/connectors/${id}`, { revision: 2, json: { settings: { bucket: 'x' } } })
    expect(invalid.body).toMatchObject({ status: 422, code: 'settings_invalid' })
    const cleared = await admin.patch(`/connectors/${id}`, { revision: 2, json: { secrets: { bukket: 'x' } } })
    expect(cleared.body).toMatchObject({ status: 422, code: 'settings_invalid' })

    const paused = await admin.post(`/connectors/${id}/pause`)
    expect(paused.body).toMatchObject({ state: 'paused', pauseReason: { by: 'staff', code: 'paused_by_staff' } })
    await admin.post(`/connectors/${id}/pause`)
    expect((await schedule.describe()).state.paused).toBe(true)
    const refused = await operator.post(`/connectors/${id}/imports`)
    expect(refused.body).toMatchObject({ status: 409, code: 'connector_not_active' })
    // A condition that is unmet pauses it again: the bucket must hold something first.
    s3.put('trail', 'AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/01/x.json.gz', Buffer.alloc(0))
    const resumed = await admin.post(`/connectors/${id}/resume`)
    expect(resumed.body).toMatchObject({ state: 'active', pauseReason: null })

    const secretsBefore = (await sealed('secret')).length
    const retired = await admin.post(`/connectors/${id}/retire`)
    expect(retired.body).toMatchObject({ state: 'retired', secrets: { secretAccessKey: { set: false } } })
    expect((await sealed('secret')).length).toBe(secretsBefore - 1)
    await eventually(
      () =>
        schedule.describe().then(
          () => false,
          () => true,
        ),
      { until: Boolean },
    )
    await expect(schedule.describe()).rejects.toThrow()
    expect((await admin.post(`/connectors/${id}/resume`)).body).toMatchObject({ status: 409, code: 'state_conflict' })
    const own = (await actions(id)).filter(([, staff]) => staff === admin.staffId)
    expect(own.map(([action]) => action)).toEqual([
      'connector.changed',
      'connector.paused',
      'connector.resumed',
      'connector.retired',
    ])
  })

  test('that nobody finished leaves neither secret nor sample', { timeout: TIMEOUT }, async () => {
    const { body: setup } = await admin.post('/set-ups', { json: { kind: 'amazon-s3', name: 'Given up' } })
    const secretsBefore = (await sealed('secret')).length
    await admin.put(`/set-ups/${setup.id}/settings`, {
      revision: 1,
      json: { settings: { region: 'eu-west-1' }, secrets: { secretAccessKey: 'never shown' } },
    })
    expect((await sealed('secret')).length).toBe(secretsBefore + 1)
    const sampled = await admin.put(`/set-ups/${setup.id}/sample?name=s.json`, { revision: 2, bytes: '{}' })
    expect(await t.w.deps.spool.has(sampled.body.sample.sha256)).toBe(true)
    // Another sample takes the place of the first.
    const other = await admin.put(`/set-ups/${setup.id}/sample?name=s.json`, { revision: 3, bytes: '[]' })
    expect(await t.w.deps.spool.has(sampled.body.sample.sha256)).toBe(false)

    const failed = await admin.post(`/set-ups/${setup.id}/steps`, { json: { step: 'credentials' } })
    expect(failed.status).toBe(200)
    expect(failed.body.steps.find(({ step }: { step: string }) => step === 'credentials')).toMatchObject({
      state: 'failed',
      result: { code: 'settings_invalid' },
    })
    const abandoned = await admin.post(`/set-ups/${setup.id}/abandon`)
    expect(abandoned.body).toMatchObject({ state: 'abandoned', secrets: { secretAccessKey: { set: false } } })
    expect((await sealed('secret')).length).toBe(secretsBefore)
    expect(await t.w.deps.spool.has(other.body.sample.sha256)).toBe(false)
    expect((await admin.get(`/connectors/${setup.connectorId}`)).body.state).toBe('retired')
    const late = await admin.put(`/set-ups/${setup.id}/settings`, {
      revision: abandoned.body.revision,
      json: { settings: {} },
    })
    expect(late.body).toMatchObject({ status: 409, code: 'state_conflict' })
  })
})

describe('an import', () => {
  test('of a file whose content is empty or whose columns are missing says so', { timeout: TIMEOUT }, async () => {
    const id = await t.w.connector('hr', {
      scenarios: [
        {
          scenario: 'resignation',
          columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' },
        },
      ],
    })
    const empty = await operator.post(`/connectors/${id}/files?name=hr.csv`, { bytes: '' })
    expect(empty.body).toMatchObject({ status: 422, code: 'file_empty' })
    const nameless = await operator.post(`/connectors/${id}/files`, { bytes: 'x' })
    expect(nameless.body).toMatchObject({ status: 400, code: 'invalid_request', field: 'name' })
    const wrong = await operator.post(`/connectors/${id}/files?name=hr.csv`, { bytes: 'Who,When\na,b\n' })
    expect(wrong.status).toBe(202)
    const done = await eventually(() => operator.get(`/imports/${wrong.body.id}`), {
      until: ({ body }) => body.state !== 'running',
    })
    expect(done.body).toMatchObject({ state: 'failed', received: 0, error: { code: 'file_header_missing' } })
    expect(done.body.error.fix).toMatch(/mapping/)
    const late = await operator.post(`/imports/${wrong.body.id}/cancel`)
    expect(late.body).toMatchObject({ status: 409, code: 'state_conflict' })
    const list = await operator.get(`/imports?connectorId=${id}&state=failed`)
    expect(list.body.items.map((row: { id: string }) => row.id)).toEqual([wrong.body.id])
  })

  test('is cancelled while it runs', { timeout: TIMEOUT }, async () => {
    // A source that never answers keeps the import running.
    const silent = await import('node:net').then(({ createServer }) => createServer(() => {}))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    const id = await t.w.connector('amazon-s3', trailSettings(`http://127.0.0.1:${port}`))
    const asked = await operator.post(`/connectors/${id}/imports`)
    expect(asked.body.state).toBe('running')
    const cancelled = await operator.post(`/imports/${asked.body.id}/cancel`)
    expect(cancelled.status).toBe(202)
    const done = await eventually(() => operator.get(`/imports/${asked.body.id}`), {
      until: ({ body }) => body.state !== 'running',
      timeoutMs: 40_000,
    })
    expect(done.body.state).toBe('cancelled')
    const booked = await actions(asked.body.id)
    expect(booked).toHaveLength(3)
    expect(booked[0]).toEqual(['import.requested', operator.staffId])
    expect(booked).toContainEqual(['import.cancel-requested', operator.staffId])
    expect(booked).toContainEqual(['import.cancelled', null])
    silent.close()
  })
})

describe('a destination', () => {
  test('that refuses for good stops, is mended and resumed; nothing is lost', { timeout: TIMEOUT }, async () => {
    const secret = `whsec_${randomBytes(32).toString('base64')}`
    await using receiver = await startWebhookReceiver({ secret })
    const gone = await import('node:http').then(({ createServer }) =>
      createServer((_request, response) => response.writeHead(410).end()),
    )
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
    const { port } = gone.address() as { port: number }
    const made = await admin.post('/destinations', {
      json: {
        kind: 'standard-webhooks',
        name: 'Moved',
        settings: { url: `http://127.0.0.1:${port}/` },
        secrets: { secret },
      },
    })
    expect(made.status).toBe(201)
    const path = `/destinations/${made.body.id}`
    await t.w.client.workflow.execute('dailyManifests', {
      workflowId: 'manifests-of-test',
      taskQueue: 'openirm-exports',
      args: [{ day: '2026-01-01' }],
    })
    const stopped = await eventually(() => operator.get(path), {
      until: ({ body }) => body.state === 'stopped',
      timeoutMs: 30_000,
    })
    expect(stopped.body).toMatchObject({ state: 'stopped', lastNumber: 1, acceptedNumber: 0 })
    expect(stopped.body.stopReason.fix).toEqual(expect.any(String))
    const mended = await admin.patch(path, {
      revision: stopped.body.revision,
      json: { settings: { url: receiver.url } },
    })
    expect(mended.body.secrets.secret).toEqual({ set: true })
    const resumed = await operator.post(`${path}/resume`)
    expect(resumed.status).toBe(200)
    const sent = await eventually(() => operator.get(path), { until: ({ body }) => body.acceptedNumber === 1 })
    expect(sent.body).toMatchObject({ state: 'active', lastNumber: 1, acceptedNumber: 1, stopReason: null })
    expect(receiver.messages).toHaveLength(1)
    const retired = await admin.post(`${path}/retire`)
    expect(retired.body).toMatchObject({ state: 'retired', secrets: { secret: { set: false } } })
    expect((await admin.patch(path, { revision: retired.body.revision, json: { name: 'x' } })).body.code).toBe(
      'state_conflict',
    )
    gone.close()
  })
})

describe('a policy', () => {
  test('changes by versions that stay', { timeout: TIMEOUT }, async () => {
    const { body: policy } = await admin.post('/policies', {
      json: { template: 'data-theft-departing-users', name: 'Versions' },
    })
    const path = `/policies/${policy.id}`
    expect((await admin.get(path)).body).toEqual(policy)
    const definition = structuredClone(policy.definition)
    definition.settings.raiseAt = 55
    const note = 'Fewer alerts.'
    const same = await admin.post(`${path}/versions`, { revision: 1, json: { definition: policy.definition, note } })
    expect(same.body).toMatchObject({ status: 422, code: 'policy_invalid' })
    const wrong = structuredClone(definition)
    wrong.settings.windows.activationDays = 99
    const refused = await admin.post(`${path}/versions`, { revision: 1, json: { definition: wrong, note } })
    expect(refused.body).toMatchObject({
      status: 422,
      code: 'policy_invalid',
      field: 'settings.windows.activationDays',
    })
    const unknown = { ...definition, indicators: [{ id: 'no-such-indicator', version: 1 }] }
    expect((await admin.post(`${path}/versions`, { revision: 1, json: { definition: unknown, note } })).body.code).toBe(
      'policy_invalid',
    )

    const made = await admin.post(`${path}/versions`, { revision: 1, json: { definition, note } })
    expect(made.status).toBe(201)
    expect(made.body).toMatchObject({ version: 2, revision: 2, definition: { settings: { raiseAt: 55 } } })
    const versions = await admin.get(`${path}/versions`)
    expect(versions.body.items.map((each: { version: number; note: string }) => [each.version, each.note])).toEqual([
      [2, note],
      [1, 'Made from its template.'],
    ])
    expect(versions.body.items[1].definition).toEqual(policy.definition)
    expect(
      (await admin.post(`${path}/versions`, { revision: 1, json: { definition: policy.definition, note } })).body.code,
    ).toBe('precondition_failed')

    const schedule = t.w.client.schedule.getHandle(scheduleId.evaluation(policy.id))
    await eventually(() => schedule.describe())
    expect((await admin.post(`${path}/disable`)).body.state).toBe('disabled')
    await eventually(
      () =>
        schedule.describe().then(
          () => false,
          () => true,
        ),
      { until: Boolean },
    )
    await expect(schedule.describe()).rejects.toThrow()
    expect((await admin.post(`${path}/evaluate`)).body).toMatchObject({ status: 409, code: 'state_conflict' })
    expect((await admin.post(`${path}/enable`)).body.state).toBe('enabled')
    expect((await admin.post(`${path}/evaluate`)).status).toBe(202)
    const health = await eventually(() => admin.get(`${path}/health`), {
      until: ({ body }) => body.evaluations.some(({ version }: { version: number }) => version === 2),
    })
    expect(health.body.evaluations[0]).toMatchObject({ version: 2, alertsCreated: 0 })
  })
})

describe('with something away', () => {
  test('Temporal: what is waited for answers 503 and keeps its key free; what is a row is done', {
    timeout: TIMEOUT,
  }, async () => {
    const temporal = new Client({ connection: Connection.lazy({ address: '127.0.0.1:9' }) })
    const server = createApi({ ...t.w.deps, temporal }, { validateResponses: true }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const base = `http://127.0.0.1:${(server.address() as { port: number }).port}/v1`
    const post = (path: string, key: string, json?: object) =>
      fetch(base + path, {
        method: 'POST',
        headers: {
          Authorization: `Bearer ${admin.token}`,
          'Idempotency-Key': key,
          ...(json ? { 'Content-Type': 'application/json' } : {}),
        },
        ...(json ? { body: JSON.stringify(json) } : {}),
      })
    const made = await post('/set-ups', 'without-temporal', { kind: 'hr', name: 'Without Temporal' })
    expect(made.status).toBe(201)
    const { id } = (await made.json()) as { id: string }
    const step = await post(`/set-ups/${id}/steps`, 'step-without', { step: 'credentials' })
    expect(await step.json()).toMatchObject({ status: 503, code: 'temporal_unavailable' })
    const ready = await caller(base.slice(0, -'/v1'.length), null).get('/readiness')
    expect(ready.status).toBe(503)
    expect(ready.body).toEqual({ ready: false, database: 'reachable', temporal: 'unreachable' })
    // Back again: the same key is free, and the set-up whose start was lost is started by being asked.
    const again = await admin.post(`/set-ups/${id}/steps`, { key: 'step-without', json: { step: 'credentials' } })
    expect(again.status).toBe(200)
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  test('the database: everything answers 503 and says so', { timeout: TIMEOUT }, async () => {
    const pool = createPool('postgres://nobody@127.0.0.1:9/nothing')
    const server = createApi({ ...t.w.deps, db: createDatabase(pool) }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const base = `http://127.0.0.1:${(server.address() as { port: number }).port}/v1`
    const answer = await fetch(`${base}/me`, { headers: { Authorization: `Bearer ${admin.token}` } })
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ code: 'database_unavailable' })
    expect(await (await fetch(`${base}/readiness`)).json()).toMatchObject({ ready: false, database: 'unreachable' })
    expect((await fetch(`${base}/health`)).status).toBe(200)
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await pool.end()
  })
})
