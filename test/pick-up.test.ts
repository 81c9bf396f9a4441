import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { configuredConnector } from '../activities/connector-config.ts'
import { beginImports, runImport } from '../activities/imports.ts'
import { runChecks } from '../activities/prerequisites.ts'
import { connectorKinds } from '../connectors/kinds.ts'
import { readConnector } from '../db/connectors.ts'
import { closeImport } from '../db/imports.ts'
import { startS3 } from '../sandbox/s3.ts'
import { startSftp } from '../sandbox/sftp.ts'
import { type Importing, importing } from './harness/importing.ts'
import { insertConnector } from './harness/rows.ts'

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
    pickUp: {
      kind: 'sftp',
      host: '127.0.0.1',
      port: server.port,
      path: '/badges',
      userName: 'pickup',
      hostKey: server.hostKey,
    },
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
  s3.put('badges', 'in/a.json', event('LOBBY'))
  s3.put('badges', 'in/copy.json', event('LOBBY'))
  s3.put('badges', 'out/b.json', event('VAULT'))
  const { accessKeyId, secretAccessKey } = s3.credentials
  const pickUp = {
    kind: 's3',
    bucket: 'badges',
    prefix: 'in/',
    region: s3.region,
    endpoint: s3.endpoint,
    forcePathStyle: true,
    accessKeyId,
  }
  const connectorId = await insertConnector(t.t, 'physical-badging', {
    pickUp,
    pickUpSecretAccessKey: secretAccessKey,
  })
  expect([await run(t, connectorId), await run(t, connectorId)]).toEqual([1, 0])
  s3.put('badges', 'in/a.json', event('ROOF'))
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

const PUSHED = [...connectorKinds].filter(([, { delivery }]) => delivery === 'push').map(([id]) => id)

test('a file of every kind is picked up from a folder, and again as gzip it is one of duplicates', {
  timeout: 90_000,
}, async () => {
  expect([...PUSHED].sort()).toEqual([
    'custom-file',
    'epic',
    'healthcare',
    'hr',
    'insider-risk-indicators',
    'physical-badging',
  ])
  await using t = await importing()
  for (const kind of PUSHED) {
    const records = path.join(import.meta.dirname, '../connectors', kind, 'records')
    const name = readdirSync(records).find((each) => /\.csv$|^sample.*\.json$/.test(each)) as string
    const bytes = readFileSync(path.join(records, name))
    const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-folder-'))
    try {
      const settled = new Date(Date.now() - 3_600_000)
      const put = (file: string, content: Buffer) => {
        writeFileSync(path.join(folder, file), content)
        utimesSync(path.join(folder, file), settled, settled)
      }
      const settings = JSON.parse(readFileSync(path.join(records, 'settings.json'), 'utf8'))
      const connectorId = await insertConnector(t.t, kind, { ...settings, dropFolder: folder })
      put('a', bytes)
      expect(await run(t, connectorId), kind).toBe(1)
      put('a.gz', gzipSync(bytes))
      expect(await run(t, connectorId), kind).toBe(1)
      const [first, second] = await t.t.db
        .selectFrom('import')
        .select(['received', 'stored', 'duplicate', 'quarantined'])
        .where('connector_id', '=', connectorId)
        .orderBy('started_at')
        .execute()
      expect(first?.stored, kind).toBeGreaterThan(0)
      const known = (first?.stored ?? 0) + (first?.duplicate ?? 0)
      expect(second, kind).toEqual({ ...first, stored: 0, duplicate: known })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
})
