import { REST_CLIENT, startRestApi } from '../rest-api.ts'
import { arming, FEW, type Form, type Occurrence, type VendorBench } from './bench.ts'

const DATA = ['events']
const LIST = '/link/events'

export const genericRest: VendorBench = {
  kind: 'generic-rest',
  async start(clock, { pageEvents = FEW, port = 0 } = {}) {
    const vendor = await startRestApi({ clock, port, pageRecords: pageEvents })
    return {
      settings: {
        url: `${vendor.url}${LIST}`,
        auth: 'client_credentials',
        tokenUrl: `${vendor.url}/oauth/token`,
        ...REST_CLIENT,
        clientIn: 'header',
        paging: 'link_header',
        sizeParameter: 'limit',
        sinceParameter: 'since',
        untilParameter: 'until',
        startDaysBack: 2,
        columns: { person: 'who.address', at: 'time', action: 'what', object: 'file.name', size: 'file.bytes' },
        verbs: { fetched: 'download' },
        eventIdColumns: ['id'],
      },
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
        cursor_rejected: { match: ({ query }) => query.has('cursor'), status: 400, body: '{"error":"cursor"}' },
        foreign_link: (elsewhere) => ({
          match: 'events',
          times: Number.POSITIVE_INFINITY,
          status: 200,
          headers: { 'content-type': 'application/json', link: `<${elsewhere}${LIST}?cursor=c1>; rel="next"` },
          body: '[]',
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
  unknown_type: { what: 'invented_tomorrow', deep: [[1]] },
  field_missing: { file: null, what: undefined },
  field_odd: { who: 'somebody', time: 1763629391, file: [3] },
}

const eventOf = ({ marker, person, at, form }: Occurrence): Record<string, unknown> => ({
  id: marker,
  time: at.toISOString(),
  who: { address: person },
  what: 'fetched',
  file: { name: `${marker}.xlsx`, bytes: 4_811_223 },
  ...ODD[form],
})
