import { AppError } from '../domain/errors.ts'

/** Classes and codes of PostgreSQL, and of the network on the way to it. */
const GONE = /^(08|57P0[123]|53300)|^(ECONNREFUSED|ECONNRESET|EPIPE|ENOTFOUND|ETIMEDOUT|EAI_AGAIN)$/
const DISK_FULL = '53100'

/** What passes by itself or once an operator has acted: the server is away, or its disk is full. Null for anything else. */
export function databaseTrouble(error: unknown): AppError | null {
  const { code } = (error ?? {}) as { code?: unknown }
  if (typeof code !== 'string') return null
  if (code === DISK_FULL) {
    return new AppError('database_full', 'the database has no space left', {
      cause: error,
      fix: 'Free space on its disk or enlarge it; what is under way then goes on by itself.',
    })
  }
  if (!GONE.test(code)) return null
  return new AppError('database_unavailable', `the database cannot be reached (${code})`, {
    cause: error,
    fix: 'Try again with the same key.',
  })
}
