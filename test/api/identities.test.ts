import { afterAll, beforeAll, expect, test } from 'vitest'
import { resolveIdentities } from '../../db/people.ts'
import type { Identifier } from '../../domain/signal.ts'
import { eventually } from '../harness/world.ts'
import { type Api, api, type Caller } from './api.ts'

const TIMEOUT = 60_000
let t: Api
let admin: Caller
let investigator: Caller
beforeAll(async () => {
  t = await api({ workers: true })
  admin = await t.as('admin')
  investigator = await t.as('investigator')
}, TIMEOUT)
afterAll(() => t[Symbol.asyncDispose](), TIMEOUT)

const meet = (...values: string[]) =>
  resolveIdentities(
    t.w.t.db,
    t.w.t.vault,
    values.map((value): Identifier => ({ scheme: 'address', value })),
    new Map(),
  )
const people = async (): Promise<Map<string, string[]>> => {
  const { body } = await admin.get('/identities')
  const byPerson = new Map<string, string[]>()
  for (const { id, person } of body.items) byPerson.set(person.uid, [...(byPerson.get(person.uid) ?? []), id])
  return byPerson
}
const sizes = async () => [...(await people()).values()].map((ids) => ids.length).sort()
const audited = async () =>
  (await t.w.t.db.selectFrom('audit_entry').select(['action', 'staff_id']).orderBy('seq').execute()).map(
    ({ action }) => action,
  )

test('rules are looked at, set and applied; their joins are explained, undone, and let again', {
  timeout: TIMEOUT,
}, async () => {
  await meet('anna@corp.example', 'anna+x@corp.example', 'lee@corp.example')
  const first = await admin.get('/identity-rules')
  expect(first.body).toMatchObject({ version: 1, rules: { plusAddresses: [], leadingZeros: false }, madeBy: null })
  expect(first.headers.get('ETag')).toBe('"1"')

  const rules = { plusAddresses: ['corp.example'] }
  const previewed = await admin.post('/identity-rules/preview', { json: { rules } })
  expect(previewed.body).toMatchObject({ version: 1, accounts: 3, complete: true, joins: 1, conflicts: 0, ends: 0 })
  const [pair] = previewed.body.joining
  expect(pair.rules).toEqual(['plus_addresses'])
  expect(pair.identities.map(({ person }: any) => person.pseudonym)).toEqual([
    expect.stringMatching(/^ANON-/),
    expect.stringMatching(/^ANON-/),
  ])
  expect(JSON.stringify(previewed.body)).not.toContain('anna')
  expect(await sizes()).toEqual([1, 1, 1])

  const other = await admin.put('/identity-rules', {
    revision: 1,
    json: { rules: { plusAddresses: ['other.example'] }, preview: previewed.body.preview },
  })
  expect(other.body).toMatchObject({ status: 409, code: 'state_conflict', field: '/preview' })
  const wrong = await admin.post('/identity-rules/preview', {
    json: {
      rules: {
        accountNames: [
          { domain: 'a.example', bare: true },
          { domain: 'b.example', bare: true },
        ],
      },
    },
  })
  expect(wrong.body).toMatchObject({ status: 422, code: 'settings_invalid', field: '/rules/accountNames/1/bare' })

  const set = await admin.put('/identity-rules', { revision: 1, json: { rules, preview: previewed.body.preview } })
  expect(set.body).toMatchObject({ version: 2, madeBy: admin.staffId })
  const late = await admin.put('/identity-rules', { revision: 1, json: { rules, preview: previewed.body.preview } })
  expect(late.body).toMatchObject({ status: 412, code: 'precondition_failed' })
  await eventually(() => admin.get('/identity-rules'), { until: ({ body }) => body.appliedAt !== null })
  expect(await sizes()).toEqual([1, 2])

  const joins = await investigator.get('/identity-joins?held=true')
  expect(joins.body.items).toMatchObject([
    {
      cause: 'rule',
      rules: ['plus_addresses'],
      rulesVersion: 2,
      source: null,
      madeBy: null,
      fromPerson: { pseudonym: expect.stringMatching(/^ANON-/) },
      toPerson: joins.body.items[0].identities[0].person,
    },
  ])
  const [join] = joins.body.items
  const undone = await admin.post(`/identity-joins/${join.id}/undo`)
  expect(undone.body).toEqual({ stays: join.toPerson.uid, leaves: join.fromPerson.uid, vetoId: expect.any(String) })
  expect(await sizes()).toEqual([1, 1, 1])
  const vetoes = await admin.get('/identity-vetoes?lifted=false')
  expect(vetoes.body.items).toMatchObject([{ id: undone.body.vetoId, because: 'undone', madeBy: admin.staffId }])
  expect(vetoes.body.items[0].identities).toHaveLength(2)
  const of = await admin.get(`/identity-joins?personUid=${join.toPerson.uid}`)
  expect(of.body.items).toMatchObject([{ id: join.id, endedBecause: 'undone', endedBy: admin.staffId }])

  const lifted = await admin.post(`/identity-vetoes/${undone.body.vetoId}/lift`)
  expect(lifted.body).toMatchObject({ liftedBy: admin.staffId })
  await eventually(sizes, { until: (found) => found.includes(2) })
  expect(await sizes()).toEqual([1, 2])
  expect((await admin.post(`/identity-vetoes/${undone.body.vetoId}/lift`)).body.code).toBe('state_conflict')
})

