import { createHash } from 'node:crypto'
import { hourOf, type LogFileDraft, startSalesforce } from '../salesforce.ts'
import { arming, FEW, type Form, type Occurrence, type VendorBench } from './bench.ts'

const DATA = ['query', 'more', 'file']

export const salesforce: VendorBench = {
  kind: 'salesforce',
  async start(clock, { pageEvents = FEW, port = 0 } = {}) {
    // Short enough that a statement of three minutes outlives the request that carries it.
    const vendor = await startSalesforce({ clock, port, pageRecords: pageEvents, tokenSeconds: 600 })
    const known = new Set<string>()
    return {
      settings: { ...vendor.settings },
      clock,
      pageEvents,
      requests: vendor.requests,
      faults: vendor.faults,
      data: DATA,
      tokens: vendor.tokens,
      limit: {
        cannot: 'calls are counted by the day, for the whole organisation: a test of the connector spends them',
      },
      secrets: () => [...vendor.tokens.tokens, vendor.clientSecret],
      stage(occurrence) {
        const { person } = occurrence
        if (!known.has(person))
          vendor.addUser({ Id: userId(person), Username: `${person}.crm`, Email: person, UserType: 'Standard' })
        known.add(person)
        vendor.addFile(fileOf(occurrence))
      },
      arm: arming(vendor.faults, DATA, vendor.tokens, {
        throttled: [
          { match: 'file', code: 'REQUEST_LIMIT_EXCEEDED' },
          { match: 'file', code: 'SERVER_UNAVAILABLE' },
          { match: 'file', status: 429, body: 'slow down' },
        ],
        garbage: [
          { match: 'query', status: 200, body: '<html>Sign in to the network</html>' },
          { match: 'query', status: 502, body: '<html></html>' },
          { match: 'file', status: 200, body: '<html>Sign in to the network</html>' },
          { match: 'file', status: 200, body: '' },
        ],
        cursor_rejected: { match: 'more', code: 'INVALID_QUERY_LOCATOR' },
        forbidden: {
          match: ({ operation }) => DATA.includes(operation),
          times: Number.POSITIVE_INFINITY,
          code: 'INVALID_TYPE',
        },
        foreign_link: (elsewhere) => ({
          match: 'query',
          times: Number.POSITIVE_INFINITY,
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            done: false,
            records: [],
            nextRecordsUrl: `${elsewhere}/services/data/v62.0/query/01g-3`,
          }),
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

const userId = (person: string): string => `005${createHash('sha256').update(person).digest('hex').slice(0, 12)}AAA`

/** A file of its own for every event: created when it happened and seen later, or created late. */
function fileOf({ marker, person, at, availableAt, behindCursor, form }: Occurrence): LogFileDraft {
  const type = form === 'unknown_type' ? 'InventedTomorrow' : 'ContentTransfer'
  const row = {
    EVENT_TYPE: type,
    TIMESTAMP: at.toISOString().replaceAll(/[-T:Z]/g, ''),
    REQUEST_ID: marker,
    ORGANIZATION_ID: '00D000000000001',
    USER_ID: userId(person).slice(0, 15),
    DOCUMENT_ID: '0695g0000022222',
    SIZE_BYTES: '4811223',
    TRANSACTION_TYPE: 'VersionDownloadAction',
    TIMESTAMP_DERIVED: at.toISOString(),
    USER_ID_DERIVED: userId(person),
  }
  return {
    eventType: type,
    rows: [{ ...row, ...ODD[form] }],
    logDate: hourOf(at),
    createdAt: behindCursor ? new Date(Math.min(at.getTime() + 60_000, availableAt.getTime())) : availableAt,
    availableAt,
  }
}

const ODD: Record<Form, Record<string, string>> = {
  plain: {},
  unknown_type: { NEW_COLUMN: 'of another "kind",\nover two lines' },
  field_missing: { USER_ID: '', USER_ID_DERIVED: '', SIZE_BYTES: '', TRANSACTION_TYPE: '' },
  field_odd: { TIMESTAMP: 'yesterday', TIMESTAMP_DERIVED: '1763629391', SIZE_BYTES: 'many' },
}
