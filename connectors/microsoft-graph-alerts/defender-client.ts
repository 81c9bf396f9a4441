import { linkWithin, openHttp } from '../http/client.ts'
import type { Fixes } from '../http/refusal.ts'
import { signInAtEntra } from '../microsoft/sign-in.ts'
import { list, object, text } from '../values.ts'
import { type AlertsPage, explain, type Opened, type SecurityAlerts } from './alerts.ts'

/** Alerts of one page; the API allows 10,000, each with all its evidence. */
const PAGE_ALERTS = 500
const DOING = 'reading alerts of Defender for Endpoint'

/** The API that was there before Graph's: https://learn.microsoft.com/defender-endpoint/api/get-alerts */
export function openDefender({ config, access, signal }: Opened): SecurityAlerts {
  const { defenderUrl: base, defenderResource: resource } = config
  const http = openHttp({ access, signal, base, signIn: signInAtEntra({ ...config, resource }), explain, fixes: FIXES })

  const ask = async (to: string): Promise<AlertsPage> => {
    const { body } = await http.json({
      doing: DOING,
      to,
      expects: { what: 'a page of alerts', holds: (page) => Array.isArray(object(page)['value']) },
    })
    const alerts = list(object(body)['value'])
    const link = text(object(body)['@odata.nextLink']) ?? linkBehind(base, to, alerts.length)
    return { alerts, next: link ? linkWithin(base, link, DOING) : null }
  }
  return {
    api: 'defender',
    fields: { created: 'alertCreationTime', updated: 'lastUpdateTime' },
    find: (filter) => ask(addressOf({ $filter: filter, $top: String(PAGE_ALERTS) })),
    goOn: ask,
    isOwn: (link) => new URL(link).origin === new URL(base).origin,
    probe: () => ask(addressOf({ $top: '1' })),
  }
}

const addressOf = (query: Record<string, string>): string =>
  `api/alerts?${new URLSearchParams({ ...query, $expand: 'evidence', $skip: '0' })}`

/** Whether there is a link is not documented: a page that is not empty is gone on behind. */
function linkBehind(base: string, to: string, found: number): string | undefined {
  if (found === 0) return undefined
  const next = new URL(to, new URL(base))
  next.searchParams.set('$skip', String(Number(next.searchParams.get('$skip') ?? 0) + found))
  return next.href
}

const FIXES: Fixes = {
  permission_missing:
    'Give the app the application permission Alert.Read.All of WindowsDefenderATP and grant admin consent; it may take minutes to hold.',
}
