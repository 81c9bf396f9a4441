import { type ChildProcess, spawn } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runBadgingScript } from '../../sandbox/microsoft-badging-client.ts'
import { blockRequest, exchange, runUploadScript } from '../../sandbox/microsoft-upload-client.ts'
import { commandArguments } from '../harness/command.ts'
import { eventually } from '../harness/world.ts'
import { type Edge, edge, HEADER, lines, named, review, row } from './edge.ts'

/** Blocks become files again, whatever happens between the script and us. */
let e: Edge
const TIMEOUT = 120_000
beforeAll(async () => {
  e = await edge()
}, TIMEOUT)
afterAll(() => e[Symbol.asyncDispose](), TIMEOUT)

test('a quoted record cut between two blocks is one record; the last block is known by its lines', {
  timeout: TIMEOUT,
}, async () => {
  const ids = await e.target()
  const printed: string[] = []
  const file = [
    HEADER,
    row('a'),
    review('b', '"first line'),
    'second line, and a ""quote""',
    'third"',
    row('c'),
    row('d'),
  ]
  const checkpoint = { rowsWritten: 0 }
  await runUploadScript({
    ...ids,
    port: e.port,
    lines: file,
    checkpoint,
    recordsPerCall: 2,
    print: (line) => printed.push(line),
  })
  await runUploadScript({
    ...ids,
    port: e.port,
    lines: [HEADER, row('x'), row('y'), row('z')],
    checkpoint: { rowsWritten: 0 },
    recordsPerCall: 2,
  })
  expect(printed.filter((line) => line === 'Upload Successful')).toHaveLength(3)
  for (const line of printed.filter((each) => each.startsWith('Body : ')))
    expect(JSON.parse(line.slice(7))).toMatchObject({ unusable: 0, missing: [] })
  const imports = await e.imported(ids.connectorId, 2)
  expect(imports.map(({ state, received, stored, quarantined }) => [state, received, stored, quarantined])).toEqual(
    expect.arrayContaining([
      ['completed', 4, 4, 0],
      ['completed', 3, 3, 0],
    ]),
  )
  expect(imports).toHaveLength(2)
})

test('blocks that come in another order are joined in their own; a lost one is named and nothing is joined across it', {
  timeout: TIMEOUT,
}, async () => {
  const ids = await e.target()
  const token = await e.token(ids)
  const send = (sequence: number, ...rows: string[]) =>
    e.send({ token, jobId: ids.jobId, fileName: named(sequence), body: lines(HEADER, ...rows) })
  await send(2, 'ends here"', row('o2'))
  await send(1, row('o1'), review('o', '"begins here'))
  const late = JSON.parse((await send(4, row('o4'))).body)
  expect(late.missing).toEqual([3])
  expect(late.message).toContain('Block 3 of this run never arrived')
  const imports = await e.imported(ids.connectorId, 2)
  expect(imports.map(({ received, stored }) => [received, stored]).sort()).toEqual([
    [1, 1],
    [3, 3],
  ])
})

test('blocks of scripts that number them alone are told apart by what is in them', { timeout: TIMEOUT }, async () => {
  const ids = await e.target()
  const run = (...names: string[]) =>
    runUploadScript({
      ...ids,
      port: e.port,
      guid: null,
      lines: [HEADER, ...names.map((name) => row(name))],
      checkpoint: { rowsWritten: 0 },
      recordsPerCall: 2,
    })
  // A last block as full as the others says nothing of the end: the next file begins in the middle of the wait.
  await run('n1', 'n2')
  await run('n3', 'n4', 'n5')
  // The first one's wait may end when the second is complete: either may be imported before the other.
  const balances = (found: Awaited<ReturnType<typeof e.imports>>) =>
    found.map(({ state, stored }) => [state, stored]).sort()
  expect(balances(await e.imported(ids.connectorId, 2))).toEqual([
    ['completed', 2],
    ['completed', 3],
  ])
  await run('n3', 'n4', 'n5')
  expect(await e.imported(ids.connectorId, 2)).toHaveLength(2)
})

test('the badging script: its last chunk is a bare object; run again, also in other chunks, it adds nothing', {
  timeout: TIMEOUT,
}, async () => {
  const ids = await e.target({}, 'physical-badging')
  const records = Array.from({ length: 5 }, (_, index) => ({
    UserId: `badge${index}@contoso.com`,
    AssetId: 'CAGE',
    AssetName: 'Café',
    EventTime: `2026-03-01T22:14:0${index}`,
    AccessStatus: 'Success',
  }))
  const printed: string[] = []
  const run = { ...ids, port: e.port, records, print: (line: string) => printed.push(line), retryMs: 1 }
  expect(await runBadgingScript({ ...run, recordsPerCall: 2, encoding: 'latin1' })).toBe(3)
  expect(await runBadgingScript({ ...run, recordsPerCall: 2, encoding: 'latin1' })).toBe(3)
  expect(printed.map((line) => JSON.parse(line)).map(({ rows, repeated }) => [rows, repeated])).toEqual([
    ...[2, 2, 1].map((rows) => [rows, false]),
    ...[2, 2, 1].map((rows) => [rows, true]),
  ])
  const first = await e.imported(ids.connectorId, 3)
  expect(first.map(({ stored }) => stored).sort()).toEqual([1, 2, 2])
  expect(await runBadgingScript({ ...run, recordsPerCall: 4, encoding: 'latin1' })).toBe(2)
  const all = await e.imported(ids.connectorId, 4)
  expect(all.slice(3)).toMatchObject([{ received: 4, stored: 0, duplicate: 4 }])
  // Without a token nothing is sent, and nobody is told.
  expect(await runBadgingScript({ ...run, appSecret: 'wrong' })).toBe(0)
})

