import { ActivityFailure, type ActivityOptions, ApplicationFailure, proxyActivities } from '@temporalio/workflow'
import type { Activities } from '../activities/index.ts'

/** Quick work on the database: tried again until the database is back, however long that takes. */
const PATIENT: ActivityOptions = {
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '30 seconds' },
}

/** A person waits for the answer: a failure is told to them soon. */
const PROMPT: ActivityOptions = {
  startToCloseTimeout: '30 seconds',
  retry: {
    initialInterval: '200 milliseconds',
    backoffCoefficient: 2,
    maximumInterval: '5 seconds',
    maximumAttempts: 8,
  },
}

/** Work that goes on for hours and says so by its heartbeat. */
const LONG: ActivityOptions = {
  startToCloseTimeout: '24 hours',
  heartbeatTimeout: '20 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '5 minutes' },
}

/** Activities with the words by which operators recognise them in the Temporal UI. */
export const patient = (summary: string) => proxyActivities<Activities>({ ...PATIENT, summary })
export const prompt = (summary: string) => proxyActivities<Activities>({ ...PROMPT, summary })
export const long = (summary: string, options: ActivityOptions = {}) =>
  proxyActivities<Activities>({ ...LONG, ...options, summary })

/** The code and the advice of a failed activity; null for anything else (a cancellation). */
export function failureOf(error: unknown): { code: string; detail: string; fix: string | null } | null {
  const cause = error instanceof ActivityFailure ? error.cause : error
  if (!(cause instanceof ApplicationFailure)) return null
  const [advice] = (cause.details ?? []) as { fix?: string | null }[]
  return { code: cause.type ?? 'internal', detail: cause.message, fix: advice?.fix ?? null }
}
