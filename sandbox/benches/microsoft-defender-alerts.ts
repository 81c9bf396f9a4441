import { startDefender } from '../microsoft-defender.ts'
import { GRAPH_APP } from '../microsoft-graph.ts'
import { arming, FEW, type Form, type Occurrence, type VendorBench } from './bench.ts'

const DATA = ['alerts']

export const microsoftDefenderAlerts: VendorBench = {
  kind: 'microsoft-graph-alerts',
  variant: 'older API',
  async start(clock, { pageEvents = FEW, port = 0 } = {}) {
    const vendor = await startDefender({ clock, port, pageAlerts: pageEvents })
    return {
      settings: {
        ...GRAPH_APP,
        api: 'defender',
        defenderUrl: vendor.url,
        defenderResource: vendor.url,
        loginUrl: vendor.url,
      },
      clock,
      pageEvents,
      requests: vendor.requests,
      faults: vendor.faults,
      data: DATA,
      tokens: vendor.tokens,
      limit: 'kept',
      secrets: () => vendor.tokens.tokens,
      stage: (occurrence) => vendor.add(alertOf(occurrence), occurrence.availableAt),
      arm: arming(vendor.faults, DATA, vendor.tokens, {
        cursor_rejected: { match: ({ query }) => query.get('$skip') !== '0', status: 400, code: 'BadRequest' },
        forbidden: { match: 'alerts', times: Number.POSITIVE_INFINITY, code: 'Forbidden', status: 403 },
        foreign_link: (elsewhere) => ({
          match: 'alerts',
          times: Number.POSITIVE_INFINITY,
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ value: [], '@odata.nextLink': `${elsewhere}/api/alerts?$skip=3` }),
        }),
      }),
      skew: (offsetMs) => {
        vendor.clockOffsetMs = offsetMs
      },
      tick: (ms) => {
        vendor.tickMs = ms
      },
      [Symbol.asyncDispose]: vendor.close,
    }
  },
}

const ODD: Record<Form, object> = {
  plain: {},
  unknown_type: { category: 'NewThing', severity: 'Catastrophic', evidence: [{ entityType: 'InventedTomorrow' }] },
  field_missing: { evidence: undefined, severity: null, status: undefined, category: null, relatedUser: null },
  field_odd: { evidence: 'somebody', alertCreationTime: 1763629391, severity: 3 },
}

function alertOf({ marker, person, at, form }: Occurrence): Record<string, unknown> {
  // Fractional digits vary.
  const time = `${at.toISOString().slice(0, 19)}.25Z`
  const alert = {
    id: `da-${marker}`,
    incidentId: 4711,
    severity: 'Medium',
    status: 'New',
    classification: null,
    determination: null,
    detectionSource: 'WindowsDefenderAtp',
    category: 'Exfiltration',
    title: `Suspicious copy of ${marker}.xlsx`,
    alertCreationTime: time,
    firstEventTime: time,
    lastEventTime: time,
    lastUpdateTime: time,
    computerDnsName: 'pc-17.sandbox.example',
    aadTenantId: GRAPH_APP.tenantId,
    relatedUser: { userName: person.split('@')[0], domainName: 'SANDBOX' },
    evidence: [
      { entityType: 'User', accountName: person.split('@')[0], domainName: 'sandbox', userPrincipalName: person },
      { entityType: 'File', fileName: `${marker}.xlsx`, filePath: 'C:\\work' },
    ],
  }
  return JSON.parse(JSON.stringify({ ...alert, ...ODD[form] })) as Record<string, unknown>
}
