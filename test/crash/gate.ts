import type { FaultMatch, Faults } from '../../sandbox/faults.ts'
import type { Installation } from './installation.ts'

/** Holds something open until it is let go; letting go twice does no harm. */
export interface Gate {
  /** How many stand before it, or stood. */
  waiting(): Promise<number>
  letGo(): Promise<void>
}

/** Keeps back every answer of a stand-in to such requests, which it carries out. */
export function gate(faults: Faults, match: FaultMatch): Gate {
  let open = () => {}
  const until = new Promise<void>((resolve) => {
    open = resolve
  })
  const armed = faults.next({ match, until, handled: true, times: Number.POSITIVE_INFINITY })
  return {
    waiting: async () => armed.hits,
    async letGo() {
      armed.disarm()
      open()
    },
  }
}

/** Takes a lock that somebody needs next and keeps it, so that they stand still inside their transaction. */
export async function lock({ t }: Pick<Installation, 't'>, statement: string, values: unknown[] = []): Promise<Gate> {
  const client = await t.pool.connect()
  let held = true
  const letGo = async () => {
    if (!held) return
    held = false
    // Where PostgreSQL was killed, the connection has died with it.
    await client.query('rollback').catch(() => {})
    client.release(true)
  }
  try {
    await client.query('begin')
    await client.query(statement, values)
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    const pid = rows[0]?.pid
    return {
      letGo,
      async waiting() {
        const { rows: waiting } = await t.pool.query<{ count: number }>(
          `with recursive waiting (pid) as (
             select $1::int
             union
             select each.pid from pg_stat_activity each join waiting on waiting.pid = any (pg_blocking_pids(each.pid))
           ) select count(*) - 1 as count from waiting`,
          [pid],
        )
        return waiting[0]?.count ?? 0
      },
    }
  } catch (error) {
    await letGo()
    throw error
  }
}
