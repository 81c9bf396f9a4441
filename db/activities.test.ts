import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Activity } from '../domain/signal.ts'
import { insertSomebody } from '../policies/examples.ts'
import { type TestDatabase, testDatabase } from '../test/harness/database.ts'
import { ActivityMerge, ensureMonths } from './activities.ts'
import { ActivityRows } from './activity-rows.ts'
import { ImportSession } from './import-session.ts'

const connectorId = uuid()

let t: TestDatabase
let session: ImportSession
let identityId: number
beforeAll(async () => {
  t = await testDatabase()
  session = await ImportSession.open(t.url)
  await ensureMonths(t.db, ['2026-03-31'])
  identityId = (await insertSomebody(t.db)).identityId
})
afterAll(async () => {
  await session?.[Symbol.asyncDispose]()
  await t?.[Symbol.asyncDispose]()
})

const look = (sourceId: string, says: Partial<Activity> = {}): Activity => ({
  type: 'activity',
  sourceId,
  actor: { scheme: 'user_name', value: 'nobody' },
  actorKind: 'user',
  at: new Date('2026-03-31T10:00:00Z'),
  verb: 'view',
  nativeEvent: 'Viewed',
  outcome: 'success',
  ...says,
})

const SUBJECT = { id: '12', name: '1', lastName: '2', address: null, street: null, department: '3' }

/** Whether what counted before the chunk still counts behind it. */
async function onlyAdds(activities: readonly Activity[], subject?: typeof SUBJECT): Promise<boolean> {
  const rows = new ActivityRows(t.vault, { connectorId, importId: uuid(), textsId: null })
  for (const [ordinal, activity] of activities.entries()) {
    const origin = { network: null, country: null }
    rows.add({ activity, ordinal, identityId, containerId: null, sourceIndex: 0, origin, subject })
  }
  return session.transaction(async (tx) => {
    const merge = await ActivityMerge.begin(session, tx, connectorId)
    const { onlyAdded } = await merge.store(rows, () => {})
    await merge.finish()
    return onlyAdded
  })
}

test('a chunk only adds unless something of it was corrected, whatever else ever was', async () => {
  expect(await onlyAdds([look('a'), look('b')])).toBe(true)
  expect(await onlyAdds([look('c', { supersedes: 'a' })])).toBe(false)
  expect(await onlyAdds([look('d')])).toBe(true)
  // It waits for the record that it corrects.
  expect(await onlyAdds([look('e', { supersedes: 'late' })])).toBe(true)
  expect(await onlyAdds([look('late'), look('f')])).toBe(false)
  expect(await onlyAdds([look('g')])).toBe(true)
})

test('a correction finds the record that it corrects by any kind of id', async () => {
  const [first, second] = [uuid(), uuid()]
  expect(await onlyAdds([look(first)])).toBe(true)
  expect(await onlyAdds([look(second, { supersedes: first })])).toBe(false)
  expect(await onlyAdds([look('third', { supersedes: second })])).toBe(false)
  expect(await onlyAdds([look('fourth', { supersedes: second.toUpperCase() })])).toBe(true)
})

test('the first version of a thing only adds, a further one leaves the other without effect, in either order', async () => {
  const version = (sourceId: string, of: string, hour: string) =>
    look(sourceId, { version: { of, at: new Date(`2026-03-31T${hour}:00:00Z`) } })
  expect(await onlyAdds([version('1', 'x', '10'), version('2', 'y', '10')])).toBe(true)
  expect(await onlyAdds([version('3', 'x', '11')])).toBe(false)
  expect(await onlyAdds([version('4', 'y', '09')])).toBe(false)
  const alert = uuid()
  expect(await onlyAdds([version('5', alert, '10')])).toBe(true)
  expect(await onlyAdds([version('6', alert, '11')])).toBe(false)
})

test('a record of a patient that comes again may be a corrected one: nothing is taken from it for granted', async () => {
  expect(await onlyAdds([look('h'), look('i', { supersedes: 'h' })], SUBJECT)).toBe(false)
  expect(await onlyAdds([look('j')], SUBJECT)).toBe(true)
  expect(await onlyAdds([look('h'), look('k')], SUBJECT)).toBe(false)
})

test('the key of an object is stored beside its container, whatever else the row has, and only where there is one', async () => {
  const things: Partial<Activity>[] = [
    { object: 'a.txt' },
    { object: 'a.txt', container: 'bucket' },
    { object: 'a.txt', container: 'other', amount: 4 },
    { object: 'é'.repeat(2_000), container: 'bucket' },
    { object: '', container: 'bucket', sizeBytes: 7, amount: 4 },
    { object: '' },
    { container: 'bucket' },
    {},
    { amount: 4 },
  ]
  // More rows than keys wait for, some again and again.
  const said = Array.from({ length: 6_000 }, (_, n) => things[n % things.length] as Partial<Activity>)
  await onlyAdds(said.map((says, n) => look(`of object ${n}`, { nativeEvent: 'Object', ...says })))
  const stored = await t.db
    .selectFrom('activity')
    .select(({ cast, ref }) => ['texts_index', cast<string | null>(ref('object_key'), 'text').as('object_key')])
    .where('native_event', '=', 'Object')
    .orderBy('texts_index')
    .execute()
  const keys = t.vault.textKeys('object', 8)
  const expected = things.map(({ object, container = '' }) =>
    object === undefined ? null : String(keys.of(object, container).getBigInt64(0)),
  )
  expect(stored.map((row) => row.object_key)).toEqual(said.map((_, n) => expected[n % things.length]))
  expect(new Set(expected).size).toBe(7)
})

test('the extension of an object is what stands behind its last dot, where that is short and plain', async () => {
  const extensions: Record<string, string | null> = {
    '/a/report.XLSX': 'xlsx',
    '/a/archive.tar.gz': 'gz',
    '.x': 'x',
    'x.1234567890': '1234567890',
    'x.12345678901': null,
    '1234567890': null,
    '/a.b/report': null,
    'report.': null,
    'report.dé': null,
    '.': null,
    '': null,
  }
  const objects = Object.keys(extensions)
  await onlyAdds(objects.map((object, n) => look(`object ${n}`, { nativeEvent: 'Extension', object })))
  const rows = await t.db
    .selectFrom('activity')
    .select(['texts_index', 'object_ext'])
    .where('native_event', '=', 'Extension')
    .execute()
  const stored = rows.map((row) => [objects[row.texts_index ?? -1], row.object_ext])
  expect(Object.fromEntries(stored)).toEqual(extensions)
})
