import { executable, KEY, type Peer, run, TARGET, versionOf } from './peer.ts'

/** Source: https://bruin-data.github.io/ingestr/commands/ingest.html */
export const ingestr: Peer = {
  name: 'ingestr',
  must: 0.75,
  aim: 1.4,
  version: () => versionOf('ingestr'),
  wantsTable: false,
  async load({ url, file, scratch }) {
    const to = ['--dest-table', TARGET, '--incremental-strategy', 'merge', '--primary-key', KEY, '--yes']
    const { seconds } = await run(
      executable('ingestr') as string,
      [
        'ingest',
        '--source-uri',
        `csv://${file}`,
        '--source-table',
        'log',
        '--dest-uri',
        url,
        ...to,
        '--progress',
        'log',
      ],
      { env: { HOME: scratch, DISABLE_TELEMETRY: 'true', INGESTR_DISABLE_TELEMETRY: 'true' } },
    )
    return { seconds, command: `ingestr ingest --source-uri csv://… ${to.join(' ')}` }
  },
}
