import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { startS3 } from '../../sandbox/s3.ts'

export const DAY_MS = 86_400_000

/** So many days before now. */
export const daysAgo = (days: number): Date => new Date(Date.now() - days * DAY_MS)

export interface TrailEvent {
  user: string
  at: Date
  name?: string
  key?: string
  bytes?: number
  ip?: string
  bucket?: string
}

const eventIds = (function* () {
  for (let number = 1; ; number += 1) yield `event-${number}`
})()

/** A CloudTrail record as Amazon writes it for a data event of an assumed role. */
export const trailRecord = ({
  user,
  at,
  name = 'GetObject',
  key = 'team/plan.docx',
  bytes = 1000,
  ip = '91.198.174.10',
  bucket = 'team',
}: TrailEvent) => ({
  eventVersion: '1.11',
  eventTime: `${at.toISOString().slice(0, 19)}Z`,
  eventSource: 's3.amazonaws.com',
  eventName: name,
  awsRegion: 'eu-west-1',
  sourceIPAddress: ip,
  userIdentity: {
    type: 'AssumedRole',
    arn: `arn:aws:sts::111122223333:assumed-role/Analyst/${user}`,
    accountId: '111122223333',
    sessionContext: { sourceIdentity: user },
  },
  requestParameters: { bucketName: bucket, key },
  additionalEventData: { bytesTransferredOut: bytes },
  eventID: eventIds.next().value,
  recipientAccountId: '111122223333',
  eventCategory: 'Data',
})

/** Puts a log file where a trail delivers it; a Buffer is put as it is. */
export function deliver(s3: Awaited<ReturnType<typeof startS3>>, delivered: Date, body: unknown[] | Buffer): void {
  const stamp = delivered.toISOString().slice(0, 16).replaceAll(/[-:]/g, '')
  const folder = delivered.toISOString().slice(0, 10).replaceAll('-', '/')
  const name = `111122223333_CloudTrail_eu-west-1_${stamp}Z_${randomBytes(8).toString('hex')}.json.gz`
  const bytes = Buffer.isBuffer(body) ? body : gzipSync(JSON.stringify({ Records: body }))
  s3.put('trail', `AWSLogs/111122223333/CloudTrail/eu-west-1/${folder}/${name}`, bytes)
}

/** Settings of a connector that reads this trail. */
export const trailSettings = (endpoint: string, more: Record<string, unknown> = {}) => ({
  bucket: 'trail',
  region: 'eu-west-1',
  endpoint,
  forcePathStyle: true,
  accessKeyId: 'AKIAEXAMPLE',
  secretAccessKey: 'example',
  startDaysBack: 40,
  ...more,
})
