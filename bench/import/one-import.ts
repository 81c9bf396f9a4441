/**
 * One import in a process of its own, so that its memory can be told from everything else's: takes a file into the
 * spool, runs the import on it, prints what it took as one line of JSON.
 */
import { createReadStream } from 'node:fs'
import { pino } from 'pino'
import type { Deps } from '../../activities/deps.ts'
import { runImport } from '../../activities/imports.ts'
import { AccessBook } from '../../connectors/access.ts'
import { openOriginLookup } from '../../connectors/origin.ts'
import { createDatabase, createPool } from '../../db/connection.ts'
import { openFileImport } from '../../db/imports.ts'
import { loadKeyRing } from '../../db/keyring.ts'
import { Spool } from '../../db/spool.ts'
import { Vault } from '../../db/vault.ts'

export interface OneImport {
  spoolSeconds: number
  seconds: number
  peakRssBytes: number
  /** Of this process, without the server. */
  cpuSeconds: number
  heartbeats: number
  balance: { received: number; stored: number; duplicate: number; quarantined: number; ignored: number }
}

export interface OneImportRequest {
  databaseUrl: string
  connectorId: string
  file: string
  spoolFolder: string
  /** A blank line at the end: the same rows in other bytes, so that it is an import of its own. */
  again: boolean
}

const request = JSON.parse(process.argv[2] ?? '') as OneImportRequest
const vault = new Vault(loadKeyRing(''))
const pool = createPool(request.databaseUrl, { applicationName: 'openirm-bench' })
const spool = new Spool(request.spoolFolder, vault)
const deps: Deps = {
  db: createDatabase(pool),
  databaseUrl: request.databaseUrl,
  vault,
  spool,
  // An import speaks to its own workflow by heartbeats alone.
  temporal: undefined as never,
  origin: await openOriginLookup(),
  access: new AccessBook(),
  log: pino({ level: 'silent' }),
  publicUrl: 'http://bench.invalid',
  version: '0.0.0',
  hostname: 'bench',
  allowPrivateAddresses: true,
  maxFileBytes: Number.MAX_SAFE_INTEGER,
}

async function* bytes() {
  yield* createReadStream(request.file, { highWaterMark: 1 << 20 })
  if (request.again) yield Buffer.from('\n')
}

const secondsSince = (start: number): number => (performance.now() - start) / 1000

const arrivedAt = performance.now()
const spooled = await spool.put(bytes(), deps.maxFileBytes)
const spoolSeconds = secondsSince(arrivedAt)
const { importId } = await openFileImport(deps.db, vault, {
  connectorId: request.connectorId,
  source: 'cli',
  sha256: spooled.sha256,
  bytes: spooled.bytes,
  fileName: 'bench',
  nominalAt: new Date(),
})
let heartbeats = 0
const cpuBefore = process.cpuUsage()
const startedAt = performance.now()
const { importId: _, ...balance } = await runImport(deps, importId, {
  signal: new AbortController().signal,
  heartbeat: () => {
    heartbeats += 1
  },
})
const seconds = secondsSince(startedAt)
const cpu = process.cpuUsage(cpuBefore)
await deps.db
  .updateTable('import')
  .set({ state: 'completed', finished_at: new Date() })
  .where('id', '=', importId)
  .execute()
await spool.drop(spooled.sha256)
await deps.db.destroy()
const answer: OneImport = {
  spoolSeconds,
  seconds,
  peakRssBytes: process.resourceUsage().maxRSS * 1024,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
  heartbeats,
  balance,
}
console.log(JSON.stringify(answer))
