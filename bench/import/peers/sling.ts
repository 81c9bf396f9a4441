import { executable, KEY, type Peer, run, TARGET, versionOf } from './peer.ts'

/** Source: https://docs.slingdata.io/sling-cli/run/configuration */
export const sling: Peer = {
  name: 'Sling',
  must: 1,
  aim: 2,
  version: () => versionOf('sling'),
  wantsTable: false,
  async load({ url, file, scratch }) {
    const target = new URL(url)
    // It asks for TLS unless told, and a server on this machine has none.
    if (!target.searchParams.has('sslmode')) target.searchParams.set('sslmode', 'disable')
    // `--primary-key` alone tells what belongs together; the table would take an event a second time.
    const options = `{table_keys: {primary: [${KEY}]}}`
    const args = [
      '--src-stream',
      `file://${file}`,
      '--tgt-object',
      TARGET,
      '--mode',
      'incremental',
      '--primary-key',
      KEY,
      '--tgt-options',
      options,
    ]
    const { seconds } = await run(executable('sling') as string, ['run', ...args, '--tgt-conn', 'BENCH'], {
      env: { BENCH: target.href, SLING_HOME_DIR: scratch, SLING_DISABLE_TELEMETRY: 'true' },
    })
    return {
      seconds,
      command: `sling run --src-stream file://… --tgt-object ${TARGET} --mode incremental --primary-key ${KEY} --tgt-options '${options}'`,
    }
  },
}
