import { randomUUID } from 'node:crypto'
import { linkWithin, openHttp } from '../http/client.ts'
import type { Fixes } from '../http/refusal.ts'
import { signInAtEntra } from '../microsoft/sign-in.ts'
import { list, object, text } from '../values.ts'
import { type AlertsPage, explain, type Opened, type SecurityAlerts } from './alerts.ts'
import { openDefender } from './defender-client.ts'

/** Alerts of one page: the API names no maximum; each may carry dozens of pieces of evidence. */
const PAGE_ALERTS = 500
const DOING = 'reading security alerts'

export const openAlerts = (opened: Opened): SecurityAlerts =>
  opened.config.api === 'defender' ? openDefender(opened) : openGraph(opened)

function openGraph({ config, access, signal }: Opened): SecurityAlerts {
  const { graphUrl: base } = config
  const http = openHttp({
    access,
    signal,
    base,
    signIn: signInAtEntra({ ...config, resource: base }),
    explain,
    fixes: FIXES,
    // Without it every value that is newer than the API's first version reads `unknownFutureValue`.
    headers: { prefer: 'include-unknown-enum-members' },
  })
  const ask = async (to: string, query: Record<string, string | number> = {}): Promise<AlertsPage> => {
    const { body } = await http.json({
      doing: DOING,
      to,
      query,
      headers: { 'client-request-id': randomUUID() },
      expects: { what: 'a page of alerts', holds: (page) => Array.isArray(object(page)['value']) },
    })
    const link = text(object(body)['@odata.nextLink'])
    return { alerts: list(object(body)['value']), next: link ? linkWithin(base, link, DOING) : null }
  }
  const first = (query: Record<string, string | number>) => ask('v1.0/security/alerts_v2', query)
  return {
    api: 'graph',
    fields: { created: 'createdDateTime', updated: 'lastUpdateDateTime' },
    // No `$orderby`: it is not documented for alerts. The order, newest first, is also the one in which an alert that
    // changes while pages are read shifts others to a later page, where they are met twice, and never to an earlier one.
    find: (filter) => first({ $filter: filter, $top: PAGE_ALERTS }),
    goOn: (link) => ask(link),
    isOwn: (link) => new URL(link).origin === new URL(base).origin,
    probe: () => first({ $top: 1 }),
  }
}

const FIXES: Fixes = {
  permission_missing:
    'Give the app the application permission SecurityAlert.Read.All of Microsoft Graph and grant admin consent; it may take minutes to hold.',
}
