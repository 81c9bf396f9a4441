import type { Answer, Fault } from './faults.ts'
import { ENTRA_APP, ENTRA_OPERATIONS, Entra } from './vendor/entra.ts'
import { Timeline } from './vendor/timeline.ts'
import { json, type TokenOffice } from './vendor/tokens.ts'
import { setMembers, startVendor, type Vendor, type VendorOptions, type VendorRequestIn } from './vendor/vendor.ts'

export const OFFICE_APP = ENTRA_APP
export const OFFICE_CONTENT_TYPES = [
  'Audit.AzureActiveDirectory',
  'Audit.Exchange',
  'Audit.SharePoint',
  'Audit.General',
  'DLP.All',
]

type Json = Record<string, any>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const FEED = `/api/v1.0/${OFFICE_APP.tenantId}/activity/feed`
/** A subscription may be started again after so long. */
const START_AGAIN_MS = 15 * 60_000

export interface OfficeOptions extends VendorOptions {
  /** Default an hour. */
  tokenSeconds?: number
  /** Blobs on one page of a list at most. */
  pageBlobs?: number
}

export interface Blob {
  contentType: string
  contentId: string
  /** When it was put together: what lists are asked by. */
  contentCreated: Date
  records: unknown[]
}

export interface Office extends Vendor {
  entra: Entra
  tokens: TokenOffice
  blobs: Timeline<Blob>
  /** Puts records into a blob; listed from `availableAt` on, by default at once. */
  add(contentType: string, records: unknown[], contentCreated: Date, availableAt?: Date): Blob
  /** What the tenant is subscribed to, and since when: what was put together before is never listed. */
  subscriptions: Map<string, { status: 'enabled' | 'disabled'; startedAt: Date }>
  /** Starts every subscription as of long ago. */
  subscribeAll(): void
  /** Roles that the app has been granted. */
  roles: Set<string>
  /** False: the tenant does not record anything. */
  audited: boolean
}

/**
 * The Office 365 Management Activity API at the socket, with the sign-in of Entra beside it: subscriptions with their
 * states, lists by the time of putting together, blobs that end after seven days.
 * Source: https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference
 */
