import type { Page, RangeInput, ReadInput } from '../connector.ts'
import { Refusal } from '../http/refusal.ts'
import { instantOf } from '../instants.ts'
import { object } from '../values.ts'
import { type EventsPage, openTeamLog, type TeamLog } from './client.ts'
import type { DropboxConfig } from './config.ts'

export const SWEEP_EVERY_SECONDS = 86_400
/** Events show up within a day, says the vendor; twice that is read again. */
export const SWEEP_REACH_SECONDS = 2 * 86_400
/** A lost cursor is begun anew so long before the last event: what was on its way then may have been late. */
const LOST_CURSOR_OVERLAP_MS = 86_400_000
const ORIGIN = 'dropbox team log'

interface Position {
  v: 1
  /** Of the live log; null before the first page. */
  cursor: string | null
  /** The latest event handed out by it. */
  lastEventAt: string
  /** Up to when the log was read again for late events. */
  sweptAt: string
  /** A sweep under way. */
  sweep: { from: string; to: string; cursor: string | null } | null
}

/** The sweep when it is due, then the live cursor to its end. */
export async function* read(input: ReadInput<DropboxConfig>): AsyncGenerator<Page> {
  const { config, until } = input
  const log = openTeamLog(input)
  const position = (input.position as unknown as Position | null) ?? begin(config, until)
  const page = (events: unknown[]): Page => pageOf(events, structuredClone(position) as unknown as Page['after'])

  if (!position.sweep && until.getTime() - Date.parse(position.sweptAt) >= SWEEP_EVERY_SECONDS * 1000) {
    const from = new Date(until.getTime() - SWEEP_REACH_SECONDS * 1000).toISOString()
    position.sweep = { from, to: until.toISOString(), cursor: null }
  }
  const { sweep } = position
  if (sweep) {
    for await (const { events, cursor } of windowPages(log, new Date(sweep.from), new Date(sweep.to), sweep.cursor)) {
      sweep.cursor = cursor
      yield page(events)
    }
    position.sweep = null
    position.sweptAt = sweep.to
    yield page([])
  }

  for (let more = true; more; ) {
    const found = await nextLive(log, position)
    more = found.hasMore
    position.cursor = found.cursor
    position.lastEventAt = latest(found.events, position.lastEventAt)
    yield page(found.events)
  }
}

/** A window of the past; its cursor resumes it. */
export async function* readRange(input: RangeInput<DropboxConfig>): AsyncGenerator<Page> {
  const { from, to } = input
  const reached = (input.position as { cursor?: string; done?: true } | null) ?? {}
  if (reached.done) return
  for await (const { events, cursor, hasMore } of windowPages(openTeamLog(input), from, to, reached.cursor ?? null)) {
    yield pageOf(events, hasMore ? { v: 1, cursor } : { v: 1, done: true })
  }
}

const begin = ({ startDaysBack }: DropboxConfig, until: Date): Position => ({
  v: 1,
  cursor: null,
  lastEventAt: new Date(until.getTime() - startDaysBack * 86_400_000 + LOST_CURSOR_OVERLAP_MS).toISOString(),
  sweptAt: until.toISOString(),
  sweep: null,
})

const pageOf = (events: unknown[], after: Page['after']): Page => ({
  origin: ORIGIN,
  records: events.map((record, index) => ({ line: index + 1, record })),
  after,
  whole: true,
})

async function* windowPages(log: TeamLog, from: Date, to: Date, resume: string | null): AsyncGenerator<EventsPage> {
  let cursor = resume
  for (;;) {
    const found = await resumed(log, cursor, () => log.since(from, to))
    yield found
    if (!found.hasMore) return
    cursor = found.cursor
  }
}

const nextLive = (log: TeamLog, position: Position): Promise<EventsPage> => {
  const anew = (after: number) => log.since(new Date(after - LOST_CURSOR_OVERLAP_MS))
  return resumed(log, position.cursor, (resetTo) => anew(resetTo?.getTime() ?? Date.parse(position.lastEventAt)))
}

/** Goes on at the cursor; begins anew where there is none or the source has forgotten it. */
async function resumed(
  log: TeamLog,
  cursor: string | null,
  anew: (resetTo?: Date) => Promise<EventsPage>,
): Promise<EventsPage> {
  if (cursor === null) return anew()
  try {
    return await log.goOn(cursor)
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'source_cursor_lost') throw error
    // `reset` says about which event the cursor had come to.
    return anew(instantOf(object(object(error.body)['error'])['reset']) ?? undefined)
  }
}

function latest(events: readonly unknown[], last: string): string {
  let ms = Date.parse(last)
  for (const event of events) ms = Math.max(ms, instantOf(object(event)['timestamp'])?.getTime() ?? 0)
  return new Date(ms).toISOString()
}
