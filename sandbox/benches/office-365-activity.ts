import { OFFICE_APP, OFFICE_CONTENT_TYPES, startOffice365 } from '../office-365-activity.ts'
import { arming, FEW, type Form, type Occurrence, type VendorBench } from './bench.ts'

const DATA = ['content', 'blob']
/** One event of so many is delivered in a second blob as well. */
const AGAIN = 3

export const office365Activity: VendorBench = {
  kind: 'office-365-activity',
  async start(clock, { pageEvents = FEW, port = 0 } = {}) {
    // What a page has is spread over the content types: each of them has several pages soon.
    const pageBlobs = Math.ceil(pageEvents / OFFICE_CONTENT_TYPES.length)
    const vendor = await startOffice365({ clock, port, pageBlobs })
    vendor.subscribeAll()
    let staged = 0
    return {
      settings: {
        ...OFFICE_APP,
        apiUrl: vendor.url,
        loginUrl: vendor.url,
        startSubscriptions: true,
        // Less than the source keeps, so that a backfill has something to find.
        startDaysBack: 1,
      },
      clock,
      pageEvents,
      requests: vendor.requests,
      faults: vendor.faults,
      data: DATA,
      tokens: vendor.tokens,
      limit: 'kept',
      secrets: () => vendor.tokens.tokens,
      stage(occurrence) {
        const { at, availableAt, behindCursor } = occurrence
        const [contentType, record] = recordOf(occurrence, staged)
        staged += 1
        // What is behind the cursor was put together in time and is listed late.
        vendor.add(contentType, [record], behindCursor ? at : availableAt, availableAt)
        // One event in several blobs is what the API documents.
        if (staged % AGAIN === 0) vendor.add(contentType, [record], new Date(availableAt.getTime() + 1_000))
      },
      contents: 'blob',
      peculiar: {
        subscription_missing: () => vendor.subscriptions.clear(),
        subscription_disabled: () =>
          void vendor.subscriptions.set(OFFICE_CONTENT_TYPES[0] as string, {
            status: 'disabled',
            startedAt: new Date(0),
          }),
        content_listed_again: () => {},
        content_gone: () => void vendor.faults.next({ match: 'blob', skip: 1, code: 'AF20051' }),
      },
      recover: () => vendor.subscribeAll(),
      arm: arming(vendor.faults, DATA, vendor.tokens, {
        throttled: [
          { match: 'blob', skip: 1, code: 'AF429' },
          { match: 'content', code: 'AF429' },
          { match: 'content', status: 503 },
        ],
        cursor_rejected: { match: ({ query }) => query.has('nextPage'), code: 'AF20031' },
        forbidden: { match: 'content', times: Number.POSITIVE_INFINITY, code: 'AF10001' },
        foreign_link: (elsewhere) => ({
          match: 'content',
          times: Number.POSITIVE_INFINITY,
          status: 200,
          headers: { 'content-type': 'application/json', NextPageUri: `${elsewhere}/api/v1.0/x/activity/feed` },
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
  unknown_type: { RecordType: 9999, Workload: 'InventedTomorrow', Operation: 'DidSomethingNew', Deep: [[1]] },
  field_missing: { UserId: undefined, ClientIP: null, ObjectId: undefined, RecordType: null, PolicyDetails: null },
  field_odd: { UserId: 12, CreationTime: 1763629391, PolicyDetails: 'none' },
}

/** One event of each workload in turn. */
function recordOf({ marker, person, at, form }: Occurrence, index: number): [contentType: string, record: object] {
  const contentType = OFFICE_CONTENT_TYPES[index % OFFICE_CONTENT_TYPES.length] as string
  const record = {
    CreationTime: at.toISOString().slice(0, 19),
    Id: `${marker}-0000-4000-8000-000000000000`,
    OrganizationId: OFFICE_APP.tenantId,
    UserType: 0,
    Version: 1,
    UserId: person,
    ClientIP: '91.198.174.10:50001',
    ...OF[contentType]?.(marker, person),
    ...ODD[form],
  }
  return [contentType, JSON.parse(JSON.stringify(record))]
}

const OF: Record<string, (marker: string, person: string) => object> = {
  'Audit.AzureActiveDirectory': (marker) => ({
    RecordType: 15,
    Workload: 'AzureActiveDirectory',
    Operation: 'UserLoggedIn',
    ResultStatus: 'Success',
    ObjectId: marker,
  }),
  'Audit.Exchange': (marker, person) => ({
    RecordType: 2,
    Workload: 'Exchange',
    Operation: 'Send',
    ResultStatus: 'Succeeded',
    LogonType: 0,
    MailboxOwnerUPN: person,
    Item: { Subject: marker, SizeInBytes: 4_901_000 },
  }),
  'Audit.SharePoint': (marker) => ({
    RecordType: 6,
    Workload: 'SharePoint',
    Operation: 'FileDownloaded',
    ItemType: 'File',
    SiteUrl: 'https://sandbox.sharepoint.example/sites/finance/',
    SourceFileName: `${marker}.xlsx`,
    ObjectId: `https://sandbox.sharepoint.example/sites/finance/Documents/${marker}.xlsx`,
  }),
  'Audit.General': (marker) => ({
    RecordType: 63,
    Workload: 'Endpoint',
    Operation: 'FileCopiedToRemovableMedia',
    ObjectId: `C:\\Users\\work\\${marker}.xlsx`,
    DeviceName: 'lap-0042.sandbox.example',
    FileSize: 4_811_223,
    EnforcementMode: 1,
  }),
  'DLP.All': (marker, person) => ({
    RecordType: 11,
    Workload: 'OneDrive',
    Operation: 'DlpRuleMatch',
    UserKey: 'DlpAgent',
    UserType: 4,
    UserId: 'DlpPolicyEventBasedAssistantOneDriveForBusiness',
    IncidentId: marker,
    SharePointMetaData: { From: person, FileName: `${marker}.xlsx`, UniqueID: marker },
    PolicyDetails: [
      { PolicyId: 'p1', PolicyName: 'Finance', Rules: [{ RuleId: 'r1', Severity: 'High', RuleMode: 'Enable' }] },
    ],
  }),
}
