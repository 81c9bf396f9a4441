import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { createKeyRing, loadKeyRing, withNewKey, writeKeyRing } from '../../db/keyring.ts'
import { resealAll, Vault } from '../../db/vault.ts'
import { AppError } from '../../domain/errors.ts'
import { keyRingFile } from '../data-directory.ts'
import { withDatabase } from '../environment.ts'
import { say } from '../terminal.ts'

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('the key ring of sealed values and workflow payloads')

  keys
    .command('create')
    .description('make a key ring where there is none')
    .action(() => {
      const file = ownRingFile()
      if (existsSync(file)) throw new AppError('state_conflict', `${file} exists already`)
      writeKeyRing(file, createKeyRing())
      say(`wrote ${file}; keep a copy where the database backup is not`)
    })

  keys
    .command('rotate')
    .description('add a key, seal everything anew under it; older keys stay for older payloads')
    .action(() =>
      withDatabase(async (db) => {
        const file = ownRingFile()
        const ring = withNewKey(loadKeyRing(file))
        // Before anything is sealed under the new key: a value whose key is lost is lost.
        writeKeyRing(file, ring)
        const { resealed } = await resealAll(db, new Vault(ring))
        say(`key ${ring.current} is current; ${resealed} values were sealed anew. Restart workers that still run.`)
      }),
    )

  keys
    .command('codec-endpoint')
    .description("the address by which Temporal's UI has payloads decoded; it is a secret")
    .action(async () => {
      const { codecCapability } = await import('../serving.ts')
      const base = process.env['OPENIRM_PUBLIC_URL'] ?? 'http://127.0.0.1:8080'
      say(`${base.replace(/\/$/, '')}/codec/${codecCapability(loadKeyRing(keyRingFile()))}`)
    })
}

/** The file that the ring is read from, which is the one to change. */
function ownRingFile(): string {
  if (process.env['OPENIRM_KEYRING']) {
    throw new AppError('state_conflict', 'the key ring comes by OPENIRM_KEYRING, which cannot be written to', {
      fix: 'Name a file by OPENIRM_KEYRING_FILE instead.',
    })
  }
  return process.env['OPENIRM_KEYRING_FILE'] ?? keyRingFile()
}
