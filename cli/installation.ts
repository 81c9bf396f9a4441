import { existsSync } from 'node:fs'
import { createKeyRing, type KeyRing, loadKeyRing, writeKeyRing } from '../db/keyring.ts'
import { migrate } from '../db/migrate.ts'
import { loadIndicators, syncIndicators } from '../policies/load.ts'
import { dataDirectory, keyRingFile } from './data-directory.ts'
import { startEmbedded } from './embedded/embedded.ts'
import type { Lock } from './embedded/lock.ts'
import { freePort } from './embedded/ports.ts'
import { openPlatform, type Platform } from './platform.ts'
import { codecCapability, serveApi } from './serving.ts'
import { ensureStandingSchedules } from './standing-schedules.ts'

const HOST = '127.0.0.1'
const PORT = 8080

export interface Installation {
  /** Base address of the API. */
  url: string
  /** Absent with a Temporal server of one's own. */
  temporalUiUrl: string | undefined
  databaseUrl: string
  /** True when PostgreSQL is the one that was started here. */
  ownsDatabase: boolean
  platform: Platform
  ring: KeyRing
  /** Settles when the workers have ended; rejects when one failed. */
  done: Promise<void>
  stop(): Promise<void>
}

/** The whole platform in this process beside its servers, over the data directory. */
export async function startInstallation(say: (text: string) => void, lock?: Lock): Promise<Installation> {
  const { port, preferredTaken } = await freePort(PORT)
  const url = `http://${HOST}:${port}`
  const embedded = await startEmbedded({
    dataDir: dataDirectory(),
    log: { info: say },
    lock,
    codecEndpoint: () => `${url}/codec/${codecCapability(ringOfInstallation())}`,
  })
  const stops: (() => Promise<unknown>)[] = [embedded.stop]
  const stop = async () => {
    // The API first: it asks Temporal, and whoever asks it should be told that it is gone.
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    if (preferredTaken) say(`the usual port of the API is taken; it listens on ${port}`)
    const ring = ringOfInstallation()
    const platform = await openPlatform({ ...embedded, publicUrl: url }, ring)
    stops.push(async () => platform[Symbol.asyncDispose]())
    const { db } = platform.deps
    await migrate(db)
    await platform.check()
    const ownsDatabase = !process.env['DATABASE_URL']
    await syncIndicators(db, loadIndicators(process.env['OPENIRM_INDICATORS_DIR']).values())
    const workers = await platform.work()
    stops.push(() => workers.stop())
    await ensureStandingSchedules(platform.deps)
    const server = await serveApi(platform.deps, ring, { host: HOST, port, uiOrigin: embedded.temporalUiUrl })
    stops.push(() => server.close())
    const { temporalUiUrl, databaseUrl } = embedded
    embedded.lock.update({ API: url, 'Temporal UI': temporalUiUrl ?? 'your own' })
    return { url, temporalUiUrl, databaseUrl, ownsDatabase, platform, ring, done: workers.done, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The key ring, made on the first start; the data directory is ours by then. */
function ringOfInstallation(): KeyRing {
  const given = process.env['OPENIRM_KEYRING'] ?? process.env['OPENIRM_KEYRING_FILE']
  if (given === undefined && !existsSync(keyRingFile())) writeKeyRing(keyRingFile(), createKeyRing())
  return loadKeyRing(keyRingFile())
}
