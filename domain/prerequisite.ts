/**
 * Prerequisites: dated, checked conditions. A connector kind, a policy template and a kind of destination declare theirs
 * as code; the words are the same for all three.
 */

export const VERDICTS = ['met', 'warning', 'unmet', 'unknown'] as const
/** `warning`: met, but not for long or not for all. `unknown`: it cannot be asked, or could not be. */
export type Verdict = (typeof VERDICTS)[number]

/** The outcome of one check, in words an admin can act on. No person's data. */
export interface CheckResult<V extends Verdict = Verdict> {
  state: V
  /** Stable code of what was found, e.g. `listing_denied`. */
  code: string
  detail: string
}

/** What every prerequisite says of itself. */
export interface PrerequisiteWords<V extends Verdict = Verdict> {
  id: string
  title: string
  /** Anchor within the guide. */
  anchor: string
  /** What its check can answer; `unknown` is among them wherever somebody outside is asked, who may be away. */
  verdicts: readonly V[]
  /** The guide, where it is not that of whoever declares it. */
  guide?: string
  /** How it is mended, step by step; the guide says it at length. */
  steps?: readonly string[]
  /** Where it is mended: a page of the vendor. */
  address?: string
  /** How long an answer holds; afterwards nobody knows until it is asked again. */
  validHours?: number
  /** What nobody sees without it. */
  blind?: string
  /** `pause` (unless said): imports of the connector stop. `warn`: they go on, and what is blind is written down. */
  onUnmet?: 'pause' | 'warn'
}

export const VALID_HOURS = 24

const DAY_MS = 86_400_000
/** Days before the end of something at which its admin is warned, the last first. */
const WARN_DAYS = [1, 7, 30] as const

/**
 * Of something that ends: a credential, a certificate, an attestation. Codes are `ends_within_1_day`,
 * `ends_within_7_days`, `ends_within_30_days`, so that each warning is a change of its own, `ended` and `lasts`.
 */
export function untilItEnds(what: string, endsAt: Date, now: Date): CheckResult<'met' | 'warning' | 'unmet'> {
  const day = endsAt.toISOString().slice(0, 10)
  const left = endsAt.getTime() - now.getTime()
  if (left <= 0) return { state: 'unmet', code: 'ended', detail: `${what} ended on ${day}.` }
  const within = WARN_DAYS.find((days) => left <= days * DAY_MS)
  return within === undefined
    ? { state: 'met', code: 'lasts', detail: `${what} lasts until ${day}.` }
    : {
        state: 'warning',
        code: within === 1 ? 'ends_within_1_day' : `ends_within_${within}_days`,
        detail: `${what} ends on ${day}: replace it before.`,
      }
}

export interface Attestation {
  attestedAt: Date
  expiresAt: Date
}

/** What a check could not find out, a valid attestation answers; anything that it did find stands. */
export function attested(found: CheckResult, attestation: Attestation | null, now: Date): CheckResult {
  if (found.state !== 'unknown' || !attestation) return found
  const end = untilItEnds('The attestation', attestation.expiresAt, now)
  if (end.state === 'unmet') return { ...found, code: 'attestation_ended', detail: `${end.detail} ${found.detail}` }
  if (end.state === 'warning') return { ...end, code: `attestation_${end.code}` }
  return {
    state: 'met',
    code: 'attested',
    detail: `Attested on ${attestation.attestedAt.toISOString().slice(0, 10)}; ${end.detail}`,
  }
}
