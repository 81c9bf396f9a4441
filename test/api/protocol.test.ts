import http from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listen } from '../../api/listen.ts'
import { createApi } from '../../api/server.ts'
import { type Api, api, type Caller } from './api.ts'

let t: Api
let admin: Caller
let auditor: Caller
beforeAll(async () => {
  t = await api()
  admin = await t.as('admin')
  auditor = await t.as('auditor')
})
afterAll(() => t[Symbol.asyncDispose]())

const token = (name: string) => ({ name, roles: ['operator'], expiresInDays: 1 })
const NOBODY = '00000000-0000-7000-8000-000000000000'
const staffNamed = (name: string) => t.w.t.db.selectFrom('staff_member').select('id').where('name', '=', name).execute()

describe('problems', () => {
  test('say what is wrong, where, and how to mend it, under the id of the request', async () => {
    const answer = await admin.post('/tokens', {
      headers: { 'X-Request-Id': 'asked-by-test' },
      json: { ...token('x'), expiresInDays: 0 },
    })
    expect(answer.status).toBe(400)
    expect(answer.headers.get('Content-Type')).toContain('application/problem+json')
    expect(answer.headers.get('X-Request-Id')).toBe('asked-by-test')
    expect(answer.body).toEqual({
      type: 'urn:openirm:problem:invalid_request',
      title: 'invalid request',
      status: 400,
      detail: '/expiresInDays must be >= 1',
      code: 'invalid_request',
      field: '/expiresInDays',
      fix: 'Compare with the contract at /docs.',
      requestId: 'asked-by-test',
    })
  })

  test.each([
    ['an unknown member', { json: { ...token('x'), admin: true } }, 400, 'invalid_request'],
    ['no JSON', { bytes: '{', headers: { 'Content-Type': 'application/json' } }, 400, 'invalid_request'],
    ['another media type', { bytes: 'a=b', headers: { 'Content-Type': 'text/plain' } }, 415, 'media_type_unsupported'],
    [
      'an encoded body',
      { json: token('x'), headers: { 'Content-Encoding': 'gzip' } },
      415,
      'content_encoding_unsupported',
    ],
    ['more than 256 kB', { json: { ...token('x'), name: 'x'.repeat(300_000) } }, 413, 'body_too_large'],
    ['no key', { json: token('x'), key: null }, 400, 'idempotency_key_missing'],
    ['a key that is none', { json: token('x'), key: 'with blank' }, 400, 'idempotency_key_missing'],
  ] as const)('%s', async (_what, ask, status, code) => {
    const answer = await admin.post('/tokens', ask)
    expect(answer.body).toMatchObject({ status, code })
    expect(answer.status).toBe(status)
    expect(await staffNamed('x')).toEqual([])
  })

  test('an unknown query parameter, a wrong method and a request id that is none', async () => {
    expect((await admin.get('/tokens?colour=red')).body).toMatchObject({ code: 'invalid_request', field: 'colour' })
    const wrong = await admin.patch('/tokens', { json: {} })
    expect(wrong.status).toBe(405)
    expect(wrong.headers.get('Allow')).toBe('GET, POST')
    const answer = await admin.get('/me', { headers: { 'X-Request-Id': '<script>' } })
    expect(answer.headers.get('X-Request-Id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('a taken name is told as such', async () => {
    const setup = { json: { kind: 'hr', name: 'Twice' } }
    expect((await admin.post('/set-ups', setup)).status).toBe(201)
    expect((await admin.post('/set-ups', setup)).body).toMatchObject({ status: 409, code: 'name_taken' })
  })
})

describe('idempotency', () => {
  test('the same key with the same request gets the first answer and does nothing twice', async () => {
    const ask = { key: 'once', json: { kind: 'hr', name: 'Once' } }
    const first = await admin.post('/set-ups', ask)
    const second = await admin.post('/set-ups', ask)
    expect(first.status).toBe(201)
    expect(second.status).toBe(201)
    expect(second.body).toEqual(first.body)
    expect(second.headers.get('Location')).toBe(first.headers.get('Location'))
    expect(second.headers.get('ETag')).toBe(first.headers.get('ETag'))
    expect(first.headers.get('Idempotency-Replayed')).toBeNull()
    expect(second.headers.get('Idempotency-Replayed')).toBe('true')
    const audited = await t.w.t.db
      .selectFrom('audit_entry')
      .select('seq')
      .where('action', '=', 'set-up.opened')
      .where('subject_id', '=', first.body.connectorId)
      .execute()
    expect(audited).toHaveLength(1)
  })

  test('the same key with another request is refused', async () => {
    await admin.post('/set-ups', { key: 'reused', json: { kind: 'hr', name: 'First of the key' } })
    const other = await admin.post('/set-ups', { key: 'reused', json: { kind: 'hr', name: 'Second of the key' } })
    expect(other.body).toMatchObject({ status: 422, code: 'idempotency_key_reused', field: 'Idempotency-Key' })
    const elsewhere = await admin.post('/tokens', { key: 'reused', json: token('y') })
    expect(elsewhere.body.code).toBe('idempotency_key_reused')
    expect(await staffNamed('y')).toEqual([])
  })

  test('a key belongs to one member of staff', async () => {
    const other = await t.as('admin')
    const [mine, theirs] = await Promise.all([
      admin.post('/tokens', { key: 'shared', json: token('mine') }),
      other.post('/tokens', { key: 'shared', json: token('theirs') }),
    ])
    expect([mine.status, theirs.status]).toEqual([201, 201])
    expect(mine.body.id).not.toBe(theirs.body.id)
  })

  test('ten at once with one key make one', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        admin.post('/set-ups', { key: 'at-once', json: { kind: 'hr', name: 'At once' } }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(201))
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1)
    expect(answers.filter(({ headers }) => headers.get('Idempotency-Replayed') === null)).toHaveLength(1)
  })

  test('a refused request leaves its key free', async () => {
    const refused = await admin.post('/tokens', {
      key: 'later',
      json: { name: 'later', roles: ['analyst', 'approver'], expiresInDays: 1 },
    })
    expect(refused.status).toBe(400)
    expect((await admin.post('/tokens', { key: 'later', json: token('later') })).status).toBe(201)
  })

  test('a first request that died is taken over, one that still runs is not', async () => {
    const { db, vault } = t.w.t
    const claim = (key: string, ageMs: number) =>
      db
        .insertInto('idempotent_response')
        .values({
          staff_id: admin.staffId,
          key,
          operation: 'abandonSetup',
          request_sha256: vault
            .lookupKey('request', `{"body":null,"params":{"setupId":"${NOBODY}"},"query":{},"revision":null}`)
            .toString('hex'),
          created_at: new Date(Date.now() - ageMs),
        })
        .execute()
    await claim('running', 1_000)
    await claim('dead', 600_000)
    const running = await admin.post(`/set-ups/${NOBODY}/abandon`, { key: 'running' })
    expect(running.body).toMatchObject({ status: 409, code: 'request_in_progress' })
    // Taken over: the handler runs and finds no such set-up.
    const dead = await admin.post(`/set-ups/${NOBODY}/abandon`, { key: 'dead' })
    expect(dead.body).toMatchObject({ status: 404, code: 'not_found' })
  })

  test('answers are kept without secrets', async () => {
    const rows = await t.w.t.db
      .selectFrom('idempotent_response')
      .select('body')
      .where('operation', '=', 'createToken')
      .execute()
    expect(rows.length).toBeGreaterThan(0)
    for (const { body } of rows) expect((body as { secret: unknown }).secret).toBeNull()
  })
})

