import { sql } from 'kysely'
import { Gauge, Registry } from 'prom-client'
import { figures } from '../db/queries/figures.ts'
import type { ApiDeps } from './deps.ts'
import { read } from './route.ts'

/** A probe answers within this or the other side counts as unreachable. */
const PROBE_MS = 3_000

export const getHealth = read('getHealth', async ({ deps }) => ({
  status: 200,
  body: { status: 'ok' as const, version: deps.version },
}))

export const getReadiness = read('getReadiness', async ({ deps }) => {
  const [database, temporal] = await Promise.all([
    reachable(sql`select 1`.execute(deps.db)),
    reachable(askTemporal(deps)),
  ])
  const ready = database === 'reachable' && temporal === 'reachable'
  return { status: ready ? 200 : 503, body: { ready, database, temporal } }
})

const askTemporal = async ({ temporal }: ApiDeps): Promise<unknown> =>
  temporal.workflow.withDeadline(Date.now() + PROBE_MS, () =>
    temporal.workflowService.describeNamespace({ namespace: temporal.options.namespace }),
  )

async function reachable(probe: Promise<unknown>): Promise<'reachable' | 'unreachable'> {
  const late = new Promise<'unreachable'>((resolve) => setTimeout(resolve, PROBE_MS, 'unreachable').unref())
  return Promise.race([
    probe.then(
      () => 'reachable' as const,
      () => 'unreachable' as const,
    ),
    late,
  ])
}

export const getMetrics = read('getMetrics', async ({ deps, db }) => {
  const registry = new Registry()
  const found = await figures(db)
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `openirm_${name}`, help, labelNames, registers: [registry] })
  for (const [noun, rows] of Object.entries(found.states)) {
    const states = gauge(noun, `Number of ${noun} by state`, ['state'])
    for (const { state, n } of rows) states.set({ state }, n)
  }
  const rows = gauge('import_rows', 'Rows of all imports by what became of them', ['outcome'])
  for (const [outcome, n] of Object.entries(found.rows)) rows.set({ outcome }, Number(n))
  const queued = gauge('deliveries_queued', 'Deliveries that wait, by destination', ['destination'])
  for (const { id, queued: n } of found.queued) queued.set({ destination: id }, Number(n))
  gauge('evaluations_waiting', 'People and policies that wait for an evaluation').set(found.waitingEvaluations)
  gauge('info', 'Version', ['version']).set({ version: deps.version }, 1)
  return { status: 200, body: await registry.metrics(), contentType: 'text/plain' }
})