export async function startOffice365(options: OfficeOptions = {}): Promise<Office> {
  const { pageBlobs = 200 } = options
  const vendor = await startVendor(
    {
      operation: (method, path) =>
        OPERATIONS[`${method} ${path}`] ?? (method === 'GET' && path.startsWith(`${FEED}/audit/`) ? 'blob' : 'unknown'),
      async handle(request, operation) {
        if (operation === 'token') return entra.signIn(request)
        if (!request.path.startsWith(`${FEED}/`)) return refused(400, 'AF20010')
        if (entra.tokens.verdict(request.headers) !== 'valid')
          return json(401, { Message: 'Authorization has been denied.' })
        if (!office.roles.has('ActivityFeed.Read')) return refused(401, 'AF10001')
        if (!office.audited) return notAudited()
        if (operation === 'subscriptions') return json(200, [...office.subscriptions].map(shown))
        if (operation === 'blob') return blob(request.path)
        const contentType = request.query.get('contentType') ?? ''
        if (!OFFICE_CONTENT_TYPES.includes(contentType)) return refused(400, 'AF20020')
        if (operation === 'start') return start(contentType)
        if (operation === 'stop') return stop(contentType)
        return operation === 'content' ? list(contentType, request) : refused(404, 'AF20050')
      },
      wordFault: worded,
      stage: (events) => {
        for (const { contentType, records, contentCreated, availableAt } of events as Json[]) {
          if (!OFFICE_CONTENT_TYPES.includes(contentType)) throw new RangeError('a blob needs contentType')
          const created = contentCreated === undefined ? vendor.clock.now() : new Date(contentCreated)
          office.add(contentType, records, created, availableAt === undefined ? undefined : new Date(availableAt))
        }
      },
      set({ roles, subscriptions, ...state }) {
        setMembers(office, ['audited'], state)
        if (roles !== undefined) office.roles = new Set(roles as string[])
        if (subscriptions === undefined) return
        office.subscriptions = new Map(
          Object.entries(subscriptions as Record<string, 'enabled' | 'disabled'>).map(([contentType, status]) => [
            contentType,
            { status, startedAt: new Date(0) },
          ]),
        )
      },
    },
    options,
  )
  const entra = new Entra(vendor, { ...options, roles: () => [...office.roles] })
  const blobs = new Timeline<Blob>(vendor.clock)
  const startedAt = new Map<string, number>()
  const now = () => vendor.clock.now().getTime() + vendor.clockOffsetMs

  function start(contentType: string): Answer {
    const known = office.subscriptions.get(contentType)
    if (known?.status === 'disabled') return refused(400, 'AF20023')
    if (known) return refused(400, 'AF20024')
    const leftMs = (startedAt.get(contentType) ?? 0) + START_AGAIN_MS - now()
    if (leftMs > 0) {
      const wait = `${Math.floor(leftMs / 60_000)}m ${Math.floor((leftMs % 60_000) / 1000)}s`
      return json(429, { error: { code: 'AF429', message: `Too many requests. Please retry again after ${wait}` } })
    }
    startedAt.set(contentType, now())
    office.subscriptions.set(contentType, { status: 'enabled', startedAt: vendor.clock.now() })
    return json(200, { contentType, status: 'enabled', webhook: null })
  }

  function stop(contentType: string): Answer {
    office.subscriptions.delete(contentType)
    return { status: 204 }
  }

  function list(contentType: string, { query }: VendorRequestIn): Answer {
    const subscription = office.subscriptions.get(contentType)
    if (!subscription) return refused(400, 'AF20022')
    if (subscription.status === 'disabled') return refused(400, 'AF20023')
    if (contentType === 'DLP.All' && !office.roles.has('ActivityFeed.ReadDlp')) return refused(403, 'AF10001')
    const [from, to] = windowOf(query, now()) ?? []
    if (from === undefined || to === undefined) return refused(400, 'AF20030')
    // An hour more is let through.
    if (from < now() - 7 * DAY_MS - HOUR_MS) return refused(400, 'AF20055')
    const found = blobs
      .byTime()
      .map(({ record }) => record)
      .filter((each) => each.contentType === contentType && each.contentCreated >= subscription.startedAt)
      .filter(({ contentCreated: at }) => at.getTime() >= from && at.getTime() < to)
    const page = query.get('nextPage')
    const after = page === null ? 0 : found.findIndex((each) => pageAfter(each) === page) + 1
    if (page !== null && after === 0) return refused(400, 'AF20031')
    const handed = found.slice(after, after + pageBlobs)
    const last = handed.at(-1)
    if (last === undefined || after + handed.length >= found.length) return json(200, handed.map(listed))
    const next = new URL(`${FEED}/subscriptions/content`, vendor.url)
    for (const [name, value] of query) if (name !== 'PublisherIdentifier') next.searchParams.set(name, value)
    next.searchParams.set('nextPage', pageAfter(last))
    return json(200, handed.map(listed), { nExtPageURI: next.href })
  }

  const listed = ({ contentType, contentId, contentCreated }: Blob): Json => ({
    contentType,
    contentId,
    contentUri: `${vendor.url}${FEED}/audit/${contentId}`,
    contentCreated: contentCreated.toISOString(),
    contentExpiration: new Date(contentCreated.getTime() + 7 * DAY_MS).toISOString(),
  })

  function blob(path: string): Answer {
    const id = path.slice(path.lastIndexOf('/') + 1)
    const found = blobs.byTime().find(({ record }) => record.contentId === id)?.record
    if (!found) return refused(404, 'AF20050')
    if (found.contentCreated.getTime() < now() - 7 * DAY_MS) return refused(400, 'AF20051')
    return json(200, found.records)
  }

  const office: Office = Object.assign(vendor, {
    entra,
    tokens: entra.tokens,
    blobs,
    subscriptions: new Map(),
    roles: new Set(['ActivityFeed.Read', 'ActivityFeed.ReadDlp']),
    audited: true,
    add(contentType: string, records: unknown[], contentCreated: Date, availableAt = contentCreated) {
      const stamp = (at: Date) => at.toISOString().replaceAll(/\D/g, '')
      const name = contentType.toLowerCase().replaceAll('.', '_')
      const contentId = `${stamp(contentCreated)}${String(blobs.size).padStart(6, '0')}$${stamp(availableAt)}$${name}$${name}`
      const made: Blob = { contentType, contentId, contentCreated, records }
      blobs.add(made, contentCreated, { availableAt })
      return made
    },
    subscribeAll() {
      for (const each of OFFICE_CONTENT_TYPES) {
        office.subscriptions.set(each, { status: 'enabled', startedAt: new Date(0) })
      }
    },
  })
  return office
}

const OPERATIONS: Record<string, string> = {
  ...ENTRA_OPERATIONS,
  [`GET ${FEED}/subscriptions/list`]: 'subscriptions',
  [`POST ${FEED}/subscriptions/start`]: 'start',
  [`POST ${FEED}/subscriptions/stop`]: 'stop',
  [`GET ${FEED}/subscriptions/content`]: 'content',
}

const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?)?$/

/** Both edges or neither, at most 24 hours apart; null for anything else. */
function windowOf(query: URLSearchParams, now: number): [from: number, to: number] | null {
  const [start, end] = [query.get('startTime'), query.get('endTime')]
  if (start === null && end === null) return [now - DAY_MS, now]
  if (!TIME.test(start ?? '') || !TIME.test(end ?? '')) return null
  const at = (time: string | null) => Date.parse(`${time?.includes('T') ? time : `${time}T00:00`}Z`)
  const [from, to] = [at(start), at(end)]
  return from < to && to - from <= DAY_MS ? [from, to] : null
}

const pageAfter = ({ contentId }: Blob): string => `${contentId.split('$')[0]}R0000000042`

const shown = ([contentType, { status }]: [string, { status: string }]): Json => ({
  contentType,
  status,
  webhook: null,
})

const notAudited = (): Answer =>
  json(500, {
    error: {
      code: 'AF20011',
      message: `DataServiceException: Tenant ${OFFICE_APP.tenantId} does not exist.`,
    },
  })

const STATUSES: Record<string, number> = { AF429: 403, AF10001: 401, AF50000: 500 }

/** Throttling is worded with single quotes, which are no JSON. */
function worded({ code, status }: Pick<Fault, 'status'> & { code: string }): Answer {
  if (code === 'AF429')
    return { status: status ?? 403, body: "{'error':{'code':'AF429','message':'Too many requests.'}}" }
  return refused(status ?? STATUSES[code] ?? 400, code)
}

const refused = (status: number, code: string): Answer => json(status, { error: { code, message: code } })
