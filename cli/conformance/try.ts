import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { connectorKind } from '../../connectors/kinds.ts'
import { createDatabase, createPool } from '../../db/connection.ts'
import { createKeyRing } from '../../db/keyring.ts'
import { migrate } from '../../db/migrate.ts'
import { Vault } from '../../db/vault.ts'
import { AppError } from '../../domain/errors.ts'
import { startPostgres } from '../embedded/postgres.ts'
import { conform, pullKinds } from './conformance.ts'
import type { Host } from './host.ts'
import { PECULIAR } from './peculiar.ts'
import { SCENARIOS } from './scenarios.ts'
import { tableOf } from './table.ts'

export interface Asked {
  /** Null: every pull connector. */
  kinds: readonly string[] | null
  only: readonly string[] | undefined
  say(text: string): void
}

/** Tries connectors and says how it went. True when all of them conform. Throws connector_kind_unknown, invalid_request. */
export async function tryConnectors({ kinds, only, say }: Asked): Promise<boolean> {
  const definitions = kinds === null ? pullKinds() : kinds.map(connectorKind)
  const pushed = definitions.find(({ delivery }) => delivery !== 'pull')
  if (pushed) {
    throw new AppError('invalid_request', `${pushed.id} reads files that are brought to it`, {
      fix: `The kit tries pull connectors: ${pullKinds()
        .map(({ id }) => id)
        .join(', ')}.`,
    })
  }
  const known = [...SCENARIOS, ...PECULIAR].map(({ id }) => id)
  const unknown = only?.find((id) => !known.includes(id))
  if (unknown !== undefined) {
    throw new AppError('invalid_request', `there is no scenario ${unknown}`, {
      fix: `Choose from: ${known.join(', ')}.`,
    })
  }
  let passed = true
  await withThrowawayDatabase(async (host) => {
    for (const definition of definitions) {
      const report = await conform(host, definition, only ? { only } : {})
      say(`${tableOf(report).join('\n')}\n`)
      passed &&= report.passed
    }
  })
  return passed
}

async function withThrowawayDatabase(work: (host: Host) => Promise<void>): Promise<void> {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'openirm-conformance-'))
  chmodSync(dataDir, 0o755)
  try {
    const postgres = await startPostgres({ dataDir, log: { info: () => {} }, settings: { fsync: 'off' } })
    const db = createDatabase(createPool(postgres.url, { max: 4 }))
    try {
      await migrate(db)
      await work({ url: postgres.url, db, vault: new Vault(createKeyRing()) })
    } finally {
      await db.destroy()
      await postgres.stop()
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}
