import { createServer } from 'node:http'
import { sql } from 'kysely'
import type { Deps } from '../activities/deps.ts'

const PROBE_MS = 3_000

/**
 * Tells an orchestrator whether a process of workers is well: GET /health answers 200 while database and Temporal do,
 * 503 otherwise. A worker that fails ends the process by itself.
 */
export async function serveWorkerHealth(
  { db, temporal }: Deps,
  { host, port, queues }: { host: string; port: number; queues: readonly string[] },
): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    if (request.url !== '/health') return void response.writeHead(404).end()
    const [database, workflows] = await Promise.all([
      answers(sql`select 1`.execute(db)),
      answers(temporal.workflowService.getSystemInfo({})),
    ])
    response.writeHead(database && workflows ? 200 : 503, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ queues, database, temporal: workflows }))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return {
    url: `http://${host}:${(server.address() as { port: number }).port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

const answers = (probe: Promise<unknown>): Promise<boolean> =>
  Promise.race([
    probe.then(
      () => true,
      () => false,
    ),
    new Promise<boolean>((resolve) => setTimeout(resolve, PROBE_MS, false).unref()),
  ])
