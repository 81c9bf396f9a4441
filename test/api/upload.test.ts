import { randomUUID } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSealed } from '../../db/vault.ts'
import { type Api, api, type Caller } from './api.ts'

let t: Api
let operator: Caller
let connectorId: string
beforeAll(async () => {
  t = await api()
  operator = await t.as('operator')
  connectorId = await t.w.connector('physical-badging', {})
}, 60_000)
afterAll(() => t[Symbol.asyncDispose]())

const BOUNDARY = '----form'
const form = (content: string | Buffer, disposition = 'name="file"; filename="badges.json"') => ({
  bytes: Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`),
    Buffer.from(content),
    Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
  ]),
  headers: { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` },
})
const path = (query = '') => `/connectors/${connectorId}/files${query}`
const event = (asset: string) =>
  JSON.stringify([
    { UserId: 'a@example.com', AssetId: asset, EventTime: '2026-03-01T00:00:00Z', AccessStatus: 'Success' },
  ])

async function nameOf(importId: string): Promise<string | undefined> {
  const { file_name_id: id } = await t.w.t.db
    .selectFrom('import')
    .select('file_name_id')
    .where('id', '=', importId)
    .executeTakeFirstOrThrow()
  return (await openSealed(t.w.t.db, t.w.t.vault, [id as string])).get(id as string)?.toString()
}

test('a file arrives in a form under its own name, and is the same file as its bare body', async () => {
  const first = await operator.post(path(), form(event('LOBBY')))
  expect(first.status).toBe(202)
  expect(await nameOf(first.body.id)).toBe('badges.json')
  const bare = await operator.post(path('?name=other.json'), { bytes: event('LOBBY') })
  expect([bare.status, bare.body.id]).toEqual([200, first.body.id])
  const named = await operator.post(path('?name=roof.json'), form(event('ROOF')))
  expect(await nameOf(named.body.id)).toBe('roof.json')
})

test('gzip is a file like any other, bare or in a form', async () => {
  const zipped = gzipSync(event('VAULT'))
  const bare = await operator.post(path('?name=vault.json.gz'), { bytes: zipped })
  const inForm = await operator.post(path(), form(zipped, 'name="file"; filename="vault.json.gz"'))
  expect([bare.status, inForm.status, inForm.body.id]).toEqual([202, 200, bare.body.id])
})

test.each([
  [
    'nothing in it',
    { ...form(''), bytes: Buffer.from(`--${BOUNDARY}--\r\n`) },
    { status: 400, code: 'invalid_request' },
  ],
  ['an empty file', form(''), { status: 422, code: 'file_empty' }],
  ['a file without a name', form(event('X'), 'name="file"'), { status: 400, code: 'invalid_request', field: 'name' }],
  [
    'a file that is cut short',
    { ...form(''), bytes: form(event('X')).bytes.subarray(0, 120) },
    { status: 400, code: 'invalid_request' },
  ],
])('a form with %s is refused', async (_, ask, expected) => {
  const refused = await operator.post(path(), ask)
  expect(refused.body).toMatchObject(expected)
  const kept = await t.w.t.db.selectFrom('import').select('id').where('state', '=', 'failed').execute()
  expect(kept).toEqual([])
})

const importsKept = async (): Promise<number> =>
  (await t.w.t.db.selectFrom('import').select('id').where('connector_id', '=', connectorId).execute()).length

test('20 files at once are 20 imports', async () => {
  const before = await importsKept()
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => operator.post(path(`?name=${n}.json`), { bytes: event(`DOOR-${n}`) })),
  )
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202))
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(20)
  expect(await importsKept()).toBe(before + 20)
})

/** An upload by hand, so that it can be sent in pieces and broken off. */
function begun(file: string): Socket {
  const { hostname, port } = new URL(t.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  socket.write(
    `POST /v1${path('?name=slow.json')} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${operator.token}\r\n` +
      `Idempotency-Key: ${randomUUID()}\r\nContent-Type: application/octet-stream\r\n` +
      `Content-Length: ${Buffer.byteLength(file)}\r\n\r\n`,
  )
  return socket
}

test('a client that sends its file byte by byte keeps nobody else waiting, and its file is taken whole', async () => {
  const file = event('SLOW-DOOR')
  const socket = begun(file)
  let heard = ''
  socket.on('data', (piece) => {
    heard += piece
  })
  for (const [at, byte] of [...file.slice(0, 20)].entries()) {
    socket.write(byte)
    if (at === 10) expect((await operator.post(path('?name=o.json'), { bytes: event('OTHER') })).status).toBe(202)
    await sleep(5)
  }
  expect(heard).toBe('')
  socket.write(file.slice(20))
  while (heard === '') await sleep(10)
  socket.destroy()
  expect(heard).toMatch(/^HTTP\/1\.1 202 /)
})

test('a client that goes away in the middle of its file leaves no import, and its file comes in later', async () => {
  const file = event('LOST-DOOR')
  const before = await importsKept()
  for (const share of [0, 0.5, 0.99]) {
    const socket = begun(file)
    await new Promise((resolve) => socket.write(file.slice(0, Math.floor(file.length * share)), resolve))
    await sleep(50)
    socket.resetAndDestroy()
  }
  await sleep(200)
  expect(await importsKept()).toBe(before)
  expect((await operator.get('/health')).status).toBeLessThan(500)
  expect((await operator.post(path('?name=slow.json'), { bytes: file })).status).toBe(202)
})
