import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { configuredConnector } from '../activities/connector-config.ts'
import { beginImports, runImport } from '../activities/imports.ts'
import { runChecks } from '../activities/prerequisites.ts'
import { readConnector } from '../db/connectors.ts'
import { closeImport } from '../db/imports.ts'
import { type S3StandIn, startS3 } from '../sandbox/s3.ts'
import { type SftpStandIn, startSftp } from '../sandbox/sftp.ts'
import { type Importing, importing } from './harness/importing.ts'
import { insertConnector } from './harness/rows.ts'
import { type Sample, samplesOfEveryKind, textAbout } from './harness/samples.ts'

const event = (asset: string) =>
  JSON.stringify([
    { UserId: 's.vault@example.com', AssetId: asset, EventTime: '2026-03-01T22:14:09Z', AccessStatus: 'Success' },
  ])

let runs = 0
/** One scheduled run: takes what is there and imports it. */
async function run(t: Importing, connectorId: string): Promise<number> {
  runs += 1
  const nominalAt = new Date().toISOString()
  const ids = await beginImports(t.deps)({ connectorId, runId: `run-${runs}`, nominalAt })
  for (const id of ids) {
    await runImport(t.deps, id, { signal: new AbortController().signal, heartbeat: () => {} })
    await closeImport(t.t.db, id, { state: 'completed' })
  }
  return ids.length
}
const onServer = ({ port, hostKey }: SftpStandIn, path: string) => ({
  kind: 'sftp',
  host: '127.0.0.1',
  port,
  path,
  userName: 'pickup',
  hostKey,
})
const inBucket = ({ credentials, region, endpoint }: S3StandIn, prefix: string) => ({
  pickUp: {
    kind: 's3',
    bucket: 'files',
    prefix,
    region,
    endpoint,
    forcePathStyle: true,
    accessKeyId: credentials.accessKeyId,
  },
  pickUpSecretAccessKey: credentials.secretAccessKey,
})

const importsOf = (t: Importing) =>
  t.t.db.selectFrom('import').select(['state', 'stored', 'error']).orderBy('started_at').orderBy('id').execute()

test('files of an SFTP server are taken once by their content, whatever their name; one unreadable keeps no other waiting', {
  timeout: 90_000,
}, async () => {
  await using t = await importing()
  await using server = await startSftp({ password: 'let me in' })
  const old = new Date('2026-03-02T00:00:00Z')
  server.put('/badges/a.json', event('LOBBY'), old)
  server.put('/badges/copy-of-a.json', event('LOBBY'), old)
  server.put('/badges/b.json', event('VAULT'), old)
  server.put('/badges/closed.json', event('CAGE'), old)
  server.deny('/badges/closed.json')
  const connectorId = await insertConnector(t.t, 'physical-badging', {
    pickUp: onServer(server, '/badges'),
    pickUpPassword: 'let me in',
  })
  const { settings } = await readConnector(t.t.db, connectorId)
  expect(JSON.stringify(settings)).not.toContain('let me in')

  expect(await run(t, connectorId)).toBe(2)
  expect(await run(t, connectorId)).toBe(0)
  expect(
    (await importsOf(t))
      .map(({ state, stored, error }) => [state, stored, (error as { code?: string } | null)?.code])
      .sort(),
  ).toEqual([
    ['completed', 1, undefined],
    ['completed', 1, undefined],
    ['failed', 0, 'file_unreadable'],
  ])
  // What was taken is not read again.
  expect(server.reads.sort()).toEqual(['/badges/a.json', '/badges/b.json', '/badges/copy-of-a.json'])

  server.put('/badges/c.json', event('ROOF'), old)
  server.onRead = (path) => {
    // Somebody goes on writing while it is read.
    if (path === '/badges/c.json') server.put(path, `${event('ROOF')} `, new Date('2026-03-03T00:00:00Z'))
  }
  expect(await run(t, connectorId)).toBe(0)
  server.onRead = () => {}
  expect(await run(t, connectorId)).toBe(1)
  expect(
    await t.t.db
      .selectFrom('activity')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow(),
  ).toEqual({ n: 3 })
})

test('objects below an S3 prefix are taken once by their content', { timeout: 60_000 }, async () => {
  await using t = await importing()
  await using s3 = await startS3()
  s3.put('files', 'in/a.json', event('LOBBY'))
  s3.put('files', 'in/copy.json', event('LOBBY'))
  s3.put('files', 'out/b.json', event('VAULT'))
  const connectorId = await insertConnector(t.t, 'physical-badging', inBucket(s3, 'in/'))
  expect([await run(t, connectorId), await run(t, connectorId)]).toEqual([1, 0])
  s3.put('files', 'in/a.json', event('ROOF'))
  expect(await run(t, connectorId)).toBe(1)
  expect((await importsOf(t)).map(({ state, stored }) => [state, stored])).toEqual([
    ['completed', 1],
    ['completed', 1],
  ])
})

