import { AppError } from '../../domain/errors.ts'
import type { ReadInput } from '../connector.ts'
import { linkWithin, openHttp } from '../http/client.ts'
import { type Explain, type Fixes, Refusal } from '../http/refusal.ts'
import { pkcs8Of } from '../http/rsa-key.ts'
import { clientCredentials, explainGrant, jwtBearer, type TokenSignIn, tokenFor } from '../http/sign-in.ts'
import { isObject, type Json, list, object, text } from '../values.ts'
import type { SalesforceConfig } from './config.ts'
import type { LogFile } from './log-file.ts'
import { isUsedUp, QUOTA_WAIT_MS, Quota, usageOf } from './quota.ts'
import { type FindUsers, type SalesforceUser, USER_FIELDS, userOf } from './users.ts'

/** Records of one page at most, as the API allows. */
const PAGE_RECORDS = 2000
/** A statement may claim a few minutes. */
const ASSERTION_SECONDS = 180
/** Files have been seen beyond 100 MB; one of this size is no log. */
const MAX_FILE_BYTES = 32 * 1024 ** 3
const LISTING = 'listing log files'

/** What is listed of a file. */
export const FILE_FIELDS = ['Id', 'EventType', 'LogDate', 'CreatedDate', 'Interval'] as const

export interface RecordsPage {
  records: unknown[]
  /** Where the next page is, as a path of the organisation; null on the last one. */
  next: string | null
}

export interface EventLog {
  /** The first page of what a query finds. Dates in it are the source's. */
  query(soql: string): Promise<RecordsPage>
  /** Throws source_cursor_lost where the source has forgotten the place. */
  goOn(next: string): Promise<RecordsPage>
  /** The bytes of a file; null when it is gone. */
  open(file: LogFile): Promise<AsyncIterable<Uint8Array> | null>
  users: FindUsers
  /** Signs in, to see whether app, user and address fit together. */
  signIn(): Promise<void>
}

export function openEventLog({
  config,
  access,
  signal,
}: Pick<ReadInput<SalesforceConfig>, 'config' | 'access' | 'signal'>): EventLog {
  const signIn = signInOf(config)
  const base = new URL(config.url).origin
  const http = openHttp({
    access,
    signal,
    base,
    signIn,
    explain,
    fixes: FIXES,
    headers: { 'sforce-query-options': `batchSize=${PAGE_RECORDS}` },
  })
  const quota = new Quota(config.quotaShare)
  const data = `services/data/v${config.apiVersion}`
  const ask = async (doing: string, to: string, query: Record<string, string> = {}): Promise<RecordsPage> => {
    quota.check()
    const { body, headers } = await http.json({ doing, to, query, expects: { what: 'records', holds: isRecords } })
    quota.note(headers)
    const next = text(object(body)['nextRecordsUrl'])
    return { records: list(object(body)['records']), next: next ? pathOf(linkWithin(base, next, doing)) : null }
  }
  const all = async (doing: string, soql: string): Promise<unknown[]> => {
    const found: unknown[] = []
    let page = await ask(doing, `${data}/query`, { q: soql })
    for (;;) {
      found.push(...page.records)
      if (page.next === null) return found
      page = await ask(doing, page.next)
    }
  }
  return {
    query: (soql) => ask(LISTING, `${data}/query`, { q: soql }),
    goOn: (next) => ask(LISTING, next),
    async open({ id }) {
      quota.check()
      try {
        const { body, headers } = await http.stream({
          doing: 'reading a log file',
          to: `${data}/sobjects/EventLogFile/${id}/LogFile`,
          headers: { accept: '*/*' },
          maxBytes: MAX_FILE_BYTES,
        })
        quota.note(headers)
        return body
      } catch (error) {
        if (error instanceof Refusal && error.answered === 404) return null
        throw error
      }
    },
    async users(ids) {
      const soql = `SELECT ${USER_FIELDS.join(',')} FROM User WHERE Id IN (${ids.map((id) => `'${id}'`).join(',')})`
      const found = await all('looking up users', soql)
      return found.map(userOf).filter((user): user is SalesforceUser => user !== undefined)
    },
    async signIn() {
      await tokenFor(access, signIn, signal)
    },
  }
}

