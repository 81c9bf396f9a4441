import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Api, api } from './api.ts'

let t: Api
beforeAll(async () => {
  t = await api()
})
afterAll(() => t[Symbol.asyncDispose]())

test('a token made by the API signs in; its secret is shown once and stored hashed', async () => {
  const admin = await t.as('admin')
  const made = await admin.post('/tokens', {
    key: 'first',
    json: { name: 'Lookout', roles: ['auditor'], expiresInDays: 7 },
  })
  expect(made.status).toBe(201)
  const { secret, ...shown } = made.body
  expect(secret).toMatch(/^oirm_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/)
  expect(shown).toMatchObject({ staffName: 'Lookout', roles: ['auditor'], revokedAt: null, lastUsedAt: null })

  const me = await t.with(secret).get('/me')
  expect(me.status).toBe(200)
  expect(me.body).toMatchObject({ staffId: shown.staffId, name: 'Lookout', roles: ['auditor'] })
  expect(me.body.operations).toContain('listAuditEntries')
  expect(me.body.operations).not.toContain('listAlerts')

  const again = await admin.post('/tokens', {
    key: 'first',
    json: { name: 'Lookout', roles: ['auditor'], expiresInDays: 7 },
  })
  expect(again.status).toBe(201)
  expect(again.body).toEqual({ ...shown, secret: null })
  const everything = JSON.stringify([
    await t.w.t.db.selectFrom('idempotent_response').selectAll().execute(),
    await t.w.t.db.selectFrom('audit_entry').selectAll().execute(),
    await t.w.t.db.selectFrom('api_token').selectAll().execute(),
  ])
  expect(everything).not.toContain(secret.slice(-43))
})

test('every fault of a token is the same 401', async () => {
  const { token, tokenId } = await t.as('admin')
  const wrong = `${token.slice(0, -4)}${token.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`
  const unknown = `oirm_${'0'.repeat(32)}_${'a'.repeat(43)}`
  for (const each of [null, 'nonsense', wrong, unknown, '']) {
    const refused = await t.with(each).get('/me')
    expect(refused.status, String(each).slice(0, 12)).toBe(401)
    expect(refused.headers.get('WWW-Authenticate')).toBe('Bearer')
    expect(refused.body).toMatchObject({ code: 'unauthenticated', field: 'Authorization', status: 401 })
  }
  expect((await t.with(token).get('/me')).status).toBe(200)
  await t.w.t.db
    .updateTable('api_token')
    .set({ created_at: new Date(0), expires_at: new Date(1) })
    .where('id', '=', tokenId)
    .execute()
  expect((await t.with(token).get('/me')).status).toBe(401)
})

test('a revoked token ends at once, and so does every token of a disabled member of staff', async () => {
  const admin = await t.as('admin')
  const analyst = await t.as('analyst')
  expect((await analyst.get('/me')).status).toBe(200)
  const revoked = await admin.post(`/tokens/${analyst.tokenId}/revoke`)
  expect(revoked.status).toBe(200)
  expect(revoked.body.revokedAt).not.toBeNull()
  expect((await analyst.get('/me')).status).toBe(401)

  const other = await t.as('analyst')
  await t.w.t.db.updateTable('staff_member').set({ disabled_at: new Date() }).where('id', '=', other.staffId).execute()
  expect((await other.get('/me')).status).toBe(401)
})

test('the last use of a token is noted', async () => {
  const caller = await t.as('auditor')
  await caller.get('/me')
  const row = await t.w.t.db
    .selectFrom('api_token')
    .select('last_used_at')
    .where('id', '=', caller.tokenId)
    .executeTakeFirstOrThrow()
  expect(Date.now() - (row.last_used_at as Date).getTime()).toBeLessThan(10_000)
})

test('no one both asks and approves', async () => {
  const admin = await t.as('admin')
  const refused = await admin.post('/tokens', {
    json: { name: 'Both', roles: ['analyst', 'approver'], expiresInDays: 1 },
  })
  expect(refused.status).toBe(400)
  expect(refused.body).toMatchObject({ code: 'invalid_request', field: '/roles' })
  expect(await t.w.t.db.selectFrom('staff_member').select('id').where('name', '=', 'Both').execute()).toEqual([])
})

test('a second token of a known member of staff has its roles and needs no others', async () => {
  const admin = await t.as('admin')
  const auditor = await t.as('auditor')
  const second = await admin.post('/tokens', { json: { name: 'laptop', staffId: auditor.staffId, expiresInDays: 1 } })
  expect(second.body).toMatchObject({ staffId: auditor.staffId, roles: ['auditor'], label: 'laptop' })
  const both = await admin.post('/tokens', {
    json: { name: 'laptop', staffId: auditor.staffId, roles: ['admin'], expiresInDays: 1 },
  })
  expect(both.body).toMatchObject({ status: 400, code: 'invalid_request' })
})
