import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exchange, type ScriptIds, tokenRequest } from '../../sandbox/microsoft-upload-client.ts'
import { type Edge, edge, HEADER, lines, named, row, type Target } from './edge.ts'

let e: Edge
let target: Target
beforeAll(async () => {
  e = await edge({ workers: false, refusedPerMinute: 4 })
  target = await e.target()
})
afterAll(() => e[Symbol.asyncDispose]())

const ask = (ids: Partial<ScriptIds> = {}) => exchange(e.port, tokenRequest({ ...target, ...ids }))

const raw = (path: string, body: string, type = 'application/x-www-form-urlencoded') =>
  exchange(
    e.port,
    Buffer.from(
      `POST ${path} HTTP/1.1\r\nHost: risk.example.org\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    ),
  )

test('a token answers in the shape of version 1: all values texts, any resource', async () => {
  const answer = await ask()
  expect(answer.status).toBe(200)
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
  const body = JSON.parse(answer.body)
  expect(Object.keys(body).sort()).toEqual(
    ['access_token', 'expires_in', 'expires_on', 'ext_expires_in', 'not_before', 'resource', 'token_type'].sort(),
  )
  for (const value of Object.values(body)) expect(value).toEqual(expect.any(String))
  expect(body).toMatchObject({
    token_type: 'Bearer',
    expires_in: '3599',
    resource: 'https://microsoft.onmicrosoft.com/86dfdabb-5089-4a0c-880a-cfa5a790c5b1',
  })
  expect(Math.abs(Number(body.expires_on) - Date.now() / 1000 - 3599)).toBeLessThan(10)
})

test('the body of the Power Automate flow: blanks around the signs, newlines in the keys, no tenant_id', async () => {
  const body = `client_id = ${target.appId}&\nclient_secret = ${target.appSecret}&\ngrant_type = client_credentials&\nresource = https://prdtrs01.prod.outlook.com/64342688-40f0-476d-8f18-ccf14147bae1&\ntenantId = ${target.tenantId}`
  const answer = await raw(`/${target.tenantId}/oauth2/token`, body)
  expect(answer.status).toBe(200)
  expect(JSON.parse(answer.body).resource).toBe(
    'https://prdtrs01.prod.outlook.com/64342688-40f0-476d-8f18-ccf14147bae1',
  )
})

test('a base address with a slash at its end or a path of its own, in any case', async () => {
  for (const prefix of ['/', '/ingest', '/Risk//ingest/']) {
    const answer = await exchange(e.port, tokenRequest({ ...target, tenantId: target.tenantId.toUpperCase() }, prefix))
    expect(answer.status, prefix).toBe(200)
  }
})

describe('what is wrong is said as Microsoft says it', () => {
  const cases: [string, () => Partial<ScriptIds>, number, string, number][] = [
    ['the tenant', () => ({ tenantId: '00000000-0000-4000-8000-000000000000' }), 400, 'invalid_request', 90002],
    ['the app', () => ({ appId: '00000000-0000-4000-8000-000000000000' }), 400, 'unauthorized_client', 700016],
    ['an app that is no UUID', () => ({ appId: 'my app' }), 400, 'unauthorized_client', 700016],
    ['the secret', () => ({ appSecret: 'oirmu_wrong' }), 401, 'invalid_client', 7000215],
    ['a missing secret', () => ({ appSecret: '' }), 401, 'invalid_client', 7000218],
  ]
  test.each(cases)('%s', async (_what, change, status, error, number) => {
    const answer = await ask(change())
    const body = JSON.parse(answer.body)
    expect([answer.status, body.error, body.error_codes]).toEqual([status, error, [number]])
    expect(body.error_description).toMatch(new RegExp(`^AADSTS${number}: [A-Z].+\\.$`))
    expect(Object.keys(body)).toEqual(expect.arrayContaining(['timestamp', 'trace_id', 'correlation_id']))
    expect(answer.body).not.toContain(target.appSecret)
  })

  test('an expired secret', async () => {
    const other = await e.target()
    await e.t.w.t.db
      .updateTable('microsoft_upload_secret')
      .set({ created_at: new Date(0), expires_at: new Date(Date.now() - 1_000) })
      .where('id', '=', other.secretId)
      .execute()
    const answer = await ask(other)
    expect([answer.status, JSON.parse(answer.body).error_codes]).toEqual([401, [7000222]])
  })

  test('too many wrong secrets of one app stop that app alone', async () => {
    const other = await e.target()
    for (let tries = 0; tries < 4; tries += 1) expect((await ask({ ...other, appSecret: 'no' })).status).toBe(401)
    expect((await ask(other)).status).toBe(429)
    expect((await ask()).status).toBe(200)
  })
})

