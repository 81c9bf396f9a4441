import type { Answer, Fault } from './faults.ts'
import { ENTRA_APP, ENTRA_OPERATIONS, Entra } from './vendor/entra.ts'
import { Timeline } from './vendor/timeline.ts'
import { json, type TokenOffice } from './vendor/tokens.ts'
import { setMembers, startVendor, type Vendor, type VendorOptions, type VendorRequestIn } from './vendor/vendor.ts'

type Json = Record<string, any>

export interface GraphUsersOptions extends VendorOptions {
  /** Default an hour. */
  tokenSeconds?: number
  /** Users of one page at most. */
  pageUsers?: number
}

export interface GraphUsers extends Vendor {
  entra: Entra
  tokens: TokenOffice
  /** Every state of every user, as it became readable. */
  users: Timeline<Json>
  /** A user as it is from now on, whole; `@removed` for one that is gone. */
  put(user: Json, availableAt?: Date): void
  /** Application permissions of the app that were consented to. */
  roles: string[]
  /** The client secrets of the app's registration. */
  secrets: Json[]
  /** Tokens of changes before this instant are known no longer (410), milliseconds since 1970. */
  forgetsBefore: number
}

/**
 * Users of Microsoft Graph at the socket, with the sign-in of Entra beside them: all users in pages, then what changed since.
 * Source: https://learn.microsoft.com/graph/delta-query-users
 */
export async function startMicrosoftGraphUsers(options: GraphUsersOptions = {}): Promise<GraphUsers> {
  const { pageUsers = 100 } = options
  const vendor = await startVendor(
    {
      operation: (method, path) => OPERATIONS[`${method} ${path}`] ?? 'unknown',
      async handle(request, operation) {
        if (operation === 'token') return entra.signIn(request)
        if (operation === 'unknown') return worded({ code: 'ResourceNotFound', status: 404 })
        if (entra.tokens.verdict(request.headers) !== 'valid')
          return worded({ code: 'InvalidAuthenticationToken', status: 401 })
        if (!ROLES[operation]?.some((role) => graph.roles.includes(role)))
          return worded({ code: 'Authorization_RequestDenied', status: 403 })
        if (operation === 'registration') return json(200, { passwordCredentials: graph.secrets })
        return operation === 'list' ? list(request) : changes(request)
      },
      wordFault: worded,
      stage: (events) => {
        for (const event of events) {
          const { availableAt, ...user } = event as Json
          graph.put(user, availableAt === undefined ? undefined : new Date(availableAt))
        }
      },
      set: (state) => setMembers(graph, ['roles', 'secrets', 'forgetsBefore'], state),
    },
    options,
  )
  const entra = new Entra(vendor, { ...options, roles: () => graph.roles })
  const users = new Timeline<Json>(vendor.clock)

  /** The newest state of each user that became readable after `since` (all that are left where it is null). */
  function statesOf(since: number | null, asOf: number): Json[] {
    const newest = new Map<string, Json>()
    for (const { record, availableAt } of users.byArrival()) {
      if (availableAt.getTime() > asOf || (since !== null && availableAt.getTime() <= since)) continue
      newest.delete(record['id'])
      newest.set(record['id'], record)
    }
    return [...newest.values()].filter((user) => since !== null || !('@removed' in user))
  }

  function list({ query }: VendorRequestIn): Answer {
    const found = statesOf(null, vendor.clock.now().getTime()).slice(0, Number(query.get('$top') ?? 100))
    return json(200, { value: found.map(({ id }) => ({ id })) })
  }

  function changes({ query }: VendorRequestIn): Answer {
    const selected = query.get('$select')?.split(',')
    if (!selected && !query.has('$deltatoken') && !query.has('$skiptoken'))
      return worded({ code: 'BadRequest', status: 400 })
    const at = placeOf(query, vendor.clock.now().getTime())
    if (!at) return worded({ code: 'BadRequest', status: 400 })
    if (at.since !== null && at.since < graph.forgetsBefore) return worded({ code: 'syncStateNotFound', status: 410 })
    if (at.fields.includes('employeeLeaveDateTime') && !graph.roles.includes(LEAVE_DATES))
      return worded({ code: 'Authorization_RequestDenied', status: 403 })
    const found = statesOf(at.since, at.asOf)
    const handed = found.slice(at.skip, at.skip + pageUsers)
    const more = at.skip + handed.length < found.length
    const link = new URL('/v1.0/users/delta', vendor.url)
    if (more) link.searchParams.set('$skiptoken', tokenOf({ ...at, skip: at.skip + handed.length }))
    else link.searchParams.set('$deltatoken', tokenOf({ ...at, since: at.asOf, skip: 0 }))
    return json(200, {
      '@odata.context': `${vendor.url}/v1.0/$metadata#users`,
      [more ? '@odata.nextLink' : '@odata.deltaLink']: link.href,
      value: handed.map((user) => shown(user, at.fields)),
    })
  }

  const graph: GraphUsers = Object.assign(vendor, {
    entra,
    tokens: entra.tokens,
    users,
    roles: ['User.Read.All', LEAVE_DATES, 'Application.Read.All'],
    secrets: [],
    forgetsBefore: 0,
    put(user: Json, availableAt = vendor.clock.now()) {
      if (typeof user['id'] !== 'string') throw new RangeError('a user needs an id')
      users.add(user, availableAt)
    },
  })
  return graph
}

const LEAVE_DATES = 'User-LifeCycleInfo.Read.All'

const OPERATIONS: Record<string, string> = {
  ...ENTRA_OPERATIONS,
  'GET /v1.0/users/delta': 'users',
  'GET /v1.0/users': 'list',
  [`GET /v1.0/applications(appId='${ENTRA_APP.clientId}')`]: 'registration',
}

/** Any of these allows the operation. */
const ROLES: Record<string, readonly string[]> = {
  users: ['User.Read.All', 'Directory.Read.All'],
  list: ['User.Read.All', 'Directory.Read.All'],
  registration: ['Application.Read.All', 'Directory.Read.All'],
}

/** Where in which round a link goes on. */
interface Place {
  since: number | null
  asOf: number
  skip: number
  fields: string[]
}

const tokenOf = (place: Place): string => Buffer.from(JSON.stringify(place)).toString('base64url')

function placeOf(query: VendorRequestIn['query'], now: number): Place | null {
  const fields = query.get('$select')?.split(',') ?? []
  const [delta, skip] = [query.get('$deltatoken'), query.get('$skiptoken')]
  if (delta === null && skip === null) return { since: null, asOf: now, skip: 0, fields }
  try {
    const place = JSON.parse(Buffer.from(delta ?? skip ?? '', 'base64url').toString()) as Place
    return delta === null ? place : { ...place, asOf: now }
  } catch {
    return null
  }
}

/** What was asked for; what is not set is left out, as the source does where it never was. */
function shown(user: Json, fields: readonly string[]): Json {
  if ('@removed' in user) return { '@removed': user['@removed'], id: user['id'] }
  const names = fields.flatMap((field) => (field === 'manager' ? ['manager@delta'] : [field]))
  return Object.fromEntries(names.flatMap((name) => (name in user ? [[name, user[name]]] : [])))
}

function worded({ code, status }: Pick<Fault, 'status'> & { code: string }): Answer {
  return json(status ?? (code === 'TooManyRequests' ? 429 : 500), {
    error: { code, message: code, innerError: { 'request-id': 'sandbox' } },
  })
}
