import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { blockRequest, exchange } from '../../sandbox/microsoft-upload-client.ts'
import { heldDuring } from '../harness/held.ts'
import { type Edge, edge, HEADER, lines, named, row } from './edge.ts'

let e: Edge
const TIMEOUT = 180_000
beforeAll(async () => {
  e = await edge({ workers: false, bodyWithinMs: 60_000 })
}, TIMEOUT)
afterAll(() => e[Symbol.asyncDispose](), TIMEOUT)

const runs = () => e.t.w.t.db.selectFrom('upload_run').select(['run_key']).execute()

test('20 uploads at once are 20 runs', { timeout: TIMEOUT }, async () => {
  const ids = await e.target()
  const token = await e.token(ids)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      e.send({
        token,
        jobId: ids.jobId,
        fileName: named(1, `d0d8e2b6-1111-4222-8333-9a9a9a9a9a${10 + index}`),
        body: lines(HEADER, ...Array.from({ length: 500 }, (_each, at) => row(`p${index}-${at}`))),
      }),
    ),
  )
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
  for (const { body } of answers) expect(JSON.parse(body)).toMatchObject({ rows: 500, repeated: false })
  expect(await runs()).toHaveLength(20)
})

test('a client that sends a byte now and then is told so in time and keeps nobody else waiting', {
  timeout: TIMEOUT,
}, async () => {
  await using slow = await edge({ workers: false, bodyWithinMs: 2_500 })
  const ids = await slow.target()
  const token = await slow.token(ids)
  const request = blockRequest({ token, jobId: ids.jobId, fileName: named(1), body: lines(HEADER, row('slow')) })
  const socket = connect(slow.port, '127.0.0.1')
  socket.on('error', () => {})
  let heard = ''
  socket.on('data', (piece) => {
    heard += piece
  })
  socket.write(request.subarray(0, 400))
  let at = 400
  const drip = setInterval(() => {
    socket.write(request.subarray(at, at + 1))
    at += 1
  }, 200)
  const other = await slow.send({ token, jobId: ids.jobId, fileName: 'other.csv', body: lines(HEADER, row('other')) })
  expect(other.status).toBe(200)
  for (let waited = 0; heard === '' && waited < 100; waited += 1) await sleep(100)
  clearInterval(drip)
  socket.destroy()
  expect(heard).toMatch(/^HTTP\/1\.1 408 the upload did not arrive in time\r\n/)
  expect(heard).toMatch(/connection: close/i)
})

test('a client that goes away leaves nothing behind', { timeout: TIMEOUT }, async () => {
  const ids = await e.target()
  const request = blockRequest({
    token: await e.token(ids),
    jobId: ids.jobId,
    fileName: named(1, 'eeeeeeee-1111-4222-8333-9a9a9a9a9a9a'),
    body: lines(HEADER, ...Array.from({ length: 5_000 }, (_, index) => row(`gone${index}`))),
  })
  const before = await runs()
  for (const share of [0.3, 0.6, 0.99]) {
    const socket = connect(e.port, '127.0.0.1')
    socket.on('error', () => {})
    await new Promise((resolve) => socket.write(request.subarray(0, Math.floor(request.length * share)), resolve))
    await sleep(200)
    socket.resetAndDestroy()
  }
  await sleep(1_000)
  expect(await runs()).toEqual(before)
  expect((await exchange(e.port, request)).status).toBe(200)
})

test('300 MB in one body arrive within a bounded memory', { timeout: TIMEOUT }, async () => {
  const ids = await e.target()
  const token = await e.token(ids)
  const some = Buffer.from(lines(...Array.from({ length: 12_000 }, (_, index) => row(`m${index}`))))
  const pieces = Math.ceil(300_000_000 / some.length)
  const head = Buffer.from(lines(HEADER))
  const bytes = head.length + pieces * some.length
  function* request() {
    yield Buffer.from(
      `POST /api/signals?jobid=${ids.jobId} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: text/csv\r\nContent-Length: ${bytes}\r\n\r\n`,
    )
    yield head
    for (let piece = 0; piece < pieces; piece += 1) yield some
  }
  const held = await heldDuring(async () => {
    const answer = await exchange(e.port, request(), 170_000)
    expect(answer.status).toBe(200)
    expect(JSON.parse(answer.body).message).toContain('more than 10000 rows')
  })
  // Client and server are this one process; the body alone is 300 MB.
  expect(held).toBeLessThan(50)
})
