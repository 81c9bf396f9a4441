import { createHash } from 'node:crypto'
import { startGoogleDrive } from '../google-drive.ts'
import { arming, FEW, type Form, type Occurrence, type VendorBench } from './bench.ts'

const DATA = ['activities']

export const googleDrive: VendorBench = {
  kind: 'google-drive',
  async start(clock, { pageEvents = FEW, port = 0 } = {}) {
    const vendor = await startGoogleDrive({ clock, port, pageItems: pageEvents })
    const { serviceAccountKey } = vendor.settings
    return {
      settings: { ...vendor.settings, internalDomains: ['conformance.example', 'sandbox.example'] },
      clock,
      pageEvents,
      requests: vendor.requests,
      faults: vendor.faults,
      data: DATA,
      tokens: vendor.tokens,
      limit: 'kept',
      secrets: () => [...vendor.tokens.tokens, JSON.parse(serviceAccountKey).private_key],
      stage: (occurrence) => vendor.log.add(itemOf(occurrence), occurrence.at, occurrence),
      arm: arming(vendor.faults, DATA, vendor.tokens, {
        throttled: [
          { match: 'activities', skip: 1, code: 'rateLimitExceeded' },
          { match: 'activities', status: 429, body: 'slow down' },
          { match: 'activities', code: 'backendError' },
        ],
        // In the middle of a window: those before the first events are empty.
        outage: { match: ({ query }) => query.has('pageToken'), skip: 1, times: 6, status: 503 },
        // In mid-window, as tokens are not kept any longer than that.
        cursor_rejected: { match: ({ query }) => query.has('pageToken'), code: 'invalid' },
        forbidden: { match: 'activities', times: Number.POSITIVE_INFINITY, code: 'insufficientPermissions' },
        foreign_link: { cannot: 'the next page is named by a token' },
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

function itemOf({ marker, person, at, form }: Occurrence): Record<string, unknown> {
  const item = {
    kind: 'admin#reports#activity',
    id: {
      time: at.toISOString(),
      uniqueQualifier: qualifierOf(marker),
      applicationName: 'drive',
      customerId: 'C0abc12',
    },
    etag: '"x1/sandbox"',
    actor: { email: person, profileId: '104000000000000000001' },
    ipAddress: '91.198.174.10',
    events: [
      {
        type: 'access',
        name: 'download',
        resourceIds: [marker],
        parameters: [
          { name: 'primary_event', boolValue: true },
          { name: 'billable', boolValue: true },
          { name: 'visibility', value: 'private' },
          { name: 'doc_id', value: marker },
          { name: 'doc_type', value: 'spreadsheet' },
          { name: 'doc_title', value: `${marker}.xlsx` },
          { name: 'owner', value: person },
        ],
      },
    ],
  }
  return JSON.parse(JSON.stringify({ ...item, ...oddOf(form, marker) })) as Record<string, unknown>
}

/** Unique to a marker, and as often as not below zero. */
const qualifierOf = (marker: string): string => String(createHash('sha256').update(marker).digest().readBigInt64BE())

function oddOf(form: Form, marker: string): object {
  const parameters = [{ name: 'doc_id', value: marker }]
  if (form === 'unknown_type') return { events: [{ type: 'new', name: 'invented_tomorrow', parameters, deep: [[1]] }] }
  if (form === 'field_missing') return { actor: undefined, ipAddress: null, events: [{ name: 'download', parameters }] }
  if (form === 'field_odd') return { actor: 'somebody', id: { time: 1763629391, uniqueQualifier: marker } }
  return {}
}
