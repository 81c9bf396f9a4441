import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { startS3 } from '../s3.ts'
import { arming, FEW, type Form, type Occurrence, type VendorBench } from './bench.ts'

const DATA = ['ListObjectsV2', 'GetObject']
const READ = '.json.gz'

export const amazonS3: VendorBench = {
  kind: 'amazon-s3',
  async start(clock, { pageEvents = FEW, port = 0 } = {}) {
    const s3 = await startS3({ clock, port, maxKeys: pageEvents })
    const { accessKeyId, secretAccessKey } = s3.credentials
    return {
      settings: {
        bucket: 'trail',
        region: s3.region,
        endpoint: s3.endpoint,
        forcePathStyle: true,
        accessKeyId,
        secretAccessKey,
      },
      clock,
      pageEvents,
      requests: s3.requests,
      faults: s3.faults,
      data: DATA,
      tokens: { cannot: 'every request is signed; there is no token to renew' },
      limit: { cannot: '5,500 requests a second per prefix; the SDK backs off on SlowDown' },
      secrets: () => [],
      stage: (occurrence) => put(s3, occurrence),
      arm: arming(s3.faults, DATA, undefined, {
        retry_after: { cannot: 'S3 answers SlowDown without Retry-After' },
        throttled: { match: READ, skip: 1, times: 2, code: 'SlowDown' },
        token_refused: { cannot: 'every request is signed; there is no token to renew' },
        server_error: { match: READ, skip: 1, times: 2, code: 'InternalError' },
        outage: { match: READ, skip: 2, times: 6, code: 'SlowDown' },
        cut: { match: READ, skip: 1, cutAfterBytes: 40 },
        garbage: { match: READ, skip: 1, status: 502, body: '<html></html>' },
        page_twice: { match: READ, skip: 1, handled: true, reset: true },
        cursor_rejected: { cannot: 'the position is a key; any key is one to go on behind' },
        forbidden: { match: 'list-type', times: Number.POSITIVE_INFINITY, code: 'AccessDenied' },
        credential_refused: { match: 'list-type', times: Number.POSITIVE_INFINITY, code: 'InvalidAccessKeyId' },
        redirect: { match: 'list-type', times: Number.POSITIVE_INFINITY, code: 'PermanentRedirect' },
        foreign_link: { cannot: 'the next page is named by a token; its address is the bucket’s' },
      }),
      skew: (offsetMs) => {
        s3.serverClockOffsetMs = offsetMs
      },
      tick: () => {},
      [Symbol.asyncDispose]: s3.close,
    }
  },
}

const ODD: Record<Form, object> = {
  plain: {},
  unknown_type: { eventName: 'InventedTomorrow', eventVersion: '1.99', newField: { deep: [1] } },
  field_missing: { userIdentity: undefined, requestParameters: null, sourceIPAddress: undefined },
  field_odd: { userIdentity: [], eventTime: 12, additionalEventData: 'none' },
}

type S3 = Awaited<ReturnType<typeof startS3>>

/** One log file per event, named by when it was delivered; one that is late was named in time and shows up later. */
function put(s3: S3, { marker, person, at, availableAt, form, behindCursor }: Occurrence): void {
  const named = behindCursor ? at : availableAt
  const stamp = named.toISOString().slice(0, 16).replaceAll(/[-:]/g, '')
  const folder = named.toISOString().slice(0, 10).replaceAll('-', '/')
  const suffix = createHash('md5').update(marker).digest('hex').slice(0, 16)
  const record = {
    eventVersion: '1.11',
    eventTime: `${at.toISOString().slice(0, 19)}Z`,
    eventSource: 's3.amazonaws.com',
    eventName: 'GetObject',
    awsRegion: 'eu-west-1',
    sourceIPAddress: '91.198.174.10',
    userIdentity: {
      type: 'AssumedRole',
      arn: `arn:aws:sts::111122223333:assumed-role/Analyst/${person}`,
      accountId: '111122223333',
      sessionContext: { sourceIdentity: person },
    },
    requestParameters: { bucketName: 'finance', key: `${marker}.xlsx` },
    additionalEventData: { bytesTransferredOut: 1000 },
    requestID: marker,
    eventID: suffix,
    recipientAccountId: '111122223333',
    eventCategory: 'Data',
    ...ODD[form],
  }
  s3.put(
    'trail',
    `AWSLogs/111122223333/CloudTrail/eu-west-1/${folder}/111122223333_CloudTrail_eu-west-1_${stamp}Z_${suffix}.json.gz`,
    gzipSync(JSON.stringify({ Records: [record] })),
    { availableAt },
  )
}
