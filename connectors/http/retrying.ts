import { isAppError } from '../../domain/errors.ts'
import type { Access } from '../access.ts'
import { backoffMs } from './backoff.ts'

const ATTEMPTS = 5
/** A longer wait is left to the workflow: it holds no worker. */
const PATIENCE_MS = 30_000

/** Repeats what may succeed without anybody changing anything, waiting as long as the source asks. */
export async function retrying<T>(access: Access, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (!isAppError(error) || !error.retryable || attempt >= ATTEMPTS) throw error
      const wait = error.retryAfterMs ?? backoffMs(attempt)
      if (wait > PATIENCE_MS) throw error
      await access.pause(wait, signal)
    }
  }
}