test('what comes while staff have the connector paused waits for them', { timeout: TIMEOUT }, async () => {
  const ids = await e.target()
  await e.admin.post(`/connectors/${ids.connectorId}/pause`)
  const answer = await e.send({
    token: await e.token(ids),
    jobId: ids.jobId,
    fileName: 'held.csv',
    body: lines(HEADER, row('held')),
  })
  expect(JSON.parse(answer.body).message).toBe(
    'The file is stored with 1 row; it is imported once the connector is resumed.',
  )
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  expect(await e.imports(ids.connectorId)).toEqual([])
})

/** A proxy as the guide asks for: it holds a request until it is whole, and says 502 when nobody behind it answers. */
async function proxy(port: () => number, faults: number[]): Promise<{ port: number; server: Server }> {
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece)
    const fault = request.url?.includes('/api/signals') ? faults.shift() : undefined
    if (fault !== undefined) return void response.writeHead(fault).end()
    const head = [`POST ${request.url} HTTP/1.1`]
    for (let at = 0; at < request.rawHeaders.length; at += 2)
      head.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`)
    try {
      const answer = await exchange(
        port(),
        Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), ...pieces]),
        30_000,
      )
      response
        .writeHead(answer.status, answer.reason, {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(answer.body),
        })
        .end(answer.body)
    } catch {
      response.writeHead(502).end()
    }
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return { port: (server.address() as AddressInfo).port, server }
}

test('errors between are repeated with the same bytes and end in one import; after 15 the checkpoint stays for the next run', {
  timeout: TIMEOUT,
}, async () => {
  const ids = await e.target()
  const faults = [503, 500, 502]
  const between = await proxy(() => e.port, faults)
  const file = [HEADER, row('f1'), row('f2'), row('f3')]
  const checkpoint = { rowsWritten: 0 }
  const run = { ...ids, port: between.port, lines: file, checkpoint, recordsPerCall: 2, retryMs: 20 }
  await runUploadScript(run)
  expect([faults.length, checkpoint.rowsWritten]).toEqual([0, 3])
  const again = { rowsWritten: 0 }
  const other = { ...run, checkpoint: again, lines: [HEADER, row('g1'), row('g2'), row('g3')] }
  faults.push(...Array.from({ length: 15 }, () => 503))
  await expect(runUploadScript(other)).rejects.toThrow('Execution failed.')
  expect(again.rowsWritten).toBe(0)
  await runUploadScript(other)
  const imports = await e.imported(ids.connectorId, 2)
  expect(imports.map(({ state, received, stored }) => [state, received, stored])).toEqual([
    ['completed', 3, 3],
    ['completed', 3, 3],
  ])
  between.server.closeAllConnections()
  between.server.close()
})

const root = path.join(import.meta.dirname, '../..')

/** The API in a process of its own, so that it can be killed. */
async function serve(): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [...commandArguments(), 'serve', '--port', '0'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      DATABASE_URL: e.t.w.t.url,
      TEMPORAL_ADDRESS: process.env['OPENIRM_TEST_TEMPORAL_ADDRESS'] as string,
      TEMPORAL_NAMESPACE: e.t.w.namespace,
      OPENIRM_KEYRING: JSON.stringify(e.t.w.t.ring),
      OPENIRM_SPOOL_DIR: e.t.w.deps.spool.folder,
      OPENIRM_LOG_LEVEL: 'silent',
    },
  })
  let out = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      out += text
    })
  const found = await eventually(async () => /serving http:\/\/[\d.]+:(\d+)/.exec(out), {
    timeoutMs: 60_000,
    until: Boolean,
  })
  if (!found) throw new Error(out)
  return { child, port: Number(found[1]) }
}

test('an API that is killed while a block is arriving: the script repeats it, one import', {
  timeout: TIMEOUT,
}, async () => {
  const ids = await e.target()
  const first = await serve()
  let port = first.port
  const token = await e.token(ids)
  const body = lines(HEADER, ...Array.from({ length: 2_000 }, (_, index) => row(`k${index}`)))
  const whole = blockRequest({ token, jobId: ids.jobId, fileName: named(1), body })
  // Half of it, then the process is gone.
  const half = exchange(first.port, whole.subarray(0, whole.length / 2), 20_000).catch((error: Error) => error)
  await new Promise((resolve) => setTimeout(resolve, 300))
  first.child.kill('SIGKILL')
  expect(await half).toBeInstanceOf(Error)
  const between = await proxy(() => port, [])
  const script = runUploadScript({
    ...ids,
    port: between.port,
    checkpoint: { rowsWritten: 0 },
    recordsPerCall: 1_500,
    retryMs: 2_500,
    lines: body.trimEnd().split('\r\n'),
  })
  const second = await serve()
  port = second.port
  try {
    await script
    expect(await e.imported(ids.connectorId, 1)).toMatchObject([{ state: 'completed', received: 2_000, stored: 2_000 }])
    // What was answered is kept, also if nothing else happens any more.
    const own = { token: await e.token(ids), jobId: ids.jobId, fileName: 'answered.csv' }
    const answer = await exchange(second.port, blockRequest({ ...own, body: lines(HEADER, row('answered')) }), 20_000)
    second.child.kill('SIGKILL')
    expect(answer.status).toBe(200)
    expect((await e.imported(ids.connectorId, 2))[1]).toMatchObject({ state: 'completed', received: 1, stored: 1 })
  } finally {
    second.child.kill('SIGKILL')
    between.server.closeAllConnections()
    between.server.close()
  }
})