const isRecords = (body: unknown): boolean => isObject(body) && Array.isArray(body['records'])

const pathOf = (href: string): string => {
  const { pathname, search } = new URL(href)
  return `${pathname}${search}`
}

function signInOf(config: SalesforceConfig): TokenSignIn {
  const { url, signIn, clientId, clientSecret = '', privateKey = '', username = '', loginUrl } = config
  const tokenPath = '/services/oauth2/token'
  const shared = { check: ofThisOrganisation(url), explain: explainSignIn, fixes: SIGN_IN_FIXES }
  return signIn === 'client_credentials'
    ? clientCredentials({ url: new URL(tokenPath, url).href, clientId, clientSecret, ...shared })
    : jwtBearer({
        url: new URL(tokenPath, loginUrl).href,
        privateKey: pkcs8Of(privateKey) ?? '',
        issuer: clientId,
        subject: username,
        audience: new URL(loginUrl).origin,
        lifetimeSeconds: ASSERTION_SECONDS,
        ...shared,
      })
}

/** A token of another organisation is not sent anywhere: calls go to the configured address alone. */
const ofThisOrganisation =
  (url: string) =>
  (reply: Json): void => {
    const named = text(reply['instance_url'])
    if (named === undefined || !URL.canParse(named) || new URL(named).origin === new URL(url).origin) return
    throw new AppError('settings_invalid', 'signing in failed: the user belongs to another address than the one set', {
      field: 'url',
      fix: 'Set the My Domain address of the organisation that this user belongs to.',
    })
  }

const SIGN_IN_FIXES: Fixes = {
  credential_refused:
    'Check consumer key, certificate or secret, username and sign-in address, that the user is active, and the clock of this machine.',
  permission_missing: 'Approve the app for the integration user: a permission set or profile, with admin approval.',
}

/** https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flow_errors.htm */
const explainSignIn: Explain = (body, answer) => {
  const explained = explainGrant(body, answer)
  return NOT_APPROVED.has(explained?.reason ?? '') ? { ...explained, code: 'permission_missing' } : explained
}
const NOT_APPROVED = new Set(['invalid_app_access', 'inactive_org', 'unauthorized_client'])

const FIXES: Fixes = {
  credential_refused: 'Check that the integration user is active and the app is not revoked.',
  permission_missing:
    'Give the integration user the permissions API Enabled and View Event Log Files, and the organisation the Event Monitoring licence.',
  settings_invalid: 'Correct the My Domain address and the version of the API.',
}

/** Refusals that somebody has to grant something for. */
const UNGRANTED = new Set([
  'INVALID_TYPE',
  'INSUFFICIENT_ACCESS',
  'INSUFFICIENT_ACCESS_OR_READONLY',
  'API_DISABLED_FOR_ORG',
  'API_CURRENTLY_DISABLED',
])

/** A failed call answers with a list of errors. */
const explain: Explain = (body, { status, headers }) => {
  const reason = text(object(list(body)[0])['errorCode'])
  const named = reason === undefined ? {} : { reason }
  if (reason === undefined) return {}
  if (UNGRANTED.has(reason)) return { code: 'permission_missing', ...named }
  if (reason === 'INVALID_QUERY_LOCATOR') return { code: 'source_cursor_lost', ...named }
  if (status === 404) return { code: 'settings_invalid', ...named }
  if (reason !== 'REQUEST_LIMIT_EXCEEDED') return named
  // One code for two limits: too many calls today, or too many at this moment.
  return { code: 'source_throttled', ...named, ...(isUsedUp(usageOf(headers)) ? { retryAfterMs: QUOTA_WAIT_MS } : {}) }
}
