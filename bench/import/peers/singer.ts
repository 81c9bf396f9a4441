import { once } from 'node:events'
import { createReadStream, createWriteStream, writeFileSync } from 'node:fs'
import path from 'node:path'
import { finished } from 'node:stream/promises'
import { parse } from 'csv-parse'
import { HEADER } from '../file.ts'
import { executable, KEY, type Peer, run, SCHEMA, TABLE, versionOf } from './peer.ts'

/** A Singer target reads messages, not files: they are written beforehand, and that is not counted. */
export const singer: Peer = {
  name: 'Singer target-postgres',
  must: 3,
  aim: 6,
  version: () => versionOf('target-postgres'),
  wantsTable: false,
  async load({ url, file, scratch }) {
    const messages = path.join(scratch, 'log.singer')
    await writeMessages(file, messages)
    const config = path.join(scratch, 'config.json')
    writeFileSync(
      config,
      JSON.stringify({
        sqlalchemy_url: url.replace(/^postgres(ql)?:/, 'postgresql+psycopg:'),
        default_target_schema: SCHEMA,
        use_copy: true,
        add_record_metadata: false,
        activate_version: false,
        validate_records: false,
        batch_size_rows: 100_000,
      }),
    )
    const { seconds } = await run(executable('target-postgres') as string, ['--config', config, '--input', messages])
    return {
      seconds,
      command: 'target-postgres --config … --input … (use_copy, batch_size_rows 100000, key_properties)',
    }
  },
}

async function writeMessages(file: string, messages: string): Promise<void> {
  const text = { type: 'string' }
  const properties = Object.fromEntries(HEADER.split(',').map((name) => [name, text as Record<string, string>]))
  properties['timestamp'] = { type: 'string', format: 'date-time' }
  properties['bytes'] = { type: 'integer' }
  const out = createWriteStream(messages)
  const say = async (message: unknown) => {
    if (!out.write(`${JSON.stringify(message)}\n`)) await once(out, 'drain')
  }
  await say({ type: 'SCHEMA', stream: TABLE, schema: { type: 'object', properties }, key_properties: [KEY] })
  for await (const record of createReadStream(file).pipe(parse({ columns: true })) as AsyncIterable<any>) {
    await say({ type: 'RECORD', stream: TABLE, record: { ...record, bytes: Number(record.bytes) } })
  }
  out.end()
  await finished(out)
}
