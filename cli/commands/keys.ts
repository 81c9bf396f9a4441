import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { createKeyRing, loadKeyRing, withNewKey, writeKeyRing } from '../../db/keyring.ts'
import { resealAll, Vault } from '../../db/vault.ts'
import { AppError } from '../../domain/errors.ts'
import { withDatabase } from '../environment.ts'
import { keyRingFile } from '../platform.ts'
import { say } from '../terminal.ts'

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('the key ring of sealed values and workflow payloads')

  keys
    .command('create')
    .description('make a key ring where there is none')
    .action(() => {
      if (existsSync(keyRingFile())) throw new AppError('state_conflict', `${keyRingFile()} exists already`)
      writeKeyRing(keyRingFile(), createKeyRing())
      say(`wrote ${keyRingFile()}; keep a copy where the database backup is not`)
    })

  keys
    .command('rotate')
    .description('add a key, seal everything anew under it; older keys stay for older payloads')
    .action(() =>
      withDatabase(async (db) => {
        const ring = withNewKey(loadKeyRing(keyRingFile()))
        writeKeyRing(keyRingFile(), ring)
        const { resealed } = await resealAll(db, new Vault(ring))
        say(`key ${ring.current} is current; ${resealed} values were sealed anew. Restart workers that still run.`)
      }),
    )
}
