import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formOf, parseSettings } from '../../domain/form.ts'
import type { Activity, Mapped } from '../../domain/signal.ts'
import { startS3 } from '../../sandbox/s3.ts'
import { daysAgo, deliver, trailRecord, trailSettings } from '../../test/harness/trail.ts'
import { openAccess } from '../access.ts'
import type { Page, Position } from '../connector.ts'
import type { S3Config } from './config.ts'
import { amazonS3 } from './connector.ts'

const config: S3Config = parseSettings(amazonS3.config, { bucket: 'trail', ownAccounts: ['999900001111'] })
const records = (name: string): any[] =>
  JSON.parse(readFileSync(path.join(import.meta.dirname, 'records', name), 'utf8'))
const map = (record: unknown): Mapped => amazonS3.map(record, config)

describe('real records', () => {
  test('a shared snapshot keeps its instant, its person and the account outside', () => {
    expect(map(records('share-ebs-snapshot.json')[0])).toMatchObject({
      type: 'activity',
      at: new Date('2024-08-01T12:28:02Z'),
      actor: { scheme: 'aws_principal', value: '756680937392/christophe' },
      actorKind: 'user',
      verb: 'snapshot_share',
      object: 'snap-041993b54a9b3af6f',
      destinationIsExternal: true,
      audienceAfter: 'specific_external',
      originIp: '253.76.43.253',
      outcome: 'success',
    })
  })

  test('an IAM user meets the HR file by the mail domain of the organisation', () => {
    const mapped = amazonS3.map(records('cloudtrail-stop.json')[0], {
      ...config,
      userDomain: 'Example.com',
    }) as Activity
    expect(mapped).toMatchObject({
      at: new Date('2024-07-31T13:06:24Z'),
      actor: { scheme: 'address', value: 'christophe@example.com' },
      verb: 'logging_change',
      flags: ['logging_off'],
    })
  })

  test('an address that is none is left out, the sign-in is kept', () => {
    const mapped = map(records('console-login.json')[0]) as Activity
    expect(mapped).toMatchObject({ verb: 'login', outcome: 'success', at: new Date('2024-08-02T08:53:24Z') })
    expect(mapped.originIp).toBeUndefined()
  })

  test('secrets are read five times', () => {
    expect(records('batch-retrieve-secrets.json').map((record) => (map(record) as Activity).verb)).toEqual(
      Array(5).fill('secret_read'),
    )
  })

  test('an exfiltration from S3: two objects read, seven listings', () => {
    const lines = readFileSync(path.join(import.meta.dirname, 'records/s3-exfiltration.ndjson'), 'utf8')
      .trim()
      .split('\n')
    const mapped = lines
      .map((line) => JSON.parse(line))
      .map((record) => map({ ...record, eventTime: record['@timestamp'] }) as Activity)
    const reads = mapped.filter(({ verb }) => verb === 'download')
    expect(mapped.filter(({ verb }) => verb === 'list')).toHaveLength(7)
    expect(reads.map(({ at, container, object, sizeBytes }) => ({ at, container, object, sizeBytes }))).toEqual([
      {
        at: new Date('2020-09-14T01:02:34Z'),
        container: 'mordors3stack-s3bucket-llp2yingx64a',
        object: 'ring.txt',
        sizeBytes: 89,
      },
      {
        at: new Date('2020-09-14T01:13:20Z'),
        container: 'mordors3stack-s3bucket-llp2yingx64a',
        object: 'ring.txt',
        sizeBytes: 89,
      },
    ])
    expect(reads[0]?.actor).toEqual({ scheme: 'aws_principal', value: '123456789123/i-0317f6c6b66ae9c40' })
  })

  const others = path.join(import.meta.dirname, '../../../shared/data/stratus-red-team-cloudtrail')
  test.skipIf(!existsSync(others))('every record of the whole collection becomes an activity', () => {
    const all = readdirSync(others)
      .filter((name) => name.endsWith('.json'))
      .flatMap((name) => JSON.parse(readFileSync(path.join(others, name), 'utf8')) as unknown[])
    expect(all).toHaveLength(310)
    expect(all.map(map).filter(({ type }) => type !== 'activity')).toEqual([])
  })
})

