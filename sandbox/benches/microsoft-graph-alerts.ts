import { GRAPH_APP, startMicrosoftGraph } from '../microsoft-graph.ts'
import { arming, FEW, type Form, type Occurrence, type VendorBench } from './bench.ts'

const DATA = ['alerts']

export const microsoftGraphAlerts: VendorBench = {
  kind: 'microsoft-graph-alerts',
  async start(clock, { pageEvents = FEW, port = 0 } = {}) {
    const vendor = await startMicrosoftGraph({ clock, port, pageAlerts: pageEvents })
    return {
      settings: { ...GRAPH_APP, graphUrl: vendor.url, loginUrl: vendor.url },
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
        cursor_rejected: { match: ({ query }) => query.has('$skip'), status: 400, code: 'BadRequest' },
        forbidden: { match: 'alerts', times: Number.POSITIVE_INFINITY, code: 'Forbidden', status: 403 },
        foreign_link: (elsewhere) => ({
          match: 'alerts',
          times: Number.POSITIVE_INFINITY,
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ value: [], '@odata.nextLink': `${elsewhere}/v1.0/security/alerts_v2?$skip=3` }),
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
  unknown_type: {
    serviceSource: 'inventedTomorrow',
    category: 'NewThing',
    severity: 'catastrophic',
    evidence: [{ '@odata.type': '#microsoft.graph.security.inventedEvidence', of: [1] }],
  },
  field_missing: { evidence: undefined, severity: null, classification: null, status: undefined, category: null },
  field_odd: { evidence: 'somebody', createdDateTime: 1763629391, severity: 3 },
}

function alertOf({ marker, person, at, form }: Occurrence): Record<string, unknown> {
  const time = `${at.toISOString().slice(0, 23)}4567Z`
  const alert = {
    id: `da-${marker}`,
    providerAlertId: marker,
    status: 'new',
    severity: 'medium',
    classification: null,
    determination: null,
    serviceSource: 'microsoftDefenderForEndpoint',
    detectionSource: 'microsoftDefenderForEndpoint',
    tenantId: GRAPH_APP.tenantId,
    title: `Suspicious copy of ${marker}.xlsx`,
    category: 'Exfiltration',
    createdDateTime: time,
    lastUpdateDateTime: time,
    firstActivityDateTime: time,
    lastActivityDateTime: time,
    evidence: [
      {
        '@odata.type': '#microsoft.graph.security.userEvidence',
        createdDateTime: time,
        userAccount: { accountName: person.split('@')[0], domainName: 'sandbox', userPrincipalName: person },
      },
    ],
  }
  return JSON.parse(JSON.stringify({ ...alert, ...ODD[form] })) as Record<string, unknown>
}
