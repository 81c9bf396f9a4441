import type { Page, RangeInput, ReadInput } from '../connector.ts'
import { Refusal } from '../http/refusal.ts'
import { instantOf, toSeconds } from '../instants.ts'
import { object } from '../values.ts'
import type { AlertsPage, SecurityAlerts } from './alerts.ts'
import { openAlerts } from './client.ts'
import type { GraphAlertsConfig } from './config.ts'

export const OVERLAP_SECONDS = 15 * 60
export const SWEEP_EVERY_SECONDS = 86_400
export const SWEEP_REACH_SECONDS = 7 * 86_400
const ORIGIN = 'microsoft graph security alerts'

/** Pages under way: what is asked for, and where the next one is. */
interface Pass {
  filter: string
  next: string | null
}

interface Position {
  v: 1
  /** Whose words the passes are in; absent in positions that are older than the choice. */
  api?: GraphAlertsConfig['api']
  /** Of the newest version in a window that was read to its end; ISO, milliseconds. */
  updatedAt: string
  /** When the alerts of the last days were last read again. */
  sweptAt: string
  sweep: (Pass & { at: string }) | null
  live: (Pass & { newest: string }) | null
}

/** The sweep when it is due, then every alert that changed since the last window. */
export async function* read(input: ReadInput<GraphAlertsConfig>): AsyncGenerator<Page> {
  const { config, until } = input
  const alerts = openAlerts(input)
  const position = (input.position as unknown as Position | null) ?? begin(config, until)
  const page = (found: unknown[]): Page => pageOf(found, structuredClone(position) as unknown as Page['after'])
  const { created, updated } = alerts.fields

  // A pass that the other API has begun is begun anew: its filter and its links are not understood here.
  if ((position.api ?? 'graph') !== alerts.api) Object.assign(position, { api: alerts.api, sweep: null, live: null })
  if (!position.sweep && until.getTime() - Date.parse(position.sweptAt) >= SWEEP_EVERY_SECONDS * 1000) {
    const from = toSeconds(until.getTime() - SWEEP_REACH_SECONDS * 1000)
    position.sweep = { filter: `${created} ge ${from}`, next: null, at: until.toISOString() }
  }
  const { sweep } = position
  if (sweep) {
    for await (const { alerts: found, next } of pagesOf(alerts, sweep)) {
      sweep.next = next
      if (next === null) {
        position.sweep = null
        position.sweptAt = sweep.at
      }
      yield page(found)
    }
  }

  const from = toSeconds(Date.parse(position.updatedAt) - OVERLAP_SECONDS * 1000)
  position.live ??= { filter: `${updated} ge ${from}`, next: null, newest: position.updatedAt }
  const { live } = position
  for await (const { alerts: found, next } of pagesOf(alerts, live)) {
    live.next = next
    live.newest = newestOf(found, updated, live.newest)
    if (next === null) {
      // Not before: the newest comes first.
      position.updatedAt = live.newest
      position.live = null
    }
    yield page(found)
  }
}

/** Alerts created within a window, as they are now. */
export async function* readRange(input: RangeInput<GraphAlertsConfig>): AsyncGenerator<Page> {
  const { from, to } = input
  const reached = (input.position as { next?: string; done?: true } | null) ?? {}
  if (reached.done) return
  const alerts = openAlerts(input)
  const { created } = alerts.fields
  const filter = `${created} ge ${from.toISOString()} and ${created} lt ${to.toISOString()}`
  for await (const { alerts: found, next } of pagesOf(alerts, { filter, next: reached.next ?? null })) {
    yield pageOf(found, next === null ? { v: 1, done: true } : { v: 1, next })
  }
}

const begin = ({ startDaysBack }: GraphAlertsConfig, until: Date): Position => ({
  v: 1,
  updatedAt: new Date(until.getTime() - startDaysBack * 86_400_000).toISOString(),
  sweptAt: until.toISOString(),
  sweep: null,
  live: null,
})

/** From the page a pass has come to; from its first where that link leads nowhere any more. */
async function* pagesOf(alerts: SecurityAlerts, { filter, next }: Pass): AsyncGenerator<AlertsPage> {
  let link = next !== null && alerts.isOwn(next) ? next : null
  for (let begunAnew = false; ; ) {
    let found: AlertsPage
    try {
      found = link === null ? await alerts.find(filter) : await alerts.goOn(link)
    } catch (error) {
      if (link === null || begunAnew || !isForgotten(error)) throw error
      begunAnew = true
      link = null
      continue
    }
    yield found
    if (found.next === null) return
    link = found.next
  }
}

/** The only thing in a link that a source can find wrong is where to go on. */
const isForgotten = (error: unknown): boolean =>
  error instanceof Refusal && (error.answered === 400 || error.answered === 404 || error.answered === 410)

function newestOf(alerts: readonly unknown[], updated: string, known: string): string {
  const times = alerts.map((alert) => instantOf(object(alert)[updated])?.getTime() ?? 0)
  return new Date(Math.max(Date.parse(known), ...times)).toISOString()
}

const pageOf = (alerts: unknown[], after: Page['after']): Page => ({
  origin: ORIGIN,
  records: alerts.map((record, index) => ({ line: index + 1, record })),
  after,
  whole: true,
})
