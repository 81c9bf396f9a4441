import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAY } from '../../api/roles.ts'
import { routes } from '../../api/routes.ts'
import { ROLES, type Role } from '../../db/staff.ts'
import { OPERATIONS, type OperationId } from '../../openapi/generated/operations.ts'
import { type Answer, type Api, api, type Caller } from './api.ts'

let t: Api
const callers = new Map<Role, Caller>()
beforeAll(async () => {
  t = await api()
  for (const role of ROLES) callers.set(role, await t.as(role))
})
afterAll(() => t[Symbol.asyncDispose]())

const NOBODY = '00000000-0000-7000-8000-000000000000'
/** Ids that are none: whoever may call gets told so, whoever may not learns nothing. */
const NOT_AN_ID = 'not-an-id'
const ids: Record<string, string> = { kind: 'hr', indicatorId: 'NO', number: '0' }
const operations = Object.entries(OPERATIONS) as [
  OperationId,
  { method: 'get' | 'post' | 'put' | 'patch'; path: string },
][]

/** A call about nothing: no handler gets as far as changing something. */
function call(role: Role, { method, path }: (typeof operations)[number][1], body: object = {}): Promise<Answer> {
  const address = path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => ids[name] ?? NOT_AN_ID)
  return (callers.get(role) as Caller)[method](address, {
    ...(method === 'get' ? {} : { json: body }),
    ...(method === 'get' ? {} : { revision: 1 }),
  })
}

describe.each(operations)('%s', (id, operation) => {
  const allowed: readonly Role[] | 'public' | 'everybody' = MAY[id]
  const isOfOne = operation.path.includes('{')

  test.each(ROLES)('as %s', async (role) => {
    const answer = await call(role, operation)
    if (typeof allowed === 'string' || allowed.includes(role)) {
      // Reached: what is wrong now is the id or the body, never the caller.
      expect([200, 400, 415]).toContain(answer.status)
      if (isOfOne && id !== 'getConnectorKind') expect(answer.status).not.toBe(200)
      return
    }
    if (isOfOne) {
      const { requestId, ...problem } = answer.body
      expect(problem).toEqual({
        type: 'urn:openirm:problem:not_found',
        title: 'not found',
        status: 404,
        detail: 'There is no such thing, or it is not yours to see.',
        fix: 'Check the address, and that your roles reach it.',
        code: 'not_found',
      })
      expect(requestId).toEqual(expect.any(String))
    } else {
      expect(answer.status).toBe(403)
      expect(answer.body.code).toBe('forbidden')
    }
  })

  test('without a token', async () => {
    const answer = await t.with(null)[operation.method](operation.path.replaceAll(/\{(\w+)\}/g, NOBODY))
    if (allowed === 'public') expect(answer.status).toBeLessThan(504)
    else expect(answer.status).toBe(401)
  })
})

test('what one may not see and what does not exist answer the same bytes', async () => {
  const about = { headers: { 'X-Request-Id': 'the-same-for-both' } }
  const unknown = await (callers.get('analyst') as Caller).get(`/alerts/${NOBODY}`, about)
  const hidden = await (callers.get('admin') as Caller).get(`/alerts/${NOBODY}`, about)
  const nowhere = await (callers.get('admin') as Caller).get('/nothing-of-the-kind', about)
  expect(unknown.status).toBe(404)
  expect(hidden.body).toEqual(unknown.body)
  expect(nowhere.body).toEqual(unknown.body)
  expect(hidden.headers.get('Content-Length')).toBe(unknown.headers.get('Content-Length'))
})

test('no role both asks and approves, and admins see neither alerts nor cases nor people', () => {
  const of = (id: OperationId): readonly string[] => (typeof MAY[id] === 'string' ? [] : MAY[id])
  for (const asks of ['escalateAlert', 'withdrawApproval'] as const) {
    for (const role of of(asks)) expect(of('decideApproval')).not.toContain(role)
  }
  const closed = operations.map(([id]) => id).filter((id) => /Alert|Case|Person|People|Approval|Audit/.test(id))
  expect(closed.length).toBeGreaterThan(20)
  for (const id of closed) expect(of(id), id).not.toContain('admin')
})

test('every operation has a handler under its own name', () => {
  expect(Object.keys(routes).sort()).toEqual(operations.map(([id]) => id).sort())
  for (const [id, route] of Object.entries(routes)) expect(route.id).toBe(id)
})
