import { existsSync } from 'node:fs'
import { createKeyRing, type KeyRing, loadKeyRing, writeKeyRing } from '../db/keyring.ts'
import { migrate } from '../db/migrate.ts'
import { loadIndicators, syncIndicators } from '../policies/load.ts'
import { startEmbedded } from './embedded/embedded.ts'
import { freePort } from './embedded/ports.ts'
import { dataDirectory, keyRingFile, openPlatform } from './platform.ts'
import { announceFirstAdmin, codecCapability, serveApi } from './serving.ts'
import { ensureStandingSchedules } from './standing-schedules.ts'

const HOST = '127.0.0.1'
const PORT = 8080

/** The whole platform in one process beside its servers, until asked to stop or a worker fails. */
export async function up(say: (text: string) => void, asked: Promise<void>): Promise<void> {
  const { port, preferredTaken } = await freePort(PORT)
  const url = `http://${HOST}:${port}`
  const embedded = await startEmbedded({
    dataDir: dataDirectory(),
    log: { info: say },
    codecEndpoint: () => `${url}/codec/${codecCapability(ringOfInstallation())}`,
  })
  try {
    if (preferredTaken) say(`the usual port of the API is taken; it listens on ${port}`)
    const ring = ringOfInstallation()
    await using platform = await openPlatform({ ...embedded, publicUrl: url }, ring)
    await migrate(platform.deps.db)
    await syncIndicators(platform.deps.db, loadIndicators(process.env['OPENIRM_INDICATORS_DIR']).values())
    const workers = await platform.work()
    await ensureStandingSchedules(platform.deps)
    const server = await serveApi(platform.deps, ring, { host: HOST, port, uiOrigin: embedded.temporalUiUrl })
    const ui = embedded.temporalUiUrl ?? 'your own'
    embedded.lock.update({ API: url, 'Temporal UI': ui })
    await announceFirstAdmin(platform.deps, say)
    say(`OpenIRM is up. API: ${url} (docs: ${url}/docs). Temporal UI: ${ui}. Stop with Ctrl-C.`)
    await Promise.race([asked, workers.done])
    say('stopping …')
    // The API first: it asks Temporal, and whoever asks it should be told that it is gone.
    await server.close()
    await workers.stop()
  } finally {
    await embedded.stop()
  }
}

/** The key ring, made on the first start; the data directory is ours by then. */
function ringOfInstallation(): KeyRing {
  const given = process.env['OPENIRM_KEYRING'] ?? process.env['OPENIRM_KEYRING_FILE']
  if (given === undefined && !existsSync(keyRingFile())) writeKeyRing(keyRingFile(), createKeyRing())
  return loadKeyRing(keyRingFile())
}
