import { AppError } from '../domain/errors.ts'

/** Classes and codes of PostgreSQL, and of the network on the way to it. */
const GONE = /^(08|57P0[123]|53300)|^(ECONNREFUSED|ECONNRESET|EPIPE|ENOTFOUND|ETIMEDOUT|EAI_AGAIN)$/
const DISK_FULL = '53100'
const CHECK_VIOLATION = '23514'

/**
 * Gives the error of a connection that broke, or never came about, the code that says so: pg tells some of these by words
 * alone, according to how the other side went. Returns the same error.
 */
export function connectionError(error: Error & { code?: string }): Error {
  error.code ??= 'ECONNRESET'
  return error
}

/**
 * What a code of PostgreSQL says by itself: the server is away or its disk is full, which passes; or a row breaks a rule
 * of its table, which no second try mends. Null for anything else.
 */
export function databaseTrouble(error: unknown): AppError | null {
  const { code } = (error ?? {}) as { code?: unknown }
  if (typeof code !== 'string') return null
  if (code === DISK_FULL) {
    return new AppError('database_full', 'the database has no space left', {
      cause: error,
      fix: 'Free space on its disk or enlarge it; what is under way then goes on by itself.',
    })
  }
  const { constraint } = error as { constraint?: string }
  // A trigger that names no rule compares with rows of others: these may be other ones at the next try.
  if (code === CHECK_VIOLATION && constraint !== undefined) {
    return new AppError('row_refused', `the database refused a row by its rule ${constraint}`, {
      cause: error,
      fix: 'This is a fault of OpenIRM: report it with the name of the rule.',
    })
  }
  if (!GONE.test(code)) return null
  return new AppError('database_unavailable', `the database cannot be reached (${code})`, {
    cause: error,
    fix: 'Try again with the same key.',
  })
}
