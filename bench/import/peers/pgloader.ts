import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { HEADER } from '../file.ts'
import { executable, type Peer, run, SCHEMA, TABLE, versionOf } from './peer.ts'

/** Source: https://pgloader.readthedocs.io/en/latest/ref/csv.html */
export const pgloader: Peer = {
  name: 'pgloader',
  must: 3,
  aim: 6,
  version: () => versionOf('pgloader'),
  wantsTable: true,
  async load({ url, file, scratch }) {
    const columns = HEADER.split(',')
      .map((name) => `"${name}"`)
      .join(', ')
    const script = path.join(scratch, 'load.pgloader')
    // The address of the server without its parameters, which pgloader takes for the name of the table.
    const { origin, pathname, username, password, host } = new URL(url)
    const to = `${origin === 'null' ? `postgresql://${username}:${password}@${host}` : origin}${pathname}`
    writeFileSync(
      script,
      `LOAD CSV FROM '${file}' (${columns}) INTO ${to}
       TARGET TABLE ${SCHEMA}.${TABLE} (${columns})
       WITH skip header = 1, fields optionally enclosed by '"', fields escaped by double-quote,
            fields terminated by ',', batch rows = 50000, prefetch rows = 100000;`,
    )
    const { seconds } = await run(executable('pgloader') as string, ['--quiet', script])
    return { seconds, command: 'pgloader (LOAD CSV … batch rows = 50000)' }
  },
}
