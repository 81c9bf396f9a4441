import { isAppError } from '../domain/errors.ts'
import type { CheckResult, Verdict } from '../domain/prerequisite.ts'

/** The answer of a check that asks the source: a fault that somebody has to mend is an unmet condition, any other says nothing about it. */
export async function judged<V extends Verdict>(ask: () => Promise<CheckResult<V>>): Promise<CheckResult<V | 'unmet'>> {
  try {
    return await ask()
  } catch (error) {
    if (!isAppError(error) || error.retryable) throw error
    return { state: 'unmet', code: error.code, detail: `${error.message}. ${error.fix ?? ''}`.trim() }
  }
}
