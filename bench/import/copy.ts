import { spawnSync } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { GeneratedFile } from './file.ts'

const COPY = 'plain_copy from stdin (format csv, header)'

/** `psql` where it is installed, for it is what people know; else the same protocol from Node, which costs the same. */
export const copyClient = (): 'psql' | 'pg-copy-streams' =>
  spawnSync('psql', ['--version']).status === 0 ? 'psql' : 'pg-copy-streams'

/** Seconds of a client COPY of the file into a fresh table that has the event's id as its key. */
export async function copySeconds(url: string, file: Pick<GeneratedFile, 'path' | 'table'>): Promise<number> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query('drop table if exists plain_copy')
    await client.query(`create table plain_copy (${file.table})`)
    await client.query('checkpoint')
    const startedAt = performance.now()
    if (copyClient() === 'psql') {
      const copied = spawnSync('psql', [
        url,
        '-q',
        '-v',
        'ON_ERROR_STOP=1',
        '-c',
        `\\copy ${COPY.replace('stdin', `'${file.path}'`)}`,
      ])
      if (copied.status !== 0) throw new Error(`psql: ${copied.stderr}`)
    } else {
      await pipeline(createReadStream(file.path, { highWaterMark: 1 << 20 }), client.query(copyFrom(`copy ${COPY}`)))
    }
    return (performance.now() - startedAt) / 1000
  } finally {
    await client.query('drop table if exists plain_copy')
    await client.end()
  }
}