describe('revisions', () => {
  test('two people who edit: the second one reads again', async () => {
    const { body: setup, headers } = await admin.post('/set-ups', { json: { kind: 'hr', name: 'Edited' } })
    expect(headers.get('ETag')).toBe('"1"')
    const path = `/set-ups/${setup.id}/settings`
    const without = await admin.put(path, { json: { settings: {} } })
    expect(without.body).toMatchObject({ status: 428, code: 'precondition_required', field: 'If-Match' })
    const first = await admin.put(path, { revision: 1, json: { settings: { separator: ';' } } })
    expect(first.status).toBe(200)
    expect(first.headers.get('ETag')).toBe('"2"')
    const second = await admin.put(path, { revision: 1, json: { settings: { separator: ',' } } })
    expect(second.body).toMatchObject({ status: 412, code: 'precondition_failed', field: 'If-Match' })
    expect((await admin.get(`/set-ups/${setup.id}`)).body.settings).toEqual({ separator: ';' })
  })
})

describe('paging', () => {
  test('walks through a list once, also while it grows', async () => {
    for (let n = 0; n < 7; n += 1) await admin.post('/set-ups', { json: { kind: 'hr', name: `Page ${n}` } })
    const total = await t.w.t.db.selectFrom('audit_entry').select('seq').where('action', '=', 'set-up.opened').execute()
    const seen: number[] = []
    let cursor: string | null = null
    let pages = 0
    do {
      const query: string = `/audit-entries?action=set-up.opened&limit=3${cursor ? `&cursor=${cursor}` : ''}`
      const { status, body } = await auditor.get(query)
      expect(status).toBe(200)
      expect(body.items.length).toBeLessThanOrEqual(3)
      seen.push(...body.items.map(({ seq }: { seq: number }) => seq))
      cursor = body.nextCursor
      if (pages === 0) await admin.post('/set-ups', { json: { kind: 'hr', name: 'Meanwhile' } })
      pages += 1
    } while (cursor !== null)
    expect(seen).toEqual(total.map(({ seq }) => seq).sort((a, b) => b - a))
    expect(pages).toBe(Math.ceil(total.length / 3))
  })

  test('a cursor of another list, another filter or another hand is refused', async () => {
    const { body } = await auditor.get('/audit-entries?limit=1')
    const cursor = body.nextCursor as string
    const forged = `${cursor.slice(0, -2)}${cursor.endsWith('AA') ? 'BB' : 'AA'}`
    for (const query of [
      `/audit-entries?limit=1&cursor=${forged}`,
      `/audit-entries?limit=1&action=token.created&cursor=${cursor}`,
      '/audit-entries?cursor=x',
    ]) {
      expect((await auditor.get(query)).body, query).toMatchObject({
        status: 400,
        code: 'cursor_invalid',
        field: 'cursor',
      })
    }
    expect((await admin.get(`/tokens?cursor=${cursor}`)).body.code).toBe('cursor_invalid')
    expect((await auditor.get(`/audit-entries?limit=2&cursor=${cursor}`)).status).toBe(200)
    expect((await auditor.get('/audit-entries?limit=201')).body).toMatchObject({
      code: 'invalid_request',
      field: 'limit',
    })
  })

  test('filters are of the time asked for', async () => {
    const now = new Date()
    const before = await auditor.get(`/audit-entries?to=${new Date(0).toISOString()}`)
    expect(before.body).toEqual({ items: [], nextCursor: null })
    const later = await auditor.get(`/audit-entries?from=${new Date(now.getTime() + 60_000).toISOString()}`)
    expect(later.body.items).toEqual([])
    expect((await auditor.get('/audit-entries?from=yesterday')).body.code).toBe('invalid_request')
  })
})

