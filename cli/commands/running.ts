import { writeFileSync } from 'node:fs'
import { type Command, InvalidArgumentError } from 'commander'
import { loadKeyRing } from '../../db/keyring.ts'
import { TASK_QUEUES } from '../../domain/processes.ts'
import type { Queue } from '../../worker/worker.ts'
import { keyRingFile } from '../data-directory.ts'
import { ownServers, ownTemporal } from '../environment.ts'
import { askedToStop, say } from '../terminal.ts'

const QUEUES = Object.keys(TASK_QUEUES) as Queue[]

/** `up`, `serve`, `work`: what runs until it is asked to stop. */
export function addRunning(program: Command): void {
  program
    .command('up')
    .description('start PostgreSQL, Temporal with its UI, API and workers; data is kept under .openirm/')
    .action(async () => {
      const { up } = await import('../up.ts')
      await up(say, askedToStop())
    })

  program
    .command('serve')
    .description('serve the API against DATABASE_URL and TEMPORAL_ADDRESS; refuses a database that is not migrated')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port to listen on', portOf, 8080)
    .action(async ({ host, port }: { host: string; port: number }) => {
      // What is missing is told before the platform is loaded.
      const [servers, ring] = [ownServers(), loadKeyRing(keyRingFile())]
      const { openPlatform } = await import('../platform.ts')
      const { announceFirstAdmin, serveApi } = await import('../serving.ts')
      const { ensureStandingSchedules } = await import('../standing-schedules.ts')
      await using platform = await openPlatform(servers, ring)
      await platform.check()
      await ensureStandingSchedules(platform.deps)
      const uiOrigin = process.env['OPENIRM_TEMPORAL_UI_ORIGIN']
      const server = await serveApi(platform.deps, ring, { host, port, uiOrigin })
      await announceFirstAdmin(platform.deps, say)
      say(`serving ${server.url}`)
      await askedToStop()
      say('stopping …')
      await server.close()
    })

  program
    .command('work')
    .description('serve task queues against DATABASE_URL and TEMPORAL_ADDRESS')
    .option('--queues <names>', `some of ${QUEUES.join(',')}`, queuesOf, QUEUES)
    .option('--health-host <address>', 'address of the health port', '127.0.0.1')
    .option('--health-port <number>', 'answer GET /health here; not at all unless given', portOf)
    .action(
      async ({ queues, healthHost, healthPort }: { queues: Queue[]; healthHost: string; healthPort?: number }) => {
        const [servers, ring] = [ownServers(), loadKeyRing(keyRingFile())]
        const { openPlatform } = await import('../platform.ts')
        const { serveWorkerHealth } = await import('../worker-health.ts')
        await using platform = await openPlatform(servers, ring)
        await platform.check()
        const workers = await platform.work(queues)
        const health =
          healthPort === undefined
            ? null
            : await serveWorkerHealth(platform.deps, { host: healthHost, port: healthPort, queues })
        if (health) say(`health: ${health.url}/health`)
        say(`working on ${queues.join(', ')}`)
        await Promise.race([askedToStop(), workers.done])
        say('stopping …')
        await health?.close()
        await workers.stop()
      },
    )

  program
    .command('prepare-temporal')
    .description('register the namespace and the search attributes at TEMPORAL_ADDRESS; safe to repeat')
    .option('--retention-days <number>', 'closed workflows of a new namespace are kept for so long', daysOf, 30)
    .action(async ({ retentionDays }: { retentionDays: number }) => {
      const { prepareTemporal } = await import('../prepare-temporal.ts')
      await prepareTemporal(ownTemporal(), { retentionDays, say })
    })
}

/** Not inside `addRunning`: it is part of making an image, not of running one. */
export function addBundling(program: Command): void {
  program
    .command('bundle-workflows')
    .description(
      'write the bundle of the workflows for OPENIRM_WORKFLOW_BUNDLE, so that workers need not make it at start',
    )
    .argument('<file>')
    .action(async (file: string) => {
      const { bundleWorkflows } = await import('../../worker/bundle.ts')
      const { code } = await bundleWorkflows()
      writeFileSync(file, code)
      say(`wrote ${file}, ${Math.round(code.length / 1000)} kB`)
    })
}

function numberIn(text: string, least: number, most: number): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < least || number > most)
    throw new InvalidArgumentError(`a number from ${least} to ${most}`)
  return number
}
const portOf = (text: string): number => numberIn(text, 0, 65_535)
const daysOf = (text: string): number => numberIn(text, 1, 3_650)

function queuesOf(text: string): Queue[] {
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.find((name) => !QUEUES.includes(name as Queue))
  if (unknown !== undefined)
    throw new InvalidArgumentError(`there is no queue ${unknown}; queues are ${QUEUES.join(', ')}`)
  return [...new Set(names)] as Queue[]
}
