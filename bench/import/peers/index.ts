import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import type { GeneratedFile } from '../file.ts'
import { dlt } from './dlt.ts'
import { ingestr } from './ingestr.ts'
import { KEY, type Loaded, type Peer, SCHEMA, TARGET } from './peer.ts'
import { pgloader } from './pgloader.ts'
import { singer } from './singer.ts'
import { sling } from './sling.ts'

export const PEERS: readonly Peer[] = [pgloader, singer, dlt, sling, ingestr]

/**
 * Lets a peer load the file into a table of its own. Throws when rows are missing or there twice. Where it leaves a table
 * that would take an event a second time, adding the key is part of its time: checking less is not being faster.
 */
export async function loadWith(peer: Peer, url: string, log: GeneratedFile, scratch: string): Promise<Loaded> {
  const folder = mkdtempSync(path.join(scratch, 'peer-'))
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(`drop schema if exists ${SCHEMA} cascade`)
    await client.query(`create schema ${SCHEMA}`)
    if (peer.wantsTable) await client.query(`create table ${TARGET} (${log.table})`)
    await client.query('checkpoint')
    const loaded = await peer.load({ url, file: log.path, rows: log.rows, scratch: folder })
    const { rows } = await client.query(`select count(*)::int as n, count(distinct ${KEY})::int as keys from ${TARGET}`)
    if (rows[0].n !== log.rows || rows[0].keys !== log.rows)
      throw new Error(`${peer.name} left ${rows[0].n} rows with ${rows[0].keys} keys of ${log.rows}`)
    const keySeconds = await enforceKey(client)
    const command = keySeconds > 0 ? `${loaded.command}; create unique index` : loaded.command
    return { seconds: loaded.seconds + keySeconds, command }
  } finally {
    await client.query(`drop schema if exists ${SCHEMA} cascade`).catch(() => {})
    await client.query(`drop schema if exists ${SCHEMA}_staging cascade`).catch(() => {})
    await client.end()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Seconds that it takes to have the key enforced: 0 where the peer has seen to it. */
async function enforceKey(client: pg.Client): Promise<number> {
  const { rowCount } = await client.query(
    `select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
     where i.indrelid = $1::regclass and i.indisunique and i.indnkeyatts = 1 and i.indpred is null and a.attname = $2`,
    [TARGET, KEY],
  )
  if (rowCount !== 0) return 0
  const startedAt = performance.now()
  await client.query(`create unique index on ${TARGET} (${KEY})`)
  return (performance.now() - startedAt) / 1000
}
