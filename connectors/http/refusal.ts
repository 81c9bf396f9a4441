import { AppError, ERROR_CODES, type ErrorCode } from '../../domain/errors.ts'
import { retryAfterMs } from './backoff.ts'
import type { Answer } from './exchange.ts'
import { parseJson } from './json.ts'

/** What a vendor's error body says, in our words. */
export interface Explained {
  /** Absent: the status decides. */
  code?: ErrorCode
  /** The vendor's own code, `invalid_grant`. */
  reason?: string
  /** Where the vendor names a wait in the body. */
  retryAfterMs?: number
}

/** Reads a vendor's error body. `body` is parsed JSON, or the text where it is none. Undefined: the status decides. */
export type Explain = (body: unknown, answer: Answer) => Explained | undefined

/** An answer that is no success. The body may name people: it is no part of the message, and no log can find it. */
export class Refusal extends AppError {
  readonly answered: number
  readonly reason: string | undefined
  /** How far the source's clock is ahead of ours by its `Date` header; undefined without one. */
  readonly clockOffsetMs: number | undefined
  readonly #body: unknown

  constructor(code: ErrorCode, message: string, more: RefusalParts) {
    super(code, message, {
      ...(more.fix === undefined ? {} : { fix: more.fix }),
      ...(more.retryAfterMs === undefined ? {} : { retryAfterMs: more.retryAfterMs }),
    })
    this.answered = more.answered
    this.reason = more.reason
    this.clockOffsetMs = more.clockOffsetMs
    this.#body = more.body
  }

  get body(): unknown {
    return this.#body
  }
}

interface RefusalParts {
  answered: number
  reason: string | undefined
  clockOffsetMs: number | undefined
  body: unknown
  fix: string | undefined
  retryAfterMs: number | undefined
}

export type Fixes = Partial<Record<ErrorCode, string>>

/** What to do where the vendor's own words do not say it better. */
const FIXES: Fixes = {
  credential_refused: 'Enter the credentials again.',
  credential_expired: 'Enter new credentials.',
  permission_missing: 'Grant the permissions that the guide of this connector names.',
  settings_invalid: 'Correct the address of the source.',
  source_refused: 'Report this as a defect: the source does not accept what it was asked.',
}

/** Only what looks like a code may stand in a message. */
const REASON = /^[\w.:/-]{1,64}$/

/** The answer of a failed call as an error whose code decides whether it is tried again. */
export function refusalOf(
  doing: string,
  answer: Answer,
  now: number,
  { explain, fixes = {} }: { explain?: Explain | undefined; fixes?: Fixes | undefined } = {},
): Refusal {
  const body = parseJson(answer.text) ?? answer.text
  const explained = explain?.(body, answer) ?? {}
  const code = explained.code ?? codeOf(answer.status)
  const reason = explained.reason !== undefined && REASON.test(explained.reason) ? explained.reason : undefined
  const later = ERROR_CODES[code].retry === 'later'
  return new Refusal(code, `${doing} failed: ${answer.status}${reason ? ` ${reason}` : ''}`, {
    answered: answer.status,
    reason,
    clockOffsetMs: clockOffset(answer.headers.get('date'), now),
    body,
    fix: fixes[code] ?? FIXES[code],
    retryAfterMs: later ? (explained.retryAfterMs ?? retryAfterMs(answer.headers.get('retry-after'), now)) : undefined,
  })
}

function clockOffset(header: string | null, now: number): number | undefined {
  const ms = Date.parse(header ?? '')
  return Number.isNaN(ms) ? undefined : ms - now
}

function codeOf(status: number): ErrorCode {
  if (status === 429) return 'source_throttled'
  if (status === 401) return 'credential_refused'
  if (status === 403) return 'permission_missing'
  // Nothing is followed: a credential must not reach another place than the one configured.
  if (status >= 300 && status < 400) return 'settings_invalid'
  if (status === 408 || status === 425 || status >= 500) return 'connector_unreachable'
  return 'source_refused'
}

/** A success whose body is not what the source documents: a page of a proxy, or half an answer. Tried again. */
export const unreadable = (doing: string, expected: string): AppError =>
  new AppError('source_answer_invalid', `${doing} failed: the answer is not ${expected}`, {
    fix: 'Check that nothing between this machine and the source answers in its place.',
  })
