import { decodeJwt } from 'jose'
import type { Answer, Fault } from './faults.ts'
import { keyPair } from './vendor/key-pair.ts'
import { Timeline } from './vendor/timeline.ts'
import { isValidAssertion, json, TokenOffice } from './vendor/tokens.ts'
import { startVendor, type Vendor, type VendorOptions } from './vendor/vendor.ts'

type Json = Record<string, any>

const DAY_MS = 86_400_000
const ADMIN = 'admin@example.com'
const SERVICE_ACCOUNT = 'openirm@sandbox.iam.gserviceaccount.com'
const DELEGATED = 'https://www.googleapis.com/auth/admin.reports.audit.readonly'

export interface GoogleDriveOptions extends VendorOptions {
  /** Default an hour. */
  tokenSeconds?: number
  /** Items of one page at most, whatever the client asks for. */
  pageItems?: number
}

export interface GoogleDrive extends Vendor {
  tokens: TokenOffice
  log: Timeline<Json>
  /** What an admin would enter: the key file, the admin, and where everything is. */
  settings: { serviceAccountKey: string; admin: string; apiUrl: string; tokenUrl: string }
  /** Page tokens that were handed out are refused from now on. */
  forgetPageTokens(): void
}

/** A window that is being paged through: the token is good for the very same request alone. */
interface Paging {
  asked: string
  last: Json
}

/**
 * The Drive log of the Admin SDK Reports API at the socket: windows newest first, tokens bound to their request.
 * Source: https://developers.google.com/workspace/admin/reports/v1/reference/activities/list
 */
export async function startGoogleDrive(options: GoogleDriveOptions = {}): Promise<GoogleDrive> {
  const { pageItems = 1000, tokenSeconds = 3600 } = options
  const { privateKey, registered: keys } = keyPair()
  const pagings = new Map<string, Paging>()

  const vendor = await startVendor(
    {
      operation: (method, path) => OPERATIONS[`${method} ${path}`] ?? 'unknown',
      handle(request, operation) {
        if (operation === 'token') return signIn(request.body, request.headers)
        if (operation === 'unknown') return refused(404, 'notFound')
        if (tokens.verdict(request.headers) !== 'valid') return refused(401, 'authError')
        return activities(request.query)
      },
      wordFault: worded,
      stage: (items) => {
        for (const item of items) stage(item as Json)
      },
    },
    options,
  )
  const tokenUrl = `${vendor.url}/token`
  const log = new Timeline<Json>(vendor.clock)
  const tokens = new TokenOffice({
    clock: vendor.clock,
    lifetimeSeconds: tokenSeconds,
    grants: async (form) =>
      form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer' &&
      claimsOf(form)['sub'] === ADMIN &&
      (await isValidAssertion(form.get('assertion'), {
        clock: vendor.clock,
        keys,
        issuer: SERVICE_ACCOUNT,
        audience: tokenUrl,
        maxLifetimeSeconds: 3600,
        clockOffsetMs: vendor.clockOffsetMs,
      })),
  })

  function signIn(body: Buffer, headers: Parameters<TokenOffice['answer']>[1]): Answer | Promise<Answer> {
    const scope = claimsOf(new URLSearchParams(body.toString()))['scope']
    return scope === undefined || scope === DELEGATED ? tokens.answer(body, headers) : notDelegated()
  }

  function stage({ availableAt, ...item }: Json): void {
    const at = new Date(item['id']?.time)
    if (Number.isNaN(at.getTime())) throw new RangeError('an item needs id.time')
    log.add(item, at, availableAt === undefined ? {} : { availableAt: new Date(availableAt) })
  }

  function activities(query: URLSearchParams): Answer {
    const now = vendor.clock.now().getTime() + vendor.clockOffsetMs
    const start = Date.parse(query.get('startTime') ?? new Date(now - 180 * DAY_MS).toISOString())
    const end = Date.parse(query.get('endTime') ?? new Date(now).toISOString())
    const most = Number(query.get('maxResults') ?? 1000)
    if (!(start < end && start < now) || !(most >= 1 && most <= 1000)) return refused(400, 'invalid')
    const oldest = Math.max(start, now - 180 * DAY_MS)
    const found = log
      .byTime()
      .filter(({ at }) => at.getTime() >= oldest && at.getTime() < end)
      .map(({ record }) => record)
      .reverse()

    const token = query.get('pageToken')
    const asked = askedOf(query)
    const paging = token === null ? undefined : pagings.get(token)
    if (token !== null && paging?.asked !== asked) return refused(400, 'invalid')
    // What becomes readable on a page that was handed out already is not shown by the pages after it.
    const from = paging ? found.indexOf(paging.last) + 1 : 0
    const handed = found.slice(from, from + Math.min(most, pageItems))
    return page(handed, from + handed.length < found.length ? tokenBehind(handed.at(-1) as Json, asked) : undefined)
  }

  function tokenBehind(last: Json, asked: string): string {
    const token = `A:${Date.parse(last['id'].time)}000:${last['id'].uniqueQualifier}:${pagings.size}:C0abc12`
    pagings.set(token, { asked, last })
    return token
  }

  return Object.assign(vendor, {
    tokens,
    log,
    settings: {
      serviceAccountKey: keyFile(privateKey),
      admin: ADMIN,
      apiUrl: vendor.url,
      tokenUrl,
    },
    forgetPageTokens() {
      for (const token of pagings.keys()) pagings.set(token, { asked: 'forgotten', last: {} })
    },
  })
}

