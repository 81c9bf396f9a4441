import type { Answer, Fault } from './faults.ts'
import { ENTRA_OPERATIONS, Entra } from './vendor/entra.ts'
import { Timeline } from './vendor/timeline.ts'
import { json, type TokenOffice } from './vendor/tokens.ts'
import { setMembers, startVendor, type Vendor, type VendorOptions, type VendorRequestIn } from './vendor/vendor.ts'

type Json = Record<string, any>

/** Any of these allows to read alerts. */
const READERS = new Set(['Alert.Read.All', 'Alert.ReadWrite.All'])
const FIELDS = new Set(['alertCreationTime', 'lastUpdateTime'])
const TERM = /^(\w+) (ge|lt) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?Z)$/

export interface DefenderOptions extends VendorOptions {
  /** Default an hour. */
  tokenSeconds?: number
  /** Alerts of one page at most, whatever the client asks for. */
  pageAlerts?: number
}

export interface Defender extends Vendor {
  entra: Entra
  tokens: TokenOffice
  /** Versions of alerts by their last update; listed is the newest of each alert that is readable. */
  alerts: Timeline<Json>
  add(alert: Json, availableAt?: Date): void
  /** Application permissions of the app that were consented to. */
  roles: string[]
}

/**
 * The older alerts API of Defender for Endpoint at the socket, with the sign-in of Entra beside it: pages by `$skip`, no
 * link to the next. Source: https://learn.microsoft.com/defender-endpoint/api/get-alerts
 */
export async function startDefender(options: DefenderOptions = {}): Promise<Defender> {
  const { pageAlerts = 1000 } = options
  const vendor = await startVendor(
    {
      operation: (method, path) => OPERATIONS[`${method} ${path}`] ?? 'unknown',
      async handle(request, operation) {
        if (operation === 'token') return entra.signIn(request)
        if (operation === 'unknown') return worded({ code: 'ResourceNotFound', status: 404 })
        if (entra.tokens.verdict(request.headers) !== 'valid') return worded({ code: 'Unauthorized', status: 401 })
        return defender.roles.some((role) => READERS.has(role))
          ? list(request)
          : worded({ code: 'Forbidden', status: 403 })
      },
      wordFault: worded,
      stage: (events) => {
        for (const event of events) {
          const { availableAt, ...alert } = event as Json
          defender.add(alert, availableAt === undefined ? undefined : new Date(availableAt))
        }
      },
      set: (state) => setMembers(defender, ['roles'], state),
    },
    options,
  )
  const entra = new Entra(vendor, { ...options, roles: () => defender.roles })
  const alerts = new Timeline<Json>(vendor.clock)

  function list({ query }: VendorRequestIn): Answer {
    const holds = conditionOf(query.get('$filter') ?? '')
    const [top, skip] = [Number(query.get('$top') ?? 1000), Number(query.get('$skip') ?? 0)]
    if (!holds || !(top >= 1 && top <= 10_000) || !(skip >= 0)) return worded({ code: 'BadRequest', status: 400 })
    const newest = new Map(alerts.byTime().map(({ record }) => [record['id'] as string, record]))
    const found = [...newest.values()].filter(holds).slice(skip, skip + Math.min(pageAlerts, top))
    const value = query.get('$expand') === 'evidence' ? found : found.map(({ evidence: _, ...alert }) => alert)
    return json(200, { '@odata.context': `${vendor.url}/api/$metadata#Alerts`, value })
  }

  const defender: Defender = Object.assign(vendor, {
    entra,
    tokens: entra.tokens,
    alerts,
    roles: ['Alert.Read.All'],
    add(alert: Json, availableAt?: Date) {
      const at = new Date(alert['lastUpdateTime'])
      if (Number.isNaN(at.getTime())) throw new RangeError('an alert needs lastUpdateTime')
      alerts.add(alert, at, availableAt ? { availableAt } : {})
    },
  })
  return defender
}

const OPERATIONS: Record<string, string> = {
  ...ENTRA_OPERATIONS,
  'GET /api/alerts': 'alerts',
}

/** `field ge time and field lt time`; null for what is no such filter. */
function conditionOf(filter: string): ((alert: Json) => boolean) | null {
  const terms = filter.split(' and ').filter(Boolean)
  const parsed = terms.map((term) => TERM.exec(term))
  if (parsed.some((term) => !term || !FIELDS.has(term[1] as string))) return null
  return (alert) =>
    parsed.every((term) => {
      const [, field = '', operator, bound = ''] = term ?? []
      const difference = Date.parse(alert[field]) - Date.parse(bound)
      return operator === 'ge' ? difference >= 0 : difference < 0
    })
}

const worded = ({ code, status }: Pick<Fault, 'status'> & { code: string }): Answer =>
  json(status ?? (code === 'TooManyRequests' ? 429 : 500), { error: { code, message: code, target: 'sandbox' } })