describe('limits', () => {
  test('of rate, per token', async () => {
    await using slow = await api({ ratePerMinute: 5 })
    const one = await slow.as('auditor')
    const other = await slow.as('auditor')
    const statuses = []
    for (let n = 0; n < 7; n += 1) statuses.push((await one.get('/me')).status)
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429])
    const refused = await one.get('/me')
    expect(refused.body).toMatchObject({ status: 429, code: 'rate_limited' })
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0)
    expect((await other.get('/me')).status).toBe(200)
    expect((await slow.with(null).get('/health')).status).toBe(200)
  })

  test('of refused tokens, per address; who has a good one is not held up by public addresses', async () => {
    await using guarded = await api({ refusedPerMinute: 3 })
    const statuses = []
    for (let n = 0; n < 5; n += 1) {
      statuses.push((await guarded.with(`oirm_${'0'.repeat(32)}_${String(n).repeat(43)}`).get('/me')).status)
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429])
    expect((await guarded.with(null).get('/readiness')).status).toBe(200)
  })

  test('of time: a lock that is held too long answers 504, and the connection goes on', async () => {
    await using hasty = await api({ requestTimeoutMs: 400 })
    const caller = await hasty.as('admin')
    const { body: setup } = await caller.post('/set-ups', { json: { kind: 'hr', name: 'Held' } })
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let locked = () => {}
    const isLocked = new Promise<void>((resolve) => {
      locked = resolve
    })
    const holding = hasty.w.t.db.transaction().execute(async (tx) => {
      await tx.selectFrom('connector_setup').select('id').where('id', '=', setup.id).forUpdate().execute()
      locked()
      await held
    })
    await isLocked
    const answer = await caller.put(`/set-ups/${setup.id}/settings`, { revision: 1, json: { settings: {} } })
    expect(answer.body).toMatchObject({ status: 504, code: 'timeout' })
    release()
    await holding
    expect((await caller.get('/me')).status).toBe(200)
  })

  test('of a file: a body past the limit ends the upload and leaves nothing', async () => {
    const { body: setup } = await admin.post('/set-ups', { json: { kind: 'hr', name: 'Large sample' } })
    const answer = await admin
      .put(`/set-ups/${setup.id}/sample?name=a.csv`, { revision: 1, bytes: new Uint8Array((1 << 20) + 1) })
      .catch(() => null)
    if (answer) expect(answer.body).toMatchObject({ status: 413, code: 'body_too_large' })
    expect((await admin.get(`/set-ups/${setup.id}`)).body.sample).toBeNull()
  })

  test('an upload that breaks off leaves nothing behind', async () => {
    const { body: setup } = await admin.post('/set-ups', { json: { kind: 'hr', name: 'Broken sample' } })
    await new Promise<void>((resolve) => {
      const request = http.request(`${t.url}/v1/set-ups/${setup.id}/sample`, {
        method: 'PUT',
        headers: {
          Authorization: `Bearer ${admin.token}`,
          'If-Match': '"1"',
          'Content-Type': 'application/octet-stream',
          'Content-Length': '1000',
        },
      })
      request.on('error', () => resolve())
      request.on('close', () => resolve())
      request.write('half')
      setTimeout(() => request.destroy(), 200)
    })
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect((await admin.get(`/set-ups/${setup.id}`)).body).toMatchObject({ sample: null, revision: 1 })
  })
})

test('the server closes after what is under way, and says when a port is taken', async () => {
  const app = createApi(t.w.deps)
  const first = await listen(app)
  await expect(listen(app, { port: Number(new URL(first.url).port) })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  const answer = fetch(`${first.url}/v1/readiness`)
  await new Promise((resolve) => setTimeout(resolve, 20))
  await first.close()
  expect((await answer).status).toBe(200)
  await expect(fetch(`${first.url}/v1/health`)).rejects.toThrow()
})

describe('health', () => {
  test('health and readiness tell', async () => {
    const nobody = t.with(null)
    expect((await nobody.get('/health')).body).toEqual({ status: 'ok', version: '0.0.0' })
    expect(await nobody.get('/readiness')).toMatchObject({
      status: 200,
      body: { ready: true, database: 'reachable', temporal: 'reachable' },
    })
  })

  test('metrics count and name nobody', async () => {
    const operator = await t.as('operator')
    const { status, body } = await operator.get('/metrics')
    expect(status).toBe(200)
    expect(body).toMatch(/^openirm_connectors\{state="draft"\} \d+$/m)
    expect(body).toMatch(/^openirm_import_rows\{outcome="stored"\} 0$/m)
  })
})
