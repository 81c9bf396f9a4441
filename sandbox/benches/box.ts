import { BOX_APP, startBox } from '../box.ts'
import { arming, FEW, type Form, type Occurrence, type VendorBench } from './bench.ts'

const DATA = ['events']

export const box: VendorBench = {
  kind: 'box',
  async start(clock, { pageEvents = FEW, port = 0 } = {}) {
    const vendor = await startBox({ clock, port, pageEvents })
    return {
      settings: { ...BOX_APP, apiUrl: vendor.url },
      clock,
      pageEvents,
      requests: vendor.requests,
      faults: vendor.faults,
      data: DATA,
      tokens: vendor.tokens,
      limit: 'kept',
      secrets: () => vendor.tokens.tokens,
      stage: (occurrence) => vendor.log.add(eventOf(occurrence), occurrence.at, occurrence),
      arm: arming(vendor.faults, DATA, vendor.tokens, {
        page_twice: () => {
          vendor.repeats = true
          return undefined
        },
        cursor_rejected: () => {
          vendor.forgetPositions()
          return undefined
        },
        forbidden: { match: 'events', times: Number.POSITIVE_INFINITY, code: 'insufficient_scope' },
        foreign_link: { cannot: 'the next page is named by a position' },
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
  unknown_type: { event_type: 'INVENTED_TOMORROW', new_field: { deep: [1] } },
  field_missing: { source: null, created_by: undefined, additional_details: null, ip_address: undefined },
  field_odd: { created_by: 'somebody', created_at: 1763629391, source: [] },
}

function eventOf({ marker, person, at, form }: Occurrence): Record<string, unknown> {
  const pacific = new Date(at.getTime() - 8 * 3_600_000).toISOString().slice(0, 19)
  const event = {
    type: 'event',
    event_id: `event-of-${marker}`,
    event_type: 'DOWNLOAD',
    created_at: `${pacific}-08:00`,
    recorded_at: `${pacific}-08:00`,
    created_by: { type: 'user', id: '2050001', name: `Display ${person}`, login: person },
    action_by: null,
    ip_address: '91.198.174.10',
    session_id: null,
    source: {
      item_type: 'file',
      item_id: '1447001',
      item_name: `${marker}.xlsx`,
      parent: { type: 'folder', id: '99001', name: 'Finance' },
      owned_by: { type: 'user', id: '2050009', name: 'Owner', login: person },
    },
    additional_details: { size: 1000, version_id: '1600001', service_id: '7333', service_name: 'Box Web App' },
  }
  return JSON.parse(JSON.stringify({ ...event, ...ODD[form] })) as Record<string, unknown>
}
