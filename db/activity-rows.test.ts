import { v7 as uuid } from 'uuid'
import { expect, test } from 'vitest'
import type { Activity } from '../domain/signal.ts'
import { ActivityRows } from './activity-rows.ts'
import { createKeyRing } from './keyring.ts'
import { Vault } from './vault.ts'

const activity = (sourceId: string, nativeEvent = 'Viewed'): Activity => ({
  type: 'activity',
  sourceId,
  actor: { scheme: 'address', value: 'a@example.com' },
  actorKind: 'user',
  at: new Date('2026-03-02T10:00:00Z'),
  verb: 'view',
  nativeEvent,
  outcome: 'success',
  raw: {},
  supersedes: 'earlier',
})

const NO_KEYS = { name: null, lastName: null, address: null, street: null }

function add(rows: ActivityRows, sourceId: string, department: string | null, nativeEvent?: string): void {
  rows.add({
    activity: activity(sourceId, nativeEvent),
    ordinal: rows.count,
    identityId: 7,
    containerId: null,
    sourceIndex: 0,
    origin: { network: null, country: null },
    subject: { ...NO_KEYS, id: '12', department },
  })
}

const sent = (rows: ActivityRows): string =>
  [...rows.copies(rows.inOrder())]
    .flatMap(({ statement, pieces }) => [statement, ...Array.from(pieces, (piece) => piece.toString('hex'))])
    .join('\n')

test('rows that are begun again are as new ones', () => {
  const vault = new Vault(createKeyRing())
  const ids = { connectorId: uuid(), importId: uuid() }
  const used = new ActivityRows(vault, { ...ids, textsId: uuid() })
  for (const [n, department] of ['3', '4', null].entries()) add(used, `before-${n}`, department)
  const textsId = uuid()
  used.begin(textsId)
  const fresh = new ActivityRows(vault, { ...ids, textsId })
  for (const rows of [used, fresh]) add(rows, 'now', '5')
  // Whatever a chunk is asked for beside its rows: what grows with them is in a list or a map.
  for (const [name, value] of Object.entries(fresh)) {
    if (Array.isArray(value) || value instanceof Map || typeof value === 'number')
      expect([name, used[name as keyof ActivityRows]]).toEqual([name, value])
  }
  expect(used.context).toEqual(fresh.context)
  expect(sent(used)).toBe(sent(fresh))
})

test.each([
  ['still wait', false],
  ['are filled in', true],
])('keys that %s when rows are begun again are not those of the next rows', (_, areFilledIn) => {
  const vault = new Vault(createKeyRing())
  const ids = { connectorId: uuid(), importId: uuid(), textsId: null }
  const used = new ActivityRows(vault, ids)
  const fresh = new ActivityRows(vault, ids)
  const put = (rows: ActivityRows, says: Partial<Activity>) => {
    const origin = { network: null, country: null }
    const seen = { ...activity('4711'), ...says }
    rows.add({ activity: seen, ordinal: 0, identityId: 7, containerId: null, sourceIndex: 0, origin })
  }
  put(used, { object: 'earlier' })
  if (areFilledIn) used.inOrder()
  used.begin(null)
  const sourceId = uuid()
  for (const rows of [used, fresh]) put(rows, { sourceId })
  expect(sent(used)).toBe(sent(fresh))
})

test('a short piece, which may not be sent yet when the next is asked for, keeps its bytes', () => {
  const rows = new ActivityRows(new Vault(createKeyRing()), { connectorId: uuid(), importId: uuid(), textsId: null })
  add(rows, 'short', '5')
  add(rows, 'long', '5', 'x'.repeat(512 * 1024 - 500))
  const order = rows.inOrder()
  const pieces = (): Generator<Buffer>[] => [...rows.copies(order)].map((copy) => copy.pieces)
  const sentAtOnce = pieces().map((each) => Array.from(each, (piece) => piece.toString('hex')))
  expect(sentAtOnce[0]?.length).toBeGreaterThan(2)
  expect(pieces().map((each) => [...each].map((piece) => piece.toString('hex')))).toEqual(sentAtOnce)
})
