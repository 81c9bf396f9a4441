import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { findTemporalCli } from '../../cli/embedded/temporal-cli.ts'
import { startTemporal } from '../../cli/embedded/temporal-server.ts'

/** One Temporal server for the installations that are killed over it. */
export async function setup(): Promise<() => Promise<void>> {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'openirm-endurance-'))
  const log = { info: (message: string) => process.stderr.write(`${message}\n`) }
  const { path: cliPath } = await findTemporalCli({ log })
  const temporal = await startTemporal({ cliPath, dataDir, log, keep: false })
  process.env['OPENIRM_TEST_TEMPORAL_ADDRESS'] = temporal.address
  return async () => {
    await temporal.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}
