import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '@temporalio/client'
import { findTemporalCli } from '../../cli/embedded/temporal-cli.ts'
import { startTemporal } from '../../cli/embedded/temporal-server.ts'
import { ONE_PARTITION } from './temporal.ts'

/** Of a run, before the server suggests another one. */
export const EVENTS = 40

export interface RenewingTemporal extends AsyncDisposable {
  address: string
}

/** A server that suggests to continue as new after so few events: what takes months elsewhere takes seconds here. */
export async function startRenewingTemporal(events = EVENTS): Promise<RenewingTemporal> {
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

/** Stirs a process until another run of it has taken over; how often it was stirred. */
export async function untilContinued(
  client: Client,
  id: string,
  stir: (time: number) => Promise<unknown>,
): Promise<number> {
  const handle = client.workflow.getHandle(id)
  const { runId } = await handle.describe()
  for (let time = 1; time <= 2 * EVENTS; time += 1) {
    await stir(time)
    // The server lets no run end while something new comes in.
    await sleep(50)
    if ((await handle.describe()).runId === runId) continue
    const { status } = await client.workflow.getHandle(id, runId).describe()
    if (status.name !== 'CONTINUED_AS_NEW') throw new Error(`a run of ${id} ended as ${status.name}`)
    return time
  }
  throw new Error(`${id} did not continue as new`)
}
