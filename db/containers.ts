import { sql } from 'kysely'
import { ownText } from '../domain/own-text.ts'
import type { Connection, Database } from './connection.ts'
import { insertSealedRows, sealedRow, type Vault } from './vault.ts'

/** Container ids by name, for one connector. */
export type ContainerCache = Map<string, number>

/** Finds or creates the containers (buckets, drives, sites) of a chunk; names are kept sealed. */
export async function resolveContainers(
  db: Database,
  vault: Vault,
  connectorId: string,
  names: Iterable<string>,
  cache: ContainerCache,
): Promise<void> {
  const wanted = [...new Set(names)].filter((name) => !cache.has(name))
  if (wanted.length === 0) return
  const keyed = wanted.map((name) => ({ name, key: vault.lookupKey(`container/${connectorId}`, name) }))
  const take = async (tx: Connection) => {
    const found = await sql<{ id: number; lookup_key: Buffer }>`
      select id, lookup_key from container
      where connector_id = ${connectorId} and lookup_key = any (${keyed.map(({ key }) => key)}::bytea[])`.execute(tx)
    const ids = new Map(found.rows.map((row) => [row.lookup_key.toString('hex'), row.id]))
    for (const { name, key } of keyed) {
      const id = ids.get(key.toString('hex'))
      if (id !== undefined) cache.set(ownText(name), id)
    }
  }
  await take(db)
  const unknown = keyed.filter(({ name }) => !cache.has(name))
  if (unknown.length === 0) return
  await db.transaction().execute(async (tx) => {
    const sealed = unknown.map(({ name }) => sealedRow(vault, 'texts', name))
    await insertSealedRows(tx, sealed)
    const kept = await sql<{ sealed_id: string }>`
      insert into container (connector_id, lookup_key, sealed_id)
      select ${connectorId}::uuid, * from unnest(${unknown.map(({ key }) => key)}::bytea[],
                                                ${sealed.map((row) => row.id)}::uuid[])
      order by 2
      on conflict (connector_id, lookup_key) do nothing
      returning sealed_id`.execute(tx)
    const lost = new Set(sealed.map((row) => row.id))
    for (const row of kept.rows) lost.delete(row.sealed_id)
    if (lost.size > 0)
      await tx
        .deleteFrom('sealed_value')
        .where('id', 'in', [...lost])
        .execute()
  })
  await take(db)
}
