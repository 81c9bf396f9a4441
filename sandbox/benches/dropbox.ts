import { DROPBOX_APP, startDropbox } from '../dropbox.ts'
import { arming, FEW, type Form, type Occurrence, type VendorBench } from './bench.ts'

const DATA = ['get_events', 'continue']

export const dropbox: VendorBench = {
  kind: 'dropbox',
  async start(clock, { pageEvents = FEW, port = 0 } = {}) {
    const vendor = await startDropbox({ clock, port, pageEvents, emptyEvery: 4 })
    return {
      settings: { ...DROPBOX_APP, apiUrl: vendor.url },
      clock,
      pageEvents,
      requests: vendor.requests,
      faults: vendor.faults,
      data: DATA,
      tokens: vendor.tokens,
      limit: { cannot: 'Dropbox publishes no number; Retry-After is kept' },
      secrets: () => vendor.tokens.tokens,
      stage: (occurrence) => vendor.log.add(eventOf(occurrence), occurrence.at, occurrence),
      arm: arming(vendor.faults, DATA, vendor.tokens, {
        cursor_rejected: () => {
          vendor.forgetCursors('reset')
          return undefined
        },
        forbidden: { match: 'get_events', times: Number.POSITIVE_INFINITY, code: 'missing_scope' },
        foreign_link: { cannot: 'the next page is named by a cursor in the body of the request' },
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
  unknown_type: { event_type: { '.tag': 'invented_tomorrow', description: 'New' }, details: { '.tag': 'other' } },
  field_missing: { actor: undefined, origin: null, assets: undefined, context: undefined },
  field_odd: { actor: 'somebody', origin: [], timestamp: 1763629391 },
}

function eventOf({ marker, person, at, form }: Occurrence): Record<string, unknown> {
  const who = {
    '.tag': 'team_member',
    account_id: `dbid:${person}`,
    display_name: `Display ${person}`,
    email: person,
    team_member_id: `dbmid:${person}`,
  }
  const event = {
    timestamp: `${at.toISOString().slice(0, 19)}Z`,
    event_category: { '.tag': 'file_operations' },
    event_type: { '.tag': 'file_download', description: 'Downloaded files and/or folders' },
    details: { '.tag': 'file_download_details', session_info: marker },
    actor: { '.tag': 'user', user: who },
    origin: {
      geo_location: { city: 'Berlin', region: 'Berlin', country: 'DE', ip_address: '91.198.174.10' },
      access_method: { '.tag': 'end_user', end_user: { '.tag': 'web', session_id: 'dbwsid:1' } },
    },
    involve_non_team_member: false,
    context: who,
    assets: [
      {
        '.tag': 'file',
        path: {
          contextual: `/Finance/${marker}.xlsx`,
          namespace_relative: { ns_id: '1234', relative_path: `/Finance/${marker}.xlsx`, is_shared_namespace: true },
        },
        display_name: `${marker}.xlsx`,
        file_id: `id:${marker}`,
        file_size: 1000,
      },
    ],
  }
  return JSON.parse(JSON.stringify({ ...event, ...ODD[form] })) as Record<string, unknown>
}
