import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { DB } from './generated/types.ts'
import { connectionError } from './trouble.ts'

export type Database = Kysely<DB>
/** A transaction or the pool: every query function takes one of them first. */
export type Connection = Kysely<DB>

export const STATEMENT_TIMEOUT_MS = 60_000
export const LOCK_TIMEOUT_MS = 10_000
export const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000
export const CONNECT_TIMEOUT_MS = 5_000

// int8 and numeric arrive as text: counts and ids here stay far below 2^53, and a score has one decimal.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)
pg.types.setTypeParser(pg.types.builtins.NUMERIC, Number)
// A calendar day is a text `YYYY-MM-DD`, never an instant in somebody's zone.
pg.types.setTypeParser(pg.types.builtins.DATE, (day) => day)

export interface ConnectOptions {
  /** Connections at most. */
  max?: number
  /** Shown in pg_stat_activity. */
  applicationName?: string
  onIdleError?: (error: Error) => void
}

export function createPool(
  url: string,
  { max = 10, applicationName = 'openirm', onIdleError }: ConnectOptions = {},
): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    options: [
      `-c statement_timeout=${STATEMENT_TIMEOUT_MS}`,
      `-c lock_timeout=${LOCK_TIMEOUT_MS}`,
      `-c idle_in_transaction_session_timeout=${IDLE_IN_TRANSACTION_TIMEOUT_MS}`,
      '-c timezone=UTC',
      '-c jit=off',
    ].join(' '),
  })
  // A server that goes away breaks idle connections; the pool replaces them, the process must not die of it.
  pool.on('error', (error) => onIdleError?.(error))
  // The pool listens to idle connections alone: one that breaks between two statements has nobody else to tell.
  pool.on('connect', (client) => client.on('error', connectionError))
  return pool
}

export function createDatabase(pool: pg.Pool): Database {
  const connect = () =>
    pool.connect().catch((error: Error) => {
      throw connectionError(error)
    })
  return new Kysely<DB>({ dialect: new PostgresDialect({ pool: { connect, end: () => pool.end() } }) })
}
