import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiClient } from '../../cli/api-client.ts'
import { importFiles } from '../../cli/importing/import-files.ts'
import { type Sample, samplesOfEveryKind, textAbout } from '../harness/samples.ts'
import { eventually } from '../harness/world.ts'
import { type Api, api, type Caller } from './api.ts'

/**
 * A file of every kind by every way of sending it: once, whatever the way, and the same bytes again are no second import.
 * Ways by which files are fetched: test/pick-up.test.ts.
 */
let t: Api
let operator: Caller
let folder: string
beforeAll(async () => {
  t = await api({ workers: true })
  operator = await t.as('operator')
  folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-ways-'))
}, 90_000)
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await t[Symbol.asyncDispose]()
}, 90_000)

const BOUNDARY = '----form'
const form = (name: string, content: Buffer) => ({
  bytes: Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n\r\n`),
    content,
    Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
  ]),
  headers: { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` },
})

type Way = (connectorId: string, sample: Sample) => Promise<unknown>
const upload = async (connectorId: string, query: string, ask: Parameters<Caller['post']>[1]) => {
  const { status } = await operator.post(`/connectors/${connectorId}/files${query}`, ask)
  expect([200, 202]).toContain(status)
}

const WAYS: Record<string, Way> = {
  'as a bare body': (id, { name, text }) => upload(id, `?name=${name}`, { bytes: text }),
  'as a bare body of gzip': (id, { name, text }) => upload(id, `?name=${name}.gz`, { bytes: gzipSync(text) }),
  'in a form': (id, { name, text }) => upload(id, '', form(name, Buffer.from(text))),
  'in a form, as gzip': (id, { name, text }) => upload(id, '', form(`${name}.gz`, gzipSync(text))),
  async 'from the command line'(id, { name, text }) {
    const file = path.join(folder, `${id}-${name}`)
    writeFileSync(file, text)
    const said: string[] = []
    const screen = {
      say: (line: string) => said.push(line),
      complain: (line: string) => said.push(line),
      progress() {},
    }
    const input = { connector: id, files: [file], stdinName: 'none', stdin: Readable.from([]), showRejected: 1 }
    await importFiles(apiClient(t.url, operator.token), input, screen)
    expect(said.join('\n')).toMatch(/: completed: \d+ received/)
  },
}

const importsOf = (connectorId: string) =>
  eventually(
    () =>
      t.w.t.db
        .selectFrom('import')
        .select(['state', 'received', 'stored', 'duplicate', 'quarantined', 'ignored'])
        .where('connector_id', '=', connectorId)
        .execute(),
    { until: (rows) => rows.length > 0 && rows.every(({ state }) => state !== 'running'), timeoutMs: 60_000 },
  )

describe.concurrent.each(samplesOfEveryKind().map((sample) => [sample.title, sample] as const))('%s', (_, sample) => {
  test('comes in once by every way, with the same balance', { timeout: 90_000 }, async () => {
    const balances = await Promise.all(
      Object.entries(WAYS).map(async ([name, send]) => {
        const own = { ...sample, text: textAbout(sample, name) }
        const connectorId = await t.w.connector(sample.kind.id, sample.settings)
        await send(connectorId, own)
        await importsOf(connectorId)
        await send(connectorId, own)
        const imports = await importsOf(connectorId)
        expect(imports, name).toHaveLength(1)
        return imports[0]
      }),
    )
    expect(balances[0]).toMatchObject({ state: 'completed' })
    expect(balances[0]?.stored).toBeGreaterThan(0)
    for (const balance of balances) expect(balance).toEqual(balances[0])
  })
})