describe('mapping', () => {
  const base = trailRecord({ user: 'Dana@Example.com', at: new Date('2026-01-02T03:04:05Z') })
  const policy = (principal: unknown) => ({
    ...base,
    eventName: 'PutBucketPolicy',
    requestParameters: {
      bucketName: 'team',
      bucketPolicy: { Statement: [{ Effect: 'Allow', Principal: principal, Action: 's3:*' }] },
    },
  })

  test.each([
    ['everybody', '*', 'public', true],
    ['an account outside', { AWS: 'arn:aws:iam::444455556666:root' }, 'specific_external', true],
    ['an account of our own', { AWS: ['arn:aws:iam::999900001111:root'] }, undefined, false],
  ])('a bucket policy for %s', (_, principal, audience, external) => {
    const mapped = map(policy(principal)) as Activity
    expect([mapped.audienceAfter, mapped.destinationIsExternal]).toEqual([audience, external])
  })

  test.each([
    [{ BlockPublicAcls: true, RestrictPublicBuckets: false }, ['public_access_block_off']],
    [{ BlockPublicAcls: true, RestrictPublicBuckets: true }, undefined],
  ])('a block of public access that lets something through is off: %j', (block, flags) => {
    const requestParameters = { bucketName: 'team', PublicAccessBlockConfiguration: block }
    const mapped = map({ ...base, eventName: 'PutBucketPublicAccessBlock', requestParameters }) as Activity
    expect(mapped.flags).toEqual(flags)
  })

  test('a secret without its id is refused', () => {
    const lone = { bucket: 'trail', secretAccessKey: 'example' }
    expect(() => parseSettings(amazonS3.config, lone)).toThrow(expect.objectContaining({ field: 'accessKeyId' }))
  })

  test('what is unknown is kept, what has no id or time is rejected', () => {
    expect(map({ ...base, eventName: 'InventedTomorrow', newField: { deep: [1] } })).toMatchObject({
      verb: 'other',
      nativeEvent: 'InventedTomorrow',
    })
    expect(map({ ...base, eventID: undefined })).toMatchObject({ code: 'event_id_missing' })
    expect(map({ ...base, eventTime: 'soon' })).toMatchObject({ code: 'date_invalid', cell: 'eventTime' })
    expect(map({ ...base, eventVersion: '2.0' })).toMatchObject({ code: 'field_invalid', cell: 'eventVersion' })
  })

  test('copies of one act for several accounts are one event; a correction names what it corrects', () => {
    const [one, two] = [
      map({ ...base, sharedEventID: 's' }),
      map({ ...base, sharedEventID: 's', eventID: 'other', recipientAccountId: '2' }),
    ]
    expect((one as Activity).sourceId).toBe((two as Activity).sourceId)
    const corrected = map({
      ...base,
      eventID: 'new',
      addendum: { reason: 'UPDATED_DATA', originalEventID: 'old' },
    }) as Activity
    expect(corrected.supersedes).toBe('111122223333/old')
  })

  test('a service is no person', () => {
    const mapped = map({ ...base, userIdentity: { type: 'AWSService', invokedBy: 'backup.amazonaws.com' } }) as Activity
    expect(mapped.actorKind).toBe('service')
  })

  test('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (record, parameters) => {
        for (const input of [record, { ...base, requestParameters: parameters, userIdentity: record }]) {
          expect(['activity', 'rejected']).toContain(map(input).type)
        }
      }),
    )
  })
})