test('a server that shows another host key is an unmet prerequisite with a fix', { timeout: 60_000 }, async () => {
  await using t = await importing()
  await using server = await startSftp({ password: 'let me in' })
  await using other = await startSftp()
  const pickUp = { kind: 'sftp', host: '127.0.0.1', port: server.port, userName: 'pickup', hostKey: other.hostKey }
  const connectorId = await insertConnector(t.t, 'hr', {
    scenarios: [
      {
        scenario: 'resignation',
        columns: { person: 'Email', resignationDate: 'Notice', lastWorkingDate: 'LastDay' },
      },
    ],
    pickUp,
    pickUpPassword: 'let me in',
  })
  const { definition, config } = await configuredConnector(t.t.db, t.t.vault, await readConnector(t.t.db, connectorId))
  const before = definition.prerequisites.filter(({ when }) => when === 'before')
  const outcomes = await runChecks(t.deps, connectorId, definition, config, before)
  expect(outcomes).toEqual([
    expect.objectContaining({ checkId: 'drop-folder', state: 'met' }),
    expect.objectContaining({ checkId: 'pick-up', state: 'unmet', code: 'settings_invalid' }),
  ])
  expect(outcomes[1]?.detail).toMatch(/another host key/)
})

describe('a file of every kind is fetched from everywhere, once, and again as gzip it is one of duplicates', () => {
  let t: Importing
  let server: SftpStandIn
  let s3: S3StandIn
  let folder: string
  beforeAll(async () => {
    t = await importing()
    server = await startSftp({ password: 'let me in' })
    s3 = await startS3()
    folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-folder-'))
  }, 60_000)
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true })
    for (const each of [s3, server, t]) await each[Symbol.asyncDispose]()
  })

  const settled = new Date('2026-03-02T00:00:00Z')
  /** A place of a name: the settings of who watches it, and how a file gets there. */
  type Watched = (name: string) => { settings: object; put(file: string, content: Buffer): void }
  const PLACES: Record<string, Watched> = {
    'a folder'(name) {
      const watched = path.join(folder, name)
      mkdirSync(watched)
      return {
        settings: { dropFolder: watched },
        put(file, content) {
          writeFileSync(path.join(watched, file), content)
          utimesSync(path.join(watched, file), settled, settled)
        },
      }
    },
    'an SFTP server': (name) => ({
      settings: { pickUp: onServer(server, `/${name}`), pickUpPassword: 'let me in' },
      put: (file, content) => server.put(`/${name}/${file}`, content, settled),
    }),
    'an S3 prefix': (name) => ({
      settings: inBucket(s3, `${name}/`),
      put: (file, content) => s3.put('files', `${name}/${file}`, content),
    }),
  }

  const importsAt = (connectorId: string) =>
    t.t.db
      .selectFrom('import')
      .select(['state', 'received', 'stored', 'duplicate', 'quarantined', 'ignored'])
      .where('connector_id', '=', connectorId)
      .orderBy('started_at')
      .execute()

  /** Takes the sample twice over, then packed; what became of it. */
  async function fetched(sample: Sample, from: string, watch: Watched) {
    const { title, kind, settings } = sample
    const place = watch(title.replace(/\W+/g, '-'))
    const connectorId = await insertConnector(t.t, kind.id, { ...settings, ...place.settings })
    const bytes = Buffer.from(textAbout(sample, from))
    place.put('a', bytes)
    place.put('copy-of-a', bytes)
    expect(await run(t, connectorId), from).toBe(1)
    place.put('a.gz', gzipSync(bytes))
    expect(await run(t, connectorId), from).toBe(1)
    const [first, second] = await importsAt(connectorId)
    const known = (first?.stored ?? 0) + (first?.duplicate ?? 0)
    expect(second, from).toEqual({ ...first, stored: 0, duplicate: known })
    return first
  }

  test.concurrent.each(samplesOfEveryKind().map((sample) => [sample.title, sample] as const))(
    '%s',
    {
      timeout: 60_000,
    },
    async (_, sample) => {
      const found = await Promise.all(Object.entries(PLACES).map(([from, watch]) => fetched(sample, from, watch)))
      expect(found[0]).toMatchObject({ state: 'completed' })
      expect(found[0]?.stored).toBeGreaterThan(0)
      expect(found).toEqual(found.map(() => found[0]))
    },
  )
})
