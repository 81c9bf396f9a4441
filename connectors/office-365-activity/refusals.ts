import type { ErrorCode } from '../../domain/errors.ts'
import { type Explain, type Fixes, Refusal } from '../http/refusal.ts'
import { object, text } from '../values.ts'

/** Asked for again no sooner, where the API throttles without saying for how long. */
const THROTTLED_MS = 30_000

/** https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#errors */
const CODES: Record<string, ErrorCode> = {
  // Arrives with 403 as often as with 429.
  AF429: 'source_throttled',
  AF10001: 'permission_missing',
  // The tenant of the token, of the path: unlike, unknown, misconfigured, no GUID.
  AF20010: 'settings_invalid',
  AF20011: 'auditing_off',
  AF20012: 'settings_invalid',
  AF20013: 'settings_invalid',
  AF20022: 'subscription_not_started',
  AF20023: 'subscription_disabled',
  AF50000: 'connector_unreachable',
  AF50005: 'connector_unreachable',
  AF50006: 'connector_unreachable',
}

/** Missing, older than seven days, not an id: of one blob alone. */
const GONE = new Set(['AF20050', 'AF20051', 'AF20052'])
const WINDOW = new Set(['AF20030', 'AF20055'])
/** https://learn.microsoft.com/office/office-365-management-api/troubleshooting-the-office-365-management-activity-api */
const NOT_AUDITED = /Tenant \S+ does not exist/
const WAIT = /retry again after (?:(\d+)m )?(\d+)s/i

export const isGone = (error: unknown): boolean => hasReason(error, (reason) => GONE.has(reason))
export const isWindowRefused = (error: unknown): boolean => hasReason(error, (reason) => WINDOW.has(reason))
export const isPageForgotten = (error: unknown): boolean => hasReason(error, (reason) => reason === 'AF20031')
export const isStartedAlready = (error: unknown): boolean => hasReason(error, (reason) => reason === 'AF20024')
export const isNotStarted = (error: unknown): boolean => hasReason(error, (reason) => reason === 'AF20022')
export const isOfSubscription = (error: unknown): boolean =>
  hasReason(error, (reason) => reason === 'AF20022' || reason === 'AF20023')

const hasReason = (error: unknown, holds: (reason: string) => boolean): boolean =>
  error instanceof Refusal && error.reason !== undefined && holds(error.reason)

/** The code stands in JSON, in JSON with single quotes, or in whatever a gateway makes of it. */
export const explain: Explain = (body, { status, headers }) => {
  const whole = typeof body === 'string' ? body : JSON.stringify(body)
  const reason = text(object(object(body)['error'])['code']) ?? /\bAF\d{3,5}\b/.exec(whole)?.[0]
  const code = (reason && CODES[reason]) ?? (NOT_AUDITED.test(whole) ? 'auditing_off' : undefined)
  const throttled = code === 'source_throttled' || status === 429
  return {
    ...(code ? { code } : {}),
    ...(reason === undefined ? {} : { reason }),
    ...(throttled && !headers.has('retry-after') ? { retryAfterMs: waitIn(whole) ?? THROTTLED_MS } : {}),
  }
}

function waitIn(body: string): number | undefined {
  const [, minutes = '0', seconds] = WAIT.exec(body) ?? []
  return seconds === undefined ? undefined : (Number(minutes) * 60 + Number(seconds)) * 1000
}

export const FIXES: Fixes = {
  permission_missing:
    'Give the app the application permission ActivityFeed.Read of the Office 365 Management APIs, for DLP.All also ActivityFeed.ReadDlp, and grant admin consent; it may take minutes to hold.',
  settings_invalid: 'Check the tenant id and that the addresses of API and sign-in are of one cloud.',
  auditing_off:
    'Turn on auditing in Exchange Online PowerShell: Set-AdminAuditLogConfig -UnifiedAuditLogIngestionEnabled $true. It takes up to an hour. If it is on, check the tenant id.',
  subscription_not_started:
    'Start the subscription of this content type, or allow the connector to do so in its settings.',
  subscription_disabled:
    'An admin of the tenant or of the service disabled this subscription: have it enabled, or leave the content type out.',
}
