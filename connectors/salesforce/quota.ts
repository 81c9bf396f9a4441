import { AppError } from '../../domain/errors.ts'

/** The quota is one of any 24 hours: an hour later there is some of it again. */
export const QUOTA_WAIT_MS = 3_600_000

/** Calls to the API in the last 24 hours, by everybody, and how many are allowed. */
export interface Usage {
  used: number
  allowed: number
}

/** `Sforce-Limit-Info: api-usage=135/100000`; a further part may tell the usage of one app. */
const USAGE = /(?:^|[;,\s])api-usage=(\d+)\/(\d+)/

export function usageOf(headers: Headers): Usage | undefined {
  const found = USAGE.exec(headers.get('sforce-limit-info') ?? '')
  return found ? { used: Number(found[1]), allowed: Number(found[2]) } : undefined
}

export const isUsedUp = (usage: Usage | undefined): boolean => usage !== undefined && usage.used >= usage.allowed

/** Leaves the rest of the organisation's calls to the others. */
export class Quota {
  readonly #share: number
  #usage: Usage | undefined

  constructor(share: number) {
    this.#share = share
  }

  note(headers: Headers): void {
    this.#usage = usageOf(headers) ?? this.#usage
  }

  /** Throws source_throttled, with a wait of an hour, when the last answer told that the share is used. */
  check(): void {
    const { used, allowed } = this.#usage ?? { used: 0, allowed: 1 }
    if (used < allowed * this.#share) return
    throw new AppError('source_throttled', `reading pauses: ${used} of ${allowed} daily API calls are used`, {
      retryAfterMs: QUOTA_WAIT_MS,
      fix: 'Wait, find out who else uses the API so much, or allow this connector a larger share.',
    })
  }
}
