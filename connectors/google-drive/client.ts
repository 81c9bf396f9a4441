import type { ReadInput } from '../connector.ts'
import { openHttp } from '../http/client.ts'
import { type Explain, type Fixes, Refusal } from '../http/refusal.ts'
import { explainGrant, jwtBearer, type TokenSignIn, tokenFor } from '../http/sign-in.ts'
import { list, object, text } from '../values.ts'
import type { WindowPage } from '../windows.ts'
import type { GoogleDriveConfig } from './config.ts'
import { type ServiceAccount, serviceAccountOf } from './service-account.ts'

export const SCOPE = 'https://www.googleapis.com/auth/admin.reports.audit.readonly'
/** Items of one page at most, as the API allows. */
const PAGE_ITEMS = 1000
/** A statement may claim an hour; less leaves room for clocks that differ. */
const ASSERTION_SECONDS = 3000
/** Unfiltered: a request for one user or one event counts against a quota ten times as small. */
const ACTIVITIES = 'admin/reports/v1/activity/users/all/applications/drive'

export interface DriveLog {
  /** Newest first. A page token belongs to the very window it came with. */
  window(from: Date, to: Date, pageToken: string | null): Promise<WindowPage>
  /** Signs in, to see whether key, delegation and admin fit together. */
  signIn(): Promise<void>
  /** One item, to see whether the log may be read. */
  probe(): Promise<WindowPage>
}

export function openDriveLog({
  config,
  access,
  signal,
}: Pick<ReadInput<GoogleDriveConfig>, 'config' | 'access' | 'signal'>): DriveLog {
  const signIn = signInOf(config)
  const http = openHttp({ access, signal, base: config.apiUrl, signIn, explain, fixes: FIXES })
  const ask = async (query: Record<string, string | number | undefined>): Promise<WindowPage> => {
    const { body } = await http.json({
      doing: 'reading the Drive log',
      to: ACTIVITIES,
      query,
      expects: { what: 'a page of activities', holds: isPage },
    })
    return { items: list(object(body)['items']), next: text(object(body)['nextPageToken']) ?? null }
  }
  return {
    window: (from, to, pageToken) =>
      ask({
        startTime: from.toISOString(),
        endTime: to.toISOString(),
        maxResults: PAGE_ITEMS,
        pageToken: pageToken ?? undefined,
      }),
    async signIn() {
      await tokenFor(access, signIn, signal)
    },
    probe: () => ask({ maxResults: 1 }),
  }
}

/** An empty page has no `items`. What `kind` says differs between documentation and answers, but there is one. */
const isPage = (body: unknown): boolean => {
  const { items, kind } = object(body)
  return Array.isArray(items) || (items === undefined && text(kind) !== undefined)
}

/** In mid-window only: the rest of the request was taken before, so that nothing but the token can be wrong with it. */
export const isTokenRefused = (error: unknown): boolean => error instanceof Refusal && error.answered === 400

/** The service account speaks in the admin's name (domain-wide delegation). */
function signInOf({ serviceAccountKey, admin, tokenUrl }: GoogleDriveConfig): TokenSignIn {
  const { email, keyId, privateKey } = serviceAccountOf(serviceAccountKey) as ServiceAccount
  return jwtBearer({
    url: tokenUrl,
    privateKey,
    keyId,
    issuer: email,
    subject: admin,
    audience: tokenUrl,
    lifetimeSeconds: ASSERTION_SECONDS,
    claims: { scope: SCOPE },
    explain: explainSignIn,
    fixes: SIGN_IN_FIXES,
  })
}

const SIGN_IN_FIXES: Fixes = {
  credential_refused:
    'Check that the key has not been deleted, that the admin exists and is not suspended, and the clock of this machine.',
  permission_missing: `Delegate ${SCOPE} to the client id of the service account in the Admin console; it may take a day to work.`,
}

const FIXES: Fixes = {
  credential_refused: 'Make a new key for the service account and enter it.',
  permission_missing:
    'Enable the Admin SDK API in the project of the service account, and give the admin the privilege to see reports.',
}

/** https://developers.google.com/identity/protocols/oauth2/service-account */
const explainSignIn: Explain = (body, answer) => {
  const explained = explainGrant(body, answer)
  const notDelegated = explained?.reason === 'unauthorized_client' || explained?.reason === 'access_denied'
  return notDelegated ? { ...explained, code: 'permission_missing' } : explained
}

/** Reasons of a 403 that mean "later"; any other means that somebody has to grant something. */
const QUOTA_REASONS = new Set(['rateLimitExceeded', 'userRateLimitExceeded', 'quotaExceeded', 'dailyLimitExceeded'])

/** https://developers.google.com/workspace/admin/reports/v1/limits */
const explain: Explain = (body, { status }) => {
  const error = object(object(body)['error'])
  const reason = text(object(list(error['errors'])[0])['reason']) ?? text(error['status'])
  const named = reason === undefined ? {} : { reason }
  const isQuota = reason !== undefined && (QUOTA_REASONS.has(reason) || error['status'] === 'RESOURCE_EXHAUSTED')
  return status === 403 && isQuota ? { code: 'source_throttled', ...named } : named
}
