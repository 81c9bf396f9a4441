import type { Connection } from './connection.ts'
import { insertSealed, openSealed, type Vault } from './vault.ts'

type Secrets = Record<string, unknown>

/** The stored secrets of a connector or destination; none when nothing is stored. */
export async function readSecrets(db: Connection, vault: Vault, secretId: string | null): Promise<Secrets> {
  if (secretId === null) return {}
  const sealed = (await openSealed(db, vault, [secretId])).get(secretId)
  return sealed ? (JSON.parse(sealed.toString()) as Secrets) : {}
}

/** Seals secrets anew and returns the new id; null when there are none. The caller points its row there, then drops the old one. */
export const sealSecrets = (tx: Connection, vault: Vault, secrets: Secrets): Promise<string | null> =>
  Object.keys(secrets).length === 0 ? Promise.resolve(null) : insertSealed(tx, vault, 'secret', JSON.stringify(secrets))

export async function dropSealed(tx: Connection, sealedId: string | null): Promise<void> {
  if (sealedId !== null) await tx.deleteFrom('sealed_value').where('id', '=', sealedId).execute()
}
