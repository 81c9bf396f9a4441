import type { Command } from 'commander'
import { loadKeyRing } from '../../db/keyring.ts'
import type { Queue } from '../../worker/worker.ts'
import { ownServers } from '../environment.ts'
import { keyRingFile, openPlatform } from '../platform.ts'
import { announceFirstAdmin, serveApi } from '../serving.ts'
import { askedToStop, say } from '../terminal.ts'
import { up } from '../up.ts'

/** `up`, `serve`, `work`: what runs until it is asked to stop. */
export function addRunning(program: Command): void {
  program
    .command('up')
    .description('start PostgreSQL, Temporal with its UI, API and workers; data is kept under .openirm/')
    .action(() => up(say, askedToStop()))

  program
    .command('serve')
    .description('serve the API against DATABASE_URL and TEMPORAL_ADDRESS')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port to listen on', '8080')
    .action(async ({ host, port }: { host: string; port: string }) => {
      const ring = loadKeyRing(keyRingFile())
      await using platform = await openPlatform(ownServers(), ring)
      const uiOrigin = process.env['OPENIRM_TEMPORAL_UI_ORIGIN']
      const server = await serveApi(platform.deps, ring, { host, port: Number(port), uiOrigin })
      await announceFirstAdmin(platform.deps, say)
      say(`serving ${server.url}`)
      await askedToStop()
      await server.close()
    })

  program
    .command('work')
    .description('serve task queues against DATABASE_URL and TEMPORAL_ADDRESS')
    .option('--queues <names>', 'imports,evaluation,triage,exports', 'imports,evaluation,triage,exports')
    .action(async ({ queues }: { queues: string }) => {
      await using platform = await openPlatform(ownServers(), loadKeyRing(keyRingFile()))
      const workers = await platform.work(queues.split(',') as Queue[])
      say('working')
      await Promise.race([askedToStop(), workers.done])
      await workers.stop()
    })
}