const OPERATIONS: Record<string, string> = {
  'POST /token': 'token',
  'GET /admin/reports/v1/activity/users/all/applications/drive': 'activities',
}

const keyFile = (privateKey: string): string =>
  JSON.stringify({
    type: 'service_account',
    project_id: 'sandbox',
    private_key_id: 'k1',
    private_key: privateKey,
    client_email: SERVICE_ACCOUNT,
    client_id: '100000000000000000001',
  })

/** What a statement says, whoever signed it. */
function claimsOf(form: URLSearchParams): Json {
  try {
    return decodeJwt(form.get('assertion') ?? '')
  } catch {
    return {}
  }
}

/** All of a request but its token. */
const askedOf = (query: URLSearchParams): string =>
  JSON.stringify([...query].filter(([name]) => name !== 'pageToken').sort())

/** An empty page has no `items`, the last one no token. */
const page = (items: Json[], nextPageToken: string | undefined): Answer =>
  json(200, {
    kind: 'admin#reports#activities',
    etag: '"x1/sandbox"',
    ...(items.length > 0 ? { items } : {}),
    ...(nextPageToken === undefined ? {} : { nextPageToken }),
  })

const notDelegated = (): Answer =>
  json(401, { error: 'unauthorized_client', error_description: 'Client is unauthorized for the scope requested.' })

/** Quotas are answered with 403 as missing permissions are: only the reason tells them apart. */
const STATUSES: Record<string, number> = {
  rateLimitExceeded: 403,
  userRateLimitExceeded: 403,
  quotaExceeded: 403,
  forbidden: 403,
  insufficientPermissions: 403,
  accessNotConfigured: 403,
  invalid: 400,
  backendError: 503,
}
const QUOTA = /(rateLimit|quota)Exceeded$/i

function worded({ code, status }: Pick<Fault, 'status'> & { code: string }): Answer {
  return code === 'unauthorized_client' ? notDelegated() : refused(status ?? STATUSES[code] ?? 500, code)
}

const refused = (code: number, reason: string): Answer =>
  json(code, {
    error: {
      code,
      message: reason,
      errors: [{ domain: QUOTA.test(reason) ? 'usageLimits' : 'global', reason, message: reason }],
      ...(code === 403 ? { status: 'PERMISSION_DENIED' } : {}),
    },
  })
