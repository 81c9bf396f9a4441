import { readFileSync } from 'node:fs'
import path from 'node:path'
import { executable, KEY, type Peer, run, SCHEMA, TABLE, versionOf } from './peer.ts'

const script = path.join(import.meta.dirname, 'dlt_load.py')

/** The Python that dlt's own command runs with. */
function python(): string | null {
  const command = executable('dlt')
  const [first = ''] = command ? readFileSync(command, 'utf8').split('\n', 1) : []
  return first.startsWith('#!') ? first.slice(2).trim() : null
}

/** Arrow batches, written by ADBC, merged by key. Source: https://dlthub.com/docs/dlt-ecosystem/destinations/postgres */
export const dlt: Peer = {
  name: 'dlt (Arrow, ADBC, merge)',
  must: 1,
  aim: 2,
  version: () => (python() ? versionOf('dlt') : null),
  wantsTable: false,
  async load({ url, file, scratch }) {
    const { out } = await run(python() as string, [script, file, SCHEMA, TABLE, KEY], {
      cwd: scratch,
      env: {
        DESTINATION__POSTGRES__CREDENTIALS: url.replace(/^postgres:/, 'postgresql:'),
        RUNTIME__DLTHUB_TELEMETRY: 'false',
        DLT_DATA_DIR: scratch,
      },
    })
    // Of the pipeline alone: what Python takes to start is not counted.
    return {
      seconds: Number(out.trim().split('\n').at(-1)),
      command: `python ${path.basename(script)} (loader_file_format parquet)`,
    }
  },
}
