import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import type { Deps } from '../../activities/deps.ts'
import { buildRollups, evaluatePolicy } from '../../activities/evaluation.ts'
import { runImport } from '../../activities/imports.ts'
import { AccessBook } from '../../connectors/access.ts'
import { closeImport, openFileImport, openPullImport } from '../../db/imports.ts'
import type { KeyRing } from '../../db/keyring.ts'
import { Spool } from '../../db/spool.ts'
import type { ImportBalance } from '../../domain/processes.ts'
import { builtInOrigins } from './built-in.ts'
import { type TestDatabase, testDatabase } from './database.ts'

export interface Importing extends AsyncDisposable {
  t: TestDatabase
  deps: Deps
  /** Imports a file to its end, as the activity of `importRun` does. */
  send(connectorId: string, content: string | Uint8Array): Promise<ImportBalance>
  /** Reads a source that is pulled to its end, as of a moment from now. */
  pull(connectorId: string): Promise<ImportBalance>
  /** Fills the rollups of a policy that was made after something had been imported. */
  build(policyId: string): Promise<number>
  /** Looks at everybody, as of now unless told. */
  evaluate(policyId: string, asOf?: Date): ReturnType<ReturnType<typeof evaluatePolicy>>
}

/** A database with what the activities of imports and evaluations need, without Temporal: nothing here waits or retries. */
export async function importing(ring?: KeyRing): Promise<Importing> {
  const t = await testDatabase(ring)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openirm-spool-'))
  const deps: Deps = {
    db: t.db,
    databaseUrl: t.url,
    vault: t.vault,
    spool: new Spool(folder, t.vault),
    temporal: undefined as never,
    origin: await builtInOrigins(),
    access: new AccessBook(),
    log: pino({ level: 'silent' }),
    publicUrl: 'http://openirm.test',
    version: '0.0.0',
    hostname: 'test',
    allowPrivateAddresses: true,
    maxFileBytes: 1_000_000_000,
  }
  return {
    t,
    deps,
    async send(connectorId, content) {
      async function* bytes() {
        yield Buffer.from(content)
      }
      const spooled = await deps.spool.put(bytes(), deps.maxFileBytes)
      const { importId } = await openFileImport(t.db, t.vault, {
        connectorId,
        source: 'upload',
        ...spooled,
        fileName: 'test',
        nominalAt: new Date(),
      })
      const balance = await runImport(deps, importId, { signal: new AbortController().signal, heartbeat: () => {} })
      await closeImport(t.db, importId, { state: 'completed' })
      return balance
    },
    async pull(connectorId) {
      const nominalAt = new Date(Date.now() + 1_000)
      const { importId } = await openPullImport(t.db, { connectorId, source: 'request', nominalAt })
      const balance = await runImport(deps, importId, { signal: AbortSignal.timeout(60_000), heartbeat: () => {} })
      await closeImport(t.db, importId, { state: 'completed' })
      return balance
    },
    build: (policyId) => buildRollups(deps, policyId, { signal: new AbortController().signal, heartbeat: () => {} }),
    evaluate: (policyId, asOf = new Date()) =>
      evaluatePolicy(deps)({ policyId, asOf: asOf.toISOString(), everybody: true }),
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true, force: true })
      await t[Symbol.asyncDispose]()
    },
  }
}
