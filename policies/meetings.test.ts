import fc from 'fast-check'
import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { expect, test } from 'vitest'
import { ensureMonths } from '../db/activities.ts'
import { ActivityRows } from '../db/activity-rows.ts'
import type { StagedActivity } from '../db/activity-writer.ts'
import { ImportSession } from '../db/import-session.ts'
import { createKeyRing } from '../db/keyring.ts'
import { Vault } from '../db/vault.ts'
import { testDatabase } from '../test/harness/database.ts'
import { storeActivities } from '../test/harness/storing.ts'
import { insertSomebody } from './examples.ts'
import { MeetingBook } from './seen.ts'

const PLACES = 6_000
/** Pairs that a book keeps before it has to forget some: a few less, so that it has to in the middle of what follows. */
const BEFORE = Math.floor(2 ** 19 * 0.6) - PLACES / 2

const START = Date.parse('2026-03-02T00:00:00Z')

const view = (n: number, containerId: number): Omit<StagedActivity, 'identityId'> => ({
  activity: {
    type: 'activity',
    sourceId: `view-${n}`,
    actor: { scheme: 'user_name', value: 'nobody' },
    actorKind: 'user',
    at: new Date(START + n),
    verb: 'view',
    nativeEvent: 'View',
    outcome: 'success',
  },
  ordinal: n,
  containerId,
  sourceIndex: 0,
  origin: { network: null, country: null },
})

test('a chunk in whose middle the book of meetings is full notes every first meeting once', async () => {
  await using t = await testDatabase()
  await using session = await ImportSession.open(t.url)
  await ensureMonths(t.db, ['2026-03-02'])
  const { identityId } = await insertSomebody(t.db)
  const book = new MeetingBook()
  const storing = { vault: t.vault, connectorId: uuid(), indicators: async () => [], book }
  await storeActivities(session, storing, [{ ...view(0, 1), identityId }])
  const earlier = new ActivityRows(t.vault, { connectorId: uuid(), importId: uuid(), textsId: null })
  for (let n = 0; n < BEFORE; n += 1) earlier.add({ ...view(n, 10_000_000 + n), identityId: identityId + 1 })
  book.take({ rows: earlier, order: Uint32Array.from({ length: BEFORE }, (_, n) => n) })
  // Every place, then every place again.
  const chunk = Array.from({ length: 2 * PLACES }, (_, n) => ({ ...view(1 + n, 2 + (n % PLACES)), identityId }))
  expect(await storeActivities(session, storing, chunk)).toBe(2 * PLACES)
  const { rows } = await sql<{ value: string; first: number }>`
    select value, extract(epoch from first_at - '2026-03-02T00:00:00Z')::float8 * 1000 as first
    from identity_seen where dimension = 'container' and identity_id = ${identityId} order by value::int`.execute(t.db)
  expect(rows).toEqual(
    Array.from({ length: PLACES + 1 }, (_, n) => ({ value: String(n + 1), first: expect.closeTo(n, 3) })),
  )
}, 60_000)

test('a first meeting that a correction took away meanwhile is noted again', async () => {
  await using t = await testDatabase()
  await using session = await ImportSession.open(t.url)
  await ensureMonths(t.db, ['2026-03-02'])
  const { identityId } = await insertSomebody(t.db)
  const storing = { vault: t.vault, connectorId: uuid(), indicators: async () => [], book: new MeetingBook() }
  const noted = async () => (await t.db.selectFrom('identity_seen').select('dimension').execute()).length
  const storeOnDay = (n: number) => storeActivities(session, storing, [{ ...view(n * 86_400_000, 1), identityId }])
  await storeOnDay(0)
  await sql`truncate identity_seen`.execute(t.db)
  await storeOnDay(1)
  expect(await noted()).toBe(0)
  await sql`select nextval('seen_revision')`.execute(t.db)
  await storeOnDay(2)
  expect(await noted()).toBe(2)
})

const ORIGINS = [null, '203.0.0.0/16', '198.51.0.0/16'].flatMap((network) =>
  [null, 'DE', 'BR'].map((country) => ({ network, country })),
)
const meeting = fc.record({
  identityId: fc.constantFrom(1, 2),
  ms: fc.nat(20),
  containerId: fc.constantFrom(null, 7),
  origin: fc.constantFrom(...ORIGINS),
})
const chunksOfMeetings = fc.array(fc.array(meeting, { minLength: 1, maxLength: 8 }), { maxLength: 6 })

test('a book tells of each value by itself, a country too whose network was met in another, and of no meeting twice', () => {
  const rows = new ActivityRows(new Vault(createKeyRing()), { connectorId: uuid(), importId: uuid(), textsId: null })
  fc.assert(
    fc.property(chunksOfMeetings, (chunks) => {
      const book = new MeetingBook()
      const known = new Map<string, number>()
      for (const [number, chunk] of chunks.entries()) {
        rows.begin(null)
        for (const [n, { ms, ...met }] of chunk.entries()) {
          const { activity, ...staged } = view(ms, 0)
          rows.add({ ...staged, ...met, activity: { ...activity, sourceId: `${number} ${n}` } })
        }
        const told = book.take({ rows, order: rows.inOrder() })
        const texts = told.identities.map((identity, n) => `${identity} ${told.dimensions[n]} ${told.values[n]}`)
        const earlier = new Map<string, number>()
        for (const { identityId, ms, containerId, origin } of chunk) {
          for (const [dimension, value] of Object.entries({ any: '', container: containerId, ...origin })) {
            const text = `${identityId} ${dimension} ${value}`
            if (value !== null && ms < (known.get(text) ?? Infinity)) earlier.set(text, ms)
            if (value !== null) known.set(text, Math.min(ms, known.get(text) ?? Infinity))
          }
        }
        expect(new Map(texts.map((text, n) => [text, (told.instants[n] as number) - START]))).toEqual(earlier)
        expect(new Set(texts).size).toBe(texts.length)
      }
    }),
  )
})
