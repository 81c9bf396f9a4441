import { randomBytes } from 'node:crypto'
import { startMicrosoftGraphUsers } from '../microsoft-graph-users.ts'
import { ENTRA_APP } from '../vendor/entra.ts'
import { arming, FEW, type Form, type Occurrence, type VendorBench } from './bench.ts'

const DATA = ['users']

export const microsoftGraphUsers: VendorBench = {
  kind: 'microsoft-graph-users',
  async start(clock, { pageEvents = FEW, port = 0 } = {}) {
    const tenant = randomBytes(4).toString('hex')
    const vendor = await startMicrosoftGraphUsers({ clock, port, pageUsers: pageEvents })
    return {
      settings: { ...ENTRA_APP, graphUrl: vendor.url, loginUrl: vendor.url },
      clock,
      pageEvents,
      requests: vendor.requests,
      faults: vendor.faults,
      data: DATA,
      tokens: vendor.tokens,
      limit: 'kept',
      secrets: () => vendor.tokens.tokens,
      stage: (occurrence) => vendor.put(userOf(tenant, occurrence), occurrence.availableAt),
      arm: arming(vendor.faults, DATA, vendor.tokens, {
        cursor_rejected: { match: ({ query }) => query.has('$deltatoken'), status: 410, code: 'syncStateNotFound' },
        forbidden: {
          match: ({ operation }) => operation === 'users' || operation === 'list',
          times: Number.POSITIVE_INFINITY,
          code: 'Authorization_RequestDenied',
          status: 403,
        },
        foreign_link: (elsewhere) => ({
          match: 'users',
          times: Number.POSITIVE_INFINITY,
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ value: [], '@odata.nextLink': `${elsewhere}/v1.0/users/delta?$skiptoken=3` }),
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
  unknown_type: { userType: 'InventedTomorrow', inventedTomorrow: [1] },
  field_missing: { userPrincipalName: null, mail: null, proxyAddresses: null, accountEnabled: null },
  field_odd: { proxyAddresses: 'somebody', employeeId: 7, accountEnabled: 'yes', 'manager@delta': 3 },
}

/** A change is a user of its own, so that each can be found again; two tenants have no user in common. */
function userOf(tenant: string, { marker, person, form }: Occurrence): Record<string, unknown> {
  const address = `${marker}.${tenant}.${person}`
  return {
    id: `${tenant}-0000-4000-8000-${marker}`,
    userPrincipalName: address,
    mail: address,
    proxyAddresses: [`SMTP:${address}`],
    department: `Department of ${marker}`,
    userType: 'Member',
    accountEnabled: true,
    ...ODD[form],
  }
}
