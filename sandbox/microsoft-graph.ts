import type { Answer, Fault } from './faults.ts'
import { ENTRA_APP, ENTRA_OPERATIONS, Entra } from './vendor/entra.ts'
import { Timeline } from './vendor/timeline.ts'
import { json, type TokenOffice } from './vendor/tokens.ts'
import { setMembers, startVendor, type Vendor, type VendorOptions, type VendorRequestIn } from './vendor/vendor.ts'

export const GRAPH_APP = ENTRA_APP

type Json = Record<string, any>

/** Values that came after the API's first version: hidden from clients that do not ask for them. */
const LATER_SOURCES = new Set(['microsoftDefenderForCloud', 'microsoftSentinel', 'microsoftInsiderRiskManagement'])
const FIELDS = new Set(['createdDateTime', 'lastUpdateDateTime'])

export interface GraphOptions extends VendorOptions {
  /** Default an hour. */
  tokenSeconds?: number
  /** Alerts of one page at most, whatever the client asks for. */
  pageAlerts?: number
}

export interface Graph extends Vendor {
  entra: Entra
  tokens: TokenOffice
  /** Versions of alerts by their last update; listed is the newest of each alert that is readable. */
  alerts: Timeline<Json>
  add(alert: Json, availableAt?: Date): void
  /** Application permissions of the app that were consented to. */
  roles: string[]
  /** What `subscribedSkus` lists. */
  skus: Json[]
  /** The client secrets of the app's registration. */
  secrets: Json[]
}

/**
 * Security alerts of Microsoft Graph at the socket, with the sign-in of Entra beside them: an alert is listed as its newest
 * version, newest first. Source: https://learn.microsoft.com/graph/api/security-list-alerts_v2
 */
export async function startMicrosoftGraph(options: GraphOptions = {}): Promise<Graph> {
  const { pageAlerts = 500 } = options
  const vendor = await startVendor(
    {
      operation: (method, path) => OPERATIONS[`${method} ${path}`] ?? 'unknown',
      async handle(request, operation) {
        if (operation === 'token') return entra.signIn(request)
        if (operation === 'unknown') return worded({ code: 'ResourceNotFound', status: 404 })
        if (entra.tokens.verdict(request.headers) !== 'valid') {
          return worded({ code: 'InvalidAuthenticationToken', status: 401 })
        }
        const asked = ROLES[operation]?.some((role) => graph.roles.includes(role))
        if (!asked) return worded({ code: 'Forbidden', status: 403 })
        if (operation === 'licences') return json(200, { value: graph.skus })
        if (operation === 'registration') return json(200, { passwordCredentials: graph.secrets })
        return list(request)
      },
      wordFault: worded,
      stage: (events) => {
        for (const event of events) {
          const { availableAt, ...alert } = event as Json
          graph.add(alert, availableAt === undefined ? undefined : new Date(availableAt))
        }
      },
      set: (state) => setMembers(graph, ['roles', 'skus', 'secrets'], state),
    },
    options,
  )
  const entra = new Entra(vendor, { ...options, roles: () => graph.roles })
  const alerts = new Timeline<Json>(vendor.clock)

  function list({ query, headers }: VendorRequestIn): Answer {
    const holds = conditionOf(query.get('$filter'))
    if (!holds || query.has('$orderby')) return worded({ code: 'BadRequest', status: 400 })
    const newest = new Map(alerts.byTime().map(({ record }) => [record['id'] as string, record]))
    const found = [...newest.values()].reverse().filter(holds)
    const skip = Number(query.get('$skip') ?? 0)
    const handed = found.slice(skip, skip + Math.min(pageAlerts, Number(query.get('$top') ?? 100)))
    const next = new URL('/v1.0/security/alerts_v2', vendor.url)
    for (const [name, value] of query) next.searchParams.set(name, value)
    next.searchParams.set('$skip', String(skip + handed.length))
    const shown = headers['prefer']?.includes('include-unknown-enum-members') ? handed : handed.map(hidden)
    return json(200, {
      '@odata.context': `${vendor.url}/v1.0/$metadata#security/alerts_v2`,
      ...(skip + handed.length < found.length ? { '@odata.nextLink': next.href } : {}),
      value: shown,
    })
  }

  const graph: Graph = Object.assign(vendor, {
    entra,
    tokens: entra.tokens,
    alerts,
    roles: ['SecurityAlert.Read.All', 'Organization.Read.All', 'Application.Read.All'],
    skus: [E5],
    secrets: [],
    add(alert: Json, availableAt?: Date) {
      const at = new Date(alert['lastUpdateDateTime'])
      if (Number.isNaN(at.getTime())) throw new RangeError('an alert needs lastUpdateDateTime')
      alerts.add(alert, at, availableAt ? { availableAt } : {})
    },
  })
  return graph
}

const OPERATIONS: Record<string, string> = {
  ...ENTRA_OPERATIONS,
  'GET /v1.0/security/alerts_v2': 'alerts',
  'GET /v1.0/subscribedSkus': 'licences',
  [`GET /v1.0/applications(appId='${GRAPH_APP.clientId}')`]: 'registration',
}

/** A licence with the plan of Defender for Endpoint. */
const E5: Json = {
  skuPartNumber: 'SPE_E5',
  skuId: '06ebc4ee-1bb5-47dd-8120-11324bc54e06',
  capabilityStatus: 'Enabled',
  appliesTo: 'User',
  consumedUnits: 10,
  prepaidUnits: { enabled: 25_000, suspended: 0, warning: 0, lockedOut: 0 },
  servicePlans: [
    {
      servicePlanId: '871d91ec-ec1a-452b-a83f-bd76c7d770ef',
      servicePlanName: 'WINDEFATP',
      provisioningStatus: 'Success',
      appliesTo: 'User',
    },
  ],
}

/** Any of these allows the operation. */
const ROLES: Record<string, readonly string[]> = {
  alerts: ['SecurityAlert.Read.All', 'SecurityAlert.ReadWrite.All'],
  licences: ['Organization.Read.All', 'Directory.Read.All'],
  registration: ['Application.Read.All', 'Directory.Read.All'],
}

/** `field ge time and field lt time`; null for what is no such filter. */
function conditionOf(filter: string | null): ((alert: Json) => boolean) | null {
  const terms = (filter ?? '').split(' and ').filter(Boolean)
  const parsed = terms.map((term) => /^(\w+) (ge|gt|le|lt) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?Z)$/.exec(term))
  if (parsed.some((term) => !term || !FIELDS.has(term[1] as string))) return null
  return (alert) =>
    parsed.every((term) => {
      const [, field = '', operator, bound = ''] = term ?? []
      const difference = Date.parse(alert[field]) - Date.parse(bound)
      if (operator === 'ge') return difference >= 0
      if (operator === 'gt') return difference > 0
      return operator === 'le' ? difference <= 0 : difference < 0
    })
}

const hidden = (alert: Json): Json =>
  LATER_SOURCES.has(alert['serviceSource']) ? { ...alert, serviceSource: 'unknownFutureValue' } : alert

function worded({ code, status }: Pick<Fault, 'status'> & { code: string }): Answer {
  return json(status ?? (code === 'TooManyRequests' ? 429 : 500), {
    error: { code, message: code, innerError: { 'request-id': 'sandbox' } },
  })
}
