import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { Client, Connection } from '@temporalio/client'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Deps } from '../../activities/deps.ts'
import { reconcileRuns } from '../../activities/reconcile.ts'
import { createApi } from '../../api/server.ts'
import { createDatabase, createPool } from '../../db/connection.ts'
import { blockRequest, exchange, tokenRequest } from '../../sandbox/microsoft-upload-client.ts'
import { type Edge, edge, HEADER, lines, named, row } from './edge.ts'

/** What is no matter of the script, and what it does over and over. */
let e: Edge
const logged: { level: number; msg: string; [name: string]: unknown }[] = []
const TIMEOUT = 120_000
const FEW_PER_MINUTE = 15
beforeAll(async () => {
  const memory = new Writable({
    write(line: Buffer, _, done) {
      logged.push(JSON.parse(line.toString()))
      done()
    },
  })
  e = await edge({ log: pino({ level: 'trace' }, memory), ratePerMinute: FEW_PER_MINUTE })
}, TIMEOUT)
afterAll(() => e[Symbol.asyncDispose](), TIMEOUT)

const WARN = 40
const warned = () => logged.filter(({ level, msg }) => level >= WARN && msg === 'upload refused')

test('what a script repeats 15 times is one line of the log, other bytes are another', {
  timeout: TIMEOUT,
}, async () => {
  const ids = await e.target()
  const token = await e.token(ids)
  const send = (who: string) =>
    e.send({
      token,
      jobId: ids.jobId,
      fileName: named(1),
      body: lines('HRScenario,EmailAddress', `Resignation,${who}`),
    })
  const tried = []
  for (let attempt = 0; attempt < 15; attempt += 1) tried.push((await send('a@contoso.com')).status)
  expect(new Set(tried)).toEqual(new Set([422]))
  expect(warned()).toMatchObject([{ connector: ids.connectorId, code: 'file_header_missing', status: 422 }])
  await send('b@contoso.com')
  await send('a@contoso.com')
  expect(warned()).toHaveLength(2)
  expect(JSON.stringify(logged)).not.toMatch(/contoso|oirmu_/)
})

test('any number of tokens is given, and of blocks taken: the limits of the API are not those of the scripts', {
  timeout: TIMEOUT,
}, async () => {
  const ids = await e.target()
  const statuses = []
  for (let block = 1; block <= 3 * FEW_PER_MINUTE; block += 1) {
    const token = await e.token(ids)
    const body = lines(HEADER, row('many'))
    statuses.push((await e.send({ token, jobId: ids.jobId, fileName: named(block), body })).status)
  }
  expect(new Set(statuses)).toEqual(new Set([200]))
})

/** The same API over other servers than those that are there. */
async function over(change: Partial<Deps>): Promise<AsyncDisposable & { port: number }> {
  const server = createApi({ ...e.t.w.deps, ...change }, { microsoft: { quietMs: 1_200 } }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('while the database is away, a script hears 503 once its whole body was read, and tries again', {
  timeout: TIMEOUT,
}, async () => {
  const ids = await e.target()
  const token = await e.token(ids)
  const url = new URL(e.t.w.t.url)
  url.port = '9'
  const db = createDatabase(createPool(url.href))
  try {
    await using away = await over({ db })
    const large = lines(HEADER, ...Array.from({ length: 100_000 }, (_, index) => row(`away${index}`)))
    const block = blockRequest({ token, jobId: ids.jobId, fileName: named(1), body: large })
    for (const request of [tokenRequest(ids), block]) {
      const answer = await exchange(away.port, request, 60_000)
      expect([answer.status, answer.reason]).toEqual([503, 'temporary trouble on our side'])
      expect(JSON.parse(answer.body).fix).toBe('Nothing was lost: send it again in a minute.')
    }
  } finally {
    await db.destroy()
  }
  expect(await e.imports(ids.connectorId)).toEqual([])
})

test('while Temporal is away, uploads of either script are taken, since one of them never tries again; then they are imported', {
  timeout: TIMEOUT,
}, async () => {
  const ids = await e.target()
  const doors = await e.target({}, 'physical-badging')
  const connection = Connection.lazy({ address: '127.0.0.1:9' })
  await using away = await over({ temporal: new Client({ connection, namespace: e.t.w.namespace }) })
  const events = JSON.stringify([
    { UserId: 'a@contoso.com', AssetId: 'CAGE', EventTime: '2026-03-01T22:14:09', AccessStatus: 'Failed' },
  ])
  const badges = Buffer.from(
    `POST /api/signals/physicalbadging?jobid=${doors.jobId} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
      `Authorization: Bearer ${await e.token(doors)}\r\nContent-Length: ${events.length}\r\n\r\n${events}`,
  )
  const file = { fileName: 'leavers.csv', body: lines(HEADER, row('kept')) }
  const answers = await Promise.all([
    exchange(away.port, blockRequest({ token: await e.token(ids), jobId: ids.jobId, ...file }), 60_000),
    exchange(away.port, badges, 60_000),
  ])
  await connection.close()
  expect(answers.map(({ status }) => status)).toEqual([200, 200])
  expect([...(await e.imports(ids.connectorId)), ...(await e.imports(doors.connectorId))]).toEqual([])
  expect((await reconcileRuns(e.t.w.deps)()).uploads).toBe(2)
  for (const { connectorId } of [ids, doors])
    expect(await e.imported(connectorId, 1)).toMatchObject([{ state: 'completed', received: 1, stored: 1 }])
})