describe('secrets', () => {
  const path = (ids: Target) => `/connectors/${ids.connectorId}/microsoft-upload`

  test('are shown once, kept as a hash, and overlap while they are rotated', async () => {
    const ids = await e.target()
    const second = await e.admin.post(`${path(ids)}/secrets`, { json: { expiresInDays: 60 }, key: 'rotate-1' })
    expect(second.status).toBe(201)
    const again = await e.admin.post(`${path(ids)}/secrets`, { json: { expiresInDays: 60 }, key: 'rotate-1' })
    expect(again.body).toEqual({ ...second.body, secret: null })
    const third = await e.admin.post(`${path(ids)}/secrets`, { json: { expiresInDays: 60 } })
    expect(third.body).toMatchObject({ status: 409, code: 'state_conflict' })

    for (const appSecret of [ids.appSecret, second.body.secret])
      expect((await ask({ ...ids, appSecret })).status).toBe(200)
    const old = await e.token(ids)
    const revoked = await e.admin.post(`${path(ids)}/secrets/${ids.secretId}/revoke`)
    expect(revoked.body.secrets.map(({ revokedAt }: { revokedAt: unknown }) => revokedAt !== null)).toEqual([
      false,
      true,
    ])
    expect((await ask(ids)).status).toBe(401)
    expect((await ask({ ...ids, appSecret: second.body.secret })).status).toBe(200)
    // Also what was given for it is worth nothing now.
    const refused = await e.send({ token: old, jobId: ids.jobId, fileName: named(1), body: lines(HEADER, row('a')) })
    expect(refused.status).toBe(401)

    const kept = JSON.stringify(
      await Promise.all([
        e.t.w.t.db.selectFrom('microsoft_upload_secret').selectAll().execute(),
        e.t.w.t.db.selectFrom('idempotent_response').selectAll().execute(),
        e.t.w.t.db.selectFrom('audit_entry').selectAll().execute(),
      ]),
    )
    expect(kept).not.toContain(second.body.secret)
    expect(kept).toContain('upload-secret.revoked')
  })

  test('of another connector do not end here, and what is off stays off', async () => {
    const [one, other] = [await e.target(), await e.target()]
    expect((await e.admin.post(`${path(one)}/secrets/${other.secretId}/revoke`)).status).toBe(404)
    const token = await e.token(one)
    expect((await e.admin.post(`${path(one)}/disable`)).body.enabled).toBe(false)
    const answer = await ask(one)
    expect([answer.status, JSON.parse(answer.body).error_codes]).toEqual([400, [7000112]])
    expect((await e.send({ token, jobId: one.jobId, fileName: named(1), body: lines(HEADER, row('a')) })).status).toBe(
      401,
    )
    expect((await e.admin.post(`${path(one)}/secrets`, { json: { expiresInDays: 1 } })).status).toBe(409)
    expect((await ask(other)).status).toBe(200)
  })

  test('of a retired connector have ended', async () => {
    const ids = await e.target()
    await e.admin.post(`/connectors/${ids.connectorId}/retire`)
    expect((await ask(ids)).status).toBe(401)
    const { body } = await e.admin.get(path(ids))
    expect([body.enabled, body.secrets[0].revokedAt]).toEqual([false, expect.any(String)])
  })

  test('are not for a source that no script serves', async () => {
    const id = await e.t.w.connector('amazon-s3', {
      bucket: 'b',
      region: 'eu-west-1',
      accessKeyId: 'a',
      secretAccessKey: 's',
      startDaysBack: 1,
    })
    expect((await e.admin.post(`/connectors/${id}/microsoft-upload/enable`)).body.code).toBe('state_conflict')
  })
})

test('until an admin turns uploads on, there are no such addresses', async () => {
  await using off = await edge({ workers: false })
  for (const path of ['/any/oauth2/token', '/api/signals', '//api/signals/physicalbadging']) {
    const answer = await exchange(
      off.port,
      Buffer.from(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc`),
    )
    expect([answer.status, JSON.parse(answer.body).code], path).toEqual([404, 'not_found'])
  }
})