describe('reading the bucket', () => {
  async function readAll(endpoint: string, position: Position = null, seen = new Set<string>(), until = new Date()) {
    const pages: Page[] = []
    const input = {
      config: parseSettings(amazonS3.config, trailSettings(endpoint)),
      position,
      until,
      seen: async (keys: readonly string[]) => new Set(keys.filter((key) => seen.has(key))),
      signal: new AbortController().signal,
      access: openAccess(),
    }
    for await (const page of amazonS3.read(input)) {
      pages.push(page)
      for (const key of page.seenKeys ?? []) seen.add(key)
    }
    return {
      pages,
      seen,
      position: pages.at(-1)?.after ?? position,
      origins: pages.flatMap(({ origin, seenKeys }) => (seenKeys ? [origin] : [])),
    }
  }
  const one = () => [trailRecord({ user: 'a@example.com', at: daysAgo(1) })]

  test('reads each object once over pages, and a late one inside the overlap', async () => {
    await using s3 = await startS3({ maxKeys: 2 })
    const noon = new Date(`${daysAgo(0).toISOString().slice(0, 10)}T12:00:00Z`)
    for (let minute = 0; minute < 5; minute += 1) deliver(s3, new Date(noon.getTime() + minute * 60_000), one())
    s3.put('trail', 'AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/x.json.gz', Buffer.from('no'))
    const until = new Date(noon.getTime() + 3_600_000)
    const first = await readAll(s3.endpoint, null, new Set(), until)
    expect(first.origins).toHaveLength(5)
    deliver(s3, new Date(noon.getTime() - 30 * 60_000), one())
    const second = await readAll(s3.endpoint, first.position, first.seen, until)
    expect(second.origins).toHaveLength(1)
    expect((await readAll(s3.endpoint, second.position, second.seen, until)).origins).toEqual([])
  })

  test('finds a file later than the overlap by the sweep of the next day', async () => {
    await using s3 = await startS3()
    const noon = new Date(`${daysAgo(1).toISOString().slice(0, 10)}T12:00:00Z`)
    deliver(s3, noon, one())
    const first = await readAll(s3.endpoint, null, new Set(), new Date(noon.getTime() + 60_000))
    deliver(s3, new Date(noon.getTime() - 10 * 3_600_000), one())
    const sameDay = await readAll(s3.endpoint, first.position, first.seen, new Date(noon.getTime() + 120_000))
    expect(sameDay.origins).toEqual([])
    const nextDay = await readAll(s3.endpoint, sameDay.position, first.seen, new Date(noon.getTime() + 86_400_000))
    expect(nextDay.origins).toHaveLength(1)
  })

  test('reads a trail of an organisation', async () => {
    await using s3 = await startS3()
    const stamp = daysAgo(0).toISOString().slice(0, 10).replaceAll('-', '/')
    s3.put(
      'trail',
      `AWSLogs/o-abcdefghij/111122223333/CloudTrail/us-east-1/${stamp}/f_20260101T0000Z_x.json.gz`,
      gzipSync(JSON.stringify({ Records: one() })),
    )
    expect((await readAll(s3.endpoint)).origins).toHaveLength(1)
  })

  test('a damaged or archived object is one unreadable record, and the others are read', async () => {
    await using s3 = await startS3()
    deliver(s3, daysAgo(1), gzipSync(JSON.stringify({ Records: one() })).subarray(0, 40))
    deliver(s3, daysAgo(0.9), one())
    const { pages } = await readAll(s3.endpoint)
    const codes = (pages as unknown as { records: { unreadable?: { code: string } }[] }[]).flatMap(
      ({ records: found }) => found.map((each) => each.unreadable?.code),
    )
    expect(codes.sort()).toEqual(['object_damaged', undefined])
  })

  test.each([
    ['AccessDenied', 403, 'permission_missing'],
    ['InvalidAccessKeyId', 403, 'credential_refused'],
    ['ExpiredToken', 400, 'credential_expired'],
    ['NoSuchBucket', 404, 'settings_invalid'],
  ] as const)('%s stops the import and says what to do', async (code, status, ours) => {
    await using s3 = await startS3()
    deliver(s3, daysAgo(1), one())
    s3.fail({ match: 'list-type', times: 99, status, code })
    await expect(readAll(s3.endpoint)).rejects.toMatchObject({ code: ours, fix: expect.any(String), retryable: false })
  })

  test('a busy service is asked again, and one that stays busy later', async () => {
    await using s3 = await startS3()
    deliver(s3, daysAgo(1), one())
    s3.fail({ match: '.json.gz', times: 2, status: 503, code: 'SlowDown' })
    expect((await readAll(s3.endpoint)).origins).toHaveLength(1)
    s3.fail({ match: 'list-type', times: 99, status: 503, code: 'SlowDown' })
    await expect(readAll(s3.endpoint)).rejects.toMatchObject({ code: 'source_throttled', retryable: true })
  })
})

test('what is secret is declared once', () => {
  expect(formOf(amazonS3.config).secrets).toEqual(['secretAccessKey', 'sessionToken'])
})
