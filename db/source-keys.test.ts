import { createCipheriv } from 'node:crypto'
import { v7 as uuid } from 'uuid'
import { expect, test } from 'vitest'
import type { Activity } from '../domain/signal.ts'
import { ActivityRows } from './activity-rows.ts'
import { createKeyRing } from './keyring.ts'
import { SourceKeys } from './source-keys.ts'
import { TextKeys } from './text-keys.ts'
import { Vault } from './vault.ts'

const EXAMPLE = '00112233-4455-6677-8899-aabbccddeeff'
const KEY = Buffer.from(Array.from({ length: 32 }, (_, n) => n))

const hex = ({ buffer, byteOffset, byteLength }: DataView): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('hex')

test('the key of a UUID is its block of AES-256, as in the example of FIPS-197, C.3', () => {
  const keys = new SourceKeys(new TextKeys(Buffer.alloc(32), 16), KEY)
  expect(hex(keys.of(EXAMPLE))).toBe('8ea2b7ca516745bfeafc49904b496089')
})

test('any other id is enciphered by its text key, and so is a UUID in another spelling', () => {
  const texts = new TextKeys(Buffer.alloc(32, 7), 16)
  const keys = new SourceKeys(texts, KEY)
  const ids = [
    EXAMPLE.toUpperCase(),
    `{${EXAMPLE}}`,
    EXAMPLE.replaceAll('-', ''),
    EXAMPLE.replace('-', '_'),
    EXAMPLE.replace('0', 'g'),
    EXAMPLE.replace(/f$/, '/'),
    EXAMPLE.replace(/f$/, 'é'),
    `${EXAMPLE} `,
    '4711',
    '',
  ]
  for (const id of ids) {
    const block = Buffer.from(texts.of(id).buffer)
    const expected = createCipheriv('aes-256-ecb', KEY, null).update(block).toString('hex')
    expect(hex(keys.of(id)), id).toBe(expected)
  }
  expect(new Set([EXAMPLE, ...ids].map((id) => hex(keys.of(id)))).size).toBe(ids.length + 1)
})

test('connectors have keys of their own, of a key ring always the same', () => {
  const ring = createKeyRing()
  const [one, other] = [uuid(), uuid()]
  const keyOf = (connectorId: string, id: string) => hex(new Vault(ring).sourceKeys(connectorId).of(id))
  for (const id of [EXAMPLE, '4711']) {
    expect(keyOf(one, id)).toBe(keyOf(one, id))
    expect(keyOf(one, id)).not.toBe(keyOf(other, id))
  }
})

test('the rows of a chunk have the keys of their ids, whatever else is in it and however often it is put in order', () => {
  const vault = new Vault(createKeyRing())
  const connectorId = uuid()
  const keys = vault.sourceKeys(connectorId)
  const rows = new ActivityRows(vault, { connectorId, importId: uuid(), textsId: null })
  const ids: string[] = []
  const add = (sourceId: string) => {
    ids.push(sourceId)
    const origin = { network: null, country: null }
    rows.add({ activity: look(sourceId), ordinal: 0, identityId: 7, containerId: null, sourceIndex: 0, origin })
  }
  for (const sourceId of [EXAMPLE, '4711', uuid()]) add(sourceId)
  rows.inOrder()
  for (const sourceId of ['4712', uuid()]) add(sourceId)
  const order = rows.inOrder()
  const sent = Buffer.concat(
    [...rows.copies(order)].flatMap(({ pieces }) => Array.from(pieces, (piece) => Buffer.from(piece))),
  )
  for (const [row, id] of ids.entries()) {
    expect(Buffer.from(rows.keys.buffer, row * 16, 16).toString('hex'), id).toBe(hex(keys.of(id)))
    // Once in what is sent, as a field of 16 bytes.
    expect(sent.toString('hex').split(`00000010${hex(keys.of(id))}`), id).toHaveLength(2)
  }
})

const look = (sourceId: string): Activity => ({
  type: 'activity',
  sourceId,
  actor: { scheme: 'user_name', value: 'nobody' },
  actorKind: 'user',
  at: new Date('2026-03-31T10:00:00Z'),
  verb: 'view',
  nativeEvent: 'Viewed',
  outcome: 'success',
})