test('an admin marks, joins, splits and decides; every act and every read is on record', {
  timeout: TIMEOUT,
}, async () => {
  await meet('kim@corp.example', 'kim+bot@corp.example')
  // Two accounts that the rules of before would join, one of them no person's.
  const all = (await admin.get('/identities?limit=200')).body.items
  const bot = all.at(-1)
  const marked = await admin.post(`/identities/${bot.id}/mark`, { json: { kind: 'service' } })
  expect(marked.body).toMatchObject({ id: bot.id, kind: 'service' })
  const found = await eventually(() => admin.get('/identity-conflicts?state=open'), {
    until: ({ body }) => body.items.length > 0,
  })
  expect(found.body.items).toMatchObject([{ code: 'no_person', cause: 'rule', rules: ['plus_addresses'] }])
  const decided = await admin.post(`/identity-conflicts/${found.body.items[0].id}/decide`, {
    json: { decision: 'keep_apart' },
  })
  expect(decided.body).toMatchObject({ state: 'kept_apart', decidedBy: admin.staffId })
  expect((await admin.get('/identities?kind=service')).body.items).toHaveLength(1)

  const ids = all.slice(0, 3).map(({ id }: any) => id)
  const joined = await admin.post('/identity-joins', { json: { identities: ids } })
  expect(new Set(joined.body.items.map(({ person }: any) => person.uid)).size).toBe(1)
  const split = await admin.post('/identities/split', { json: { identities: [ids[2]] } })
  expect(split.status).toBe(200)
  const again = await admin.post('/identity-joins', { json: { identities: [ids[0], ids[2]] } })
  expect(again.body).toMatchObject({ status: 409, code: 'state_conflict' })
  const nobody = '0197a000-0000-7000-8000-000000000000'
  expect((await admin.post('/identities/split', { json: { identities: [nobody] } })).body.code).toBe('not_found')

  const asInvestigator = await investigator.post('/identities/split', { json: { identities: [ids[0]] } })
  expect(asInvestigator.status).toBe(403)
  const log = await audited()
  for (const action of [
    'identity-rules.previewed',
    'identity-rules.changed',
    'identity-join.listed',
    'identity-join.undone',
    'identity-veto.listed',
    'identity-veto.lifted',
    'identity.listed',
    'identity.marked',
    'identity-conflict.listed',
    'identity-conflict.decided',
    'identity.joined',
    'identity.split',
  ])
    expect(log).toContain(action)
})
