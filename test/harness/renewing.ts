import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { findTemporalCli } from '../../cli/embedded/temporal-cli.ts'
import { startTemporal } from '../../cli/embedded/temporal-server.ts'
import { ONE_PARTITION } from './temporal.ts'

export interface RenewingTemporal extends AsyncDisposable {
  address: string
}

/** A server that suggests to continue as new after so few events: what takes months elsewhere takes seconds here. */
export async function startRenewingTemporal(events: number): Promise<RenewingTemporal> {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'openirm-renewing-'))
  chmodSync(dataDir, 0o755)
  const log = { info: () => {} }
  const { path: cliPath } = await findTemporalCli({ log })
  const dynamicConfig = { ...ONE_PARTITION, 'limit.historyCount.suggestContinueAsNew': events }
  const temporal = await startTemporal({ cliPath, dataDir, log, keep: false, dynamicConfig })
  return {
    address: temporal.address,
    async [Symbol.asyncDispose]() {
      await temporal.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
