import { Connection } from '@temporalio/client'
import { AppError } from '../domain/errors.ts'
import { SEARCH_ATTRIBUTES } from '../domain/processes.ts'
import { type TemporalState, temporalState } from './checks.ts'
import { connected, type PlatformAddresses } from './platform.ts'

const DAY_S = 86_400
/** Temporal's own number for keywords. */
const KEYWORD = 2
const ALREADY_EXISTS = 6
/** A new namespace and its search attributes are known to the whole cluster only after a while. */
const SETTLES_WITHIN_MS = 60_000
const PAUSE_MS = 500

/**
 * Gives a Temporal server the namespace and the search attributes that the workflows use; says what it did. What exists
 * is left as it is, so it can run before every start.
 */
export async function prepareTemporal(
  { temporalAddress, temporalAccess, namespace = 'default' }: Omit<PlatformAddresses, 'databaseUrl'>,
  { retentionDays, say }: { retentionDays: number; say: (text: string) => void },
): Promise<void> {
  const connection = await connected(() => Connection.connect({ address: temporalAddress, ...temporalAccess }))
  try {
    const found = await temporalState(connection, namespace)
    if (!found.known) {
      await unlessThere(() =>
        connection.workflowService.registerNamespace({
          namespace,
          workflowExecutionRetentionPeriod: { seconds: (retentionDays * DAY_S) as never },
        }),
      )
      await settled(connection, namespace, ({ known }) => known)
      say(`registered namespace ${namespace}; closed workflows are kept for ${retentionDays} days`)
    }
    if (found.missing.length > 0) {
      await settled(
        connection,
        namespace,
        ({ missing }) => missing.length === 0,
        async ({ missing }) => {
          const searchAttributes = Object.fromEntries(missing.map((name) => [name, KEYWORD]))
          await unlessThere(() => connection.operatorService.addSearchAttributes({ namespace, searchAttributes }))
        },
      )
      say(`registered search attributes ${found.missing.join(', ')}`)
    }
    say(`${namespace} is ready: ${Object.keys(SEARCH_ATTRIBUTES).length} search attributes`)
  } finally {
    await connection.close()
  }
}

/** Somebody else may be preparing at the same time. */
async function unlessThere(make: () => Promise<unknown>): Promise<void> {
  try {
    await make()
  } catch (error) {
    if ((error as { code?: number }).code !== ALREADY_EXISTS) throw error
  }
}

/** Repeats `attempt` until the state is as wanted; a cluster that has just heard of a namespace refuses for a while. */
async function settled(
  connection: Connection,
  namespace: string,
  wanted: (state: TemporalState) => boolean,
  attempt: (state: TemporalState) => Promise<void> = async () => {},
): Promise<void> {
  let last: unknown
  for (const end = Date.now() + SETTLES_WITHIN_MS; Date.now() < end; ) {
    try {
      const state = await temporalState(connection, namespace)
      if (wanted(state)) return
      await attempt(state)
    } catch (error) {
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  throw new AppError('temporal_unprepared', `Temporal did not take up ${namespace} within a minute`, {
    cause: last,
    fix: 'Run it again; if it stays so, register namespace and search attributes by the tools of your Temporal service.',
  })
}
