import { createHash, createHmac } from 'node:crypto'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { text as readText } from 'node:stream/consumers'
import {
  DeleteObjectCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { decodeBody } from './s3/body.ts'
import { CASE_REGION, createCaseBucket, refusal, S3_CASES, type Stage } from './s3/cases.ts'
import { canonicalRequest, hmac, type Signed, sha256, signingKey } from './s3/signature.ts'
import { DEFAULT_CREDENTIALS, type S3StandIn, startS3 } from './s3.ts'

const clients: S3Client[] = []
function clientOf(s3: S3StandIn, more: S3ClientConfig = {}): S3Client {
  const client = new S3Client({
    endpoint: s3.endpoint,
    region: s3.region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: s3.credentials,
    ...more,
  })
  clients.push(client)
  return client
}
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy()
})

describe('what every S3 server does', () => {
  let s3: S3StandIn
  beforeAll(async () => {
    s3 = await startS3({ region: CASE_REGION })
  })
  afterAll(() => s3.close())

  test.each(S3_CASES.map((each, index) => [each.name, each, index] as const))('%s', async (_, each, index) => {
    const client = clientOf(s3)
    await createCaseBucket(client, `case-${index}`)
    const stage: Stage = (bucket, keys) => {
      for (const key of keys) s3.put(bucket, key, '')
    }
    expect(await each.observe(client, `case-${index}`, stage)).toEqual(each.expected)
  })

  test('the cases are many and each is another', () => {
    expect(S3_CASES.length).toBeGreaterThanOrEqual(30)
    expect(new Set(S3_CASES.map(({ name }) => name)).size).toBe(S3_CASES.length)
  })
})

let s3: S3StandIn
let client: S3Client
beforeEach(async () => {
  s3 = await startS3()
  s3.put('trail', 'a/1', 'hello')
  client = clientOf(s3)
})
afterEach(() => s3.close())

const list = (from = client, more = {}) => from.send(new ListObjectsV2Command({ Bucket: 'trail', ...more }))
const get = async (key: string, from = client, more = {}) => {
  const found = await from.send(new GetObjectCommand({ Bucket: 'trail', Key: key, ...more }))
  return found.Body?.transformToString()
}

describe('Signature Version 4', () => {
  // Amazon S3 API Reference, "Examples: signature calculations in AWS Signature Version 4" and "… in multiple chunks"
  const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
  const EMPTY = sha256('')
  test.each([
    [
      'GET object',
      'GET',
      '/test.txt',
      { range: 'bytes=0-9', 'x-amz-content-sha256': EMPTY },
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ],
    [
      'GET lifecycle',
      'GET',
      '/?lifecycle',
      { 'x-amz-content-sha256': EMPTY },
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ],
    [
      'list objects',
      'GET',
      '/?max-keys=2&prefix=J',
      { 'x-amz-content-sha256': EMPTY },
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ],
    [
      'PUT object, with a path that is not yet encoded',
      'PUT',
      '/test$file.text',
      {
        date: 'Fri, 24 May 2013 00:00:00 GMT',
        'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      },
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    ],
  ])("Amazon's own example: %s", (_, method, url, extra: Record<string, string>, expected) => {
    const headers: Record<string, string> = {
      host: 'examplebucket.s3.amazonaws.com',
      'x-amz-date': '20130524T000000Z',
      ...extra,
    }
    const headersDistinct = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]))
    const request = { method, url, headers, headersDistinct } as unknown as IncomingMessage
    const canonical = canonicalRequest(request, Object.keys(headers).sort(), headers['x-amz-content-sha256'] as string)
    const scope = '20130524/us-east-1/s3/aws4_request'
    const toSign = ['AWS4-HMAC-SHA256', '20130524T000000Z', scope, sha256(canonical)].join('\n')
    expect(hmac(signingKey(SECRET, '20130524', 'us-east-1'), toSign).toString('hex')).toBe(expected)
  })

  test("Amazon's own example: a body in signed chunks, and the same with one byte changed", () => {
    const signed: Signed = {
      credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: SECRET },
      date: '20130524T000000Z',
      region: 'us-east-1',
      scope: '20130524/us-east-1/s3/aws4_request',
      signature: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
      contentSha256: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      signingKey: signingKey(SECRET, '20130524', 'us-east-1'),
    }
    const raw = Buffer.from(
      [
        `10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n${'a'.repeat(65536)}`,
        `400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n${'a'.repeat(1024)}`,
        '0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n',
      ].join('\r\n'),
    )
    const headers = { 'x-amz-decoded-content-length': '66560' }
    expect(decodeBody(raw, headers, signed).body.equals(Buffer.alloc(66560, 'a'))).toBe(true)
    raw[raw.indexOf('aaaa') + 66_000] = 'b'.charCodeAt(0)
    expect(() => decodeBody(raw, headers, signed)).toThrow(expect.objectContaining({ code: 'SignatureDoesNotMatch' }))
  })

  test('a signed trailer is verified, and one that was altered is refused', () => {
    const date = '20260101T000000Z'
    const scope = '20260101/eu-west-1/s3/aws4_request'
    const key = signingKey('secret', '20260101', 'eu-west-1')
    const signed: Signed = {
      credentials: { accessKeyId: 'a', secretAccessKey: 'secret' },
      date,
      region: 'eu-west-1',
      scope,
      signature: '0'.repeat(64),
      contentSha256: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
      signingKey: key,
    }
    const sign = (...parts: string[]) => createHmac('sha256', key).update(parts.join('\n')).digest('hex')
    const empty = sha256('')
    const one = sign('AWS4-HMAC-SHA256-PAYLOAD', date, scope, signed.signature, empty, sha256('hello'))
    const end = sign('AWS4-HMAC-SHA256-PAYLOAD', date, scope, one, empty, empty)
    const checksum = createHash('sha256').update('hello').digest('base64')
    const line = `x-amz-checksum-sha256:${checksum}`
    const trailer = sign('AWS4-HMAC-SHA256-TRAILER', date, scope, end, sha256(`${line}\n`))
    const raw = (signature: string) =>
      Buffer.from(
        `5;chunk-signature=${one}\r\nhello\r\n0;chunk-signature=${end}\r\n${line}\r\nx-amz-trailer-signature:${signature}\r\n\r\n`,
      )
    const headers = { 'x-amz-decoded-content-length': '5', 'x-amz-trailer': 'x-amz-checksum-sha256' }
    expect(decodeBody(raw(trailer), headers, signed).checksums).toEqual({ 'x-amz-checksum-sha256': checksum })
    const altered = () => decodeBody(raw('0'.repeat(64)), headers, signed)
    expect(altered).toThrow(expect.objectContaining({ code: 'SignatureDoesNotMatch' }))
  })

  test.each([
    ['another secret', { secretAccessKey: 'other' }, 'SignatureDoesNotMatch', 403],
    ['an unknown key id', { accessKeyId: 'AKIAOTHER' }, 'InvalidAccessKeyId', 403],
    ['a session token where none belongs', { sessionToken: 'x' }, 'InvalidToken', 400],
  ])('%s', async (_, change, code, status) => {
    const other = clientOf(s3, { credentials: { ...DEFAULT_CREDENTIALS, ...change } })
    expect(await refusal(list(other))).toEqual({ code, status })
    expect(s3.requests.at(-1)).toMatchObject({ status, code, operation: 'ListObjectsV2' })
  })

  test('temporary credentials: with their token, without it, and after their time', async () => {
    await using temporary = await startS3({
      credentials: [
        { accessKeyId: 'ASIA1', secretAccessKey: 's', sessionToken: 't', expiresAt: new Date(Date.now() + 60_000) },
        { accessKeyId: 'ASIA2', secretAccessKey: 's', sessionToken: 't', expiresAt: new Date(Date.now() - 1000) },
      ],
    })
    temporary.put('trail', 'k', 'x')
    const as = (accessKeyId: string, sessionToken?: string) =>
      list(
        clientOf(temporary, {
          credentials: { accessKeyId, secretAccessKey: 's', ...(sessionToken ? { sessionToken } : {}) },
        }),
      )
    expect((await as('ASIA1', 't')).KeyCount).toBe(1)
    expect(await refusal(as('ASIA1'))).toEqual({ code: 'InvalidToken', status: 400 })
    expect(await refusal(as('ASIA2', 't'))).toEqual({ code: 'ExpiredToken', status: 400 })
  })

  test('a clock that is too far away is refused, and the SDK corrects itself by the Date header', async () => {
    s3.serverClockOffsetMs = 14 * 60_000
    expect((await list(clientOf(s3))).KeyCount).toBe(1)
    s3.serverClockOffsetMs = -16 * 60_000
    expect(await refusal(list())).toEqual({ code: 'RequestTimeTooSkewed', status: 403 })
    expect((await list()).KeyCount).toBe(1)
  })

  test('nobody, a changed body and an unsigned header', async () => {
    expect(await raw('GET', '/trail?list-type=2')).toMatchObject({ status: 403, code: 'AccessDenied' })
    const changed = await raw('PUT', '/trail/k', { sign: 'hello', body: 'hullo' })
    expect(changed).toMatchObject({ status: 400, code: 'XAmzContentSHA256Mismatch' })
    const added = await raw('GET', '/trail/a/1', { sign: '', headers: { 'x-amz-security-token': 'x' } })
    expect(added).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect(await raw('GET', '/trail/a/1', { sign: '' })).toMatchObject({ status: 200, body: 'hello' })
    expect(await raw('GET', '/trail/a/1', { sign: 'UNSIGNED-PAYLOAD' })).toMatchObject({ status: 200 })
  })
})

/** One request without the SDK. `sign`: the body that is signed, or UNSIGNED-PAYLOAD; without it nobody signs. */
function raw(
  method: string,
  path: string,
  { sign, body = '', headers = {} }: { sign?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<{ status: number; code?: string; body: string; headers: IncomingMessage['headers'] }> {
  const host = `127.0.0.1:${s3.port}`
  const all: Record<string, string> = { host, ...headers }
  if (sign !== undefined) {
    const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
    const scope = `${date.slice(0, 8)}/${s3.region}/s3/aws4_request`
    const contentSha256 = sign === 'UNSIGNED-PAYLOAD' ? sign : sha256(sign)
    Object.assign(all, { 'x-amz-date': date, 'x-amz-content-sha256': contentSha256 })
    const names = ['host', 'x-amz-content-sha256', 'x-amz-date']
    const [uri = '', query = ''] = path.split('?')
    const lines = names.map((name) => `${name}:${all[name]}`)
    const canonical = [method, uri, query, ...lines, '', names.join(';'), contentSha256].join('\n')
    const key = signingKey(s3.credentials.secretAccessKey, date.slice(0, 8), s3.region)
    const signature = hmac(key, ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n')).toString('hex')
    all['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${s3.credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  }
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: s3.port, method, path, headers: all }, async (response) => {
      const text = await readText(response)
      const code = /<Code>(\w+)</.exec(text)?.[1]
      const status = response.statusCode ?? 0
      resolve({ status, body: text, headers: response.headers, ...(code ? { code } : {}) })
    })
    request.once('error', reject)
    request.end(body)
  })
}

describe('ways to ask', () => {
  test('virtual-host style: the bucket in front of the host', async () => {
    // Names below localhost do not resolve everywhere, so the client is told where they are.
    const lookup: NonNullable<ConstructorParameters<typeof Agent>[0]>['lookup'] = (_name, options, found) =>
      options.all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4)
    const hosted = clientOf(s3, {
      endpoint: `http://localhost:${s3.port}`,
      forcePathStyle: false,
      requestHandler: { httpAgent: new Agent({ lookup }) },
    })
    s3.put('trail', "folder/ü +'x'", 'there')
    expect((await list(hosted)).KeyCount).toBe(2)
    expect(await get("folder/ü +'x'", hosted)).toBe('there')
    expect(s3.requests.at(-1)).toMatchObject({ path: "/folder/ü +'x'", bucket: 'trail', key: "folder/ü +'x'" })
    expect((await hosted.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).toEqual(['trail'])
  })

  test.each(['a//b', '../up', './x', '%2F', 'a?b#c', ' ', '+'])('the key %j is not folded', async (key) => {
    await client.send(new PutObjectCommand({ Bucket: 'trail', Key: key, Body: 'odd' }))
    expect(await get(key)).toBe('odd')
    expect((await list()).Contents?.map(({ Key }) => Key)).toContain(key)
  })

  test('a stream is sent in chunks with a trailer and arrives as itself', async () => {
    const Body = Readable.from([Buffer.from('hello '), Buffer.from('world')])
    const put = new PutObjectCommand({ Bucket: 'trail', Key: 's', Body, ContentLength: 11, ContentEncoding: 'gzip' })
    const { ChecksumCRC32 } = await client.send(put)
    const found = await client.send(new GetObjectCommand({ Bucket: 'trail', Key: 's', ChecksumMode: 'ENABLED' }))
    expect(await found.Body?.transformToString()).toBe('hello world')
    expect([ChecksumCRC32, found.ChecksumCRC32, found.ContentEncoding]).toEqual(['DUoRhQ==', 'DUoRhQ==', 'gzip'])
  })

  test.each(['CRC32', 'CRC32C', 'SHA1', 'SHA256'] as const)(
    '%s is checked on the way in and out',
    async (algorithm) => {
      const put = { Bucket: 'trail', Key: 'k', Body: 'hello' }
      const { ETag } = await client.send(new PutObjectCommand({ ...put, ChecksumAlgorithm: algorithm }))
      expect(ETag).toBe('"5d41402abc4b2a76b9719d911017c592"')
      expect(await get('k', client, { ChecksumMode: 'ENABLED' })).toBe('hello')
      const wrong = { [`Checksum${algorithm}`]: algorithm.startsWith('CRC') ? 'AAAAAA==' : sha256('').slice(0, 8) }
      expect(await refusal(client.send(new PutObjectCommand({ ...put, ...wrong })))).toEqual({
        code: 'BadDigest',
        status: 400,
      })
    },
  )

  test('a wrong region is redirected and told the right one', async () => {
    const far = clientOf(s3, { region: 'us-east-1' })
    expect(await refusal(list(far))).toMatchObject({ code: 'PermanentRedirect', status: 301 })
    await expect(far.send(new HeadBucketCommand({ Bucket: 'trail' }))).rejects.toMatchObject({
      $response: { statusCode: 301, headers: { 'x-amz-bucket-region': 'eu-west-1' } },
    })
    const { LocationConstraint } = await far.send(new GetBucketLocationCommand({ Bucket: 'trail' }))
    expect(LocationConstraint).toBe('eu-west-1')
    s3.createBucket('classic', { region: 'us-east-1' })
    const classic = await far.send(new GetBucketLocationCommand({ Bucket: 'classic' }))
    expect(classic.LocationConstraint).toBeUndefined()
  })

  test.each([
    ['POST', '/trail/a/1', 405, 'MethodNotAllowed'],
    ['DELETE', '/', 405, 'MethodNotAllowed'],
    ['GET', '/trail', 501, 'NotImplemented'], // ListObjects version 1
    ['GET', '/trail?versions=', 501, 'NotImplemented'],
    ['GET', '/trail/a/1?versionId=1', 501, 'NotImplemented'],
    ['PUT', '/trail/a/1?acl=', 501, 'NotImplemented'],
    ['GET', '/trail?encoding-type=x&list-type=2', 400, 'InvalidArgument'],
    ['GET', '/trail?list-type=2&max-keys=many', 400, 'InvalidArgument'],
  ])('%s %s is answered %i %s', async (method, path, status, code) => {
    const answer = await raw(method, path, { sign: '' })
    expect(answer).toMatchObject({ status, code })
    expect(answer.body).toMatch(/<RequestId>[0-9A-F]{16}<\/RequestId>/)
    if (status === 405) expect(answer.headers.allow).toBe(path === '/' ? 'GET' : 'GET, HEAD, PUT, DELETE')
  })
})

test('a key of 1024 bytes is taken, one of 1025 is not', async () => {
  expect(await raw('PUT', `/trail/${'k'.repeat(1024)}`, { sign: '' })).toMatchObject({ status: 200 })
  const long = await raw('PUT', `/trail/${'k'.repeat(1025)}`, { sign: '' })
  expect(long).toMatchObject({ status: 400, code: 'KeyTooLongError' })
})

describe('staging', () => {
  const keys = async () => (await list()).Contents?.map(({ Key }) => Key) ?? []

  test('an object that is not available yet is neither listed nor read', async () => {
    s3.clock.set('2026-11-20T09:00:00Z')
    s3.put('trail', 'b/late', 'late', { availableAt: '2026-11-20T09:10:00Z', lastModified: '2026-11-20T08:55:00.700Z' })
    expect(await keys()).toEqual(['a/1'])
    expect(await refusal(get('b/late'))).toEqual({ code: 'NoSuchKey', status: 404 })
    s3.clock.advance(10 * 60_000)
    expect(await keys()).toEqual(['a/1', 'b/late'])
    const { LastModified } = await client.send(new HeadObjectCommand({ Bucket: 'trail', Key: 'b/late' }))
    expect(LastModified).toEqual(new Date('2026-11-20T08:55:00Z'))
    s3.clock.set('2026-11-20T09:00:00Z')
    expect(await keys()).toEqual(['a/1'])
  })

  test('a version to come replaces the present one in its time, and survives its deletion', async () => {
    s3.clock.set('2026-11-20T09:00:00Z')
    s3.put('trail', 'a/1', 'second', { availableAt: '2026-11-20T10:00:00Z' })
    expect(await get('a/1')).toBe('hello')
    await client.send(new DeleteObjectCommand({ Bucket: 'trail', Key: 'a/1' }))
    expect(await keys()).toEqual([])
    s3.clock.set('2026-11-20T10:00:00Z')
    expect(await get('a/1')).toBe('second')
    s3.remove('trail', 'a/1')
    expect(await keys()).toEqual([])
  })

  test('a listing goes on in order where keys arrive between its pages', async () => {
    await using small = await startS3({ maxKeys: 2 })
    for (const key of ['a', 'c', 'e', 'g']) small.put('trail', key, '')
    const from = clientOf(small)
    const first = await list(from)
    expect([first.Contents?.length, first.MaxKeys, first.IsTruncated]).toEqual([2, 2, true])
    small.put('trail', 'b', '') // behind us
    small.put('trail', 'd', '')
    small.remove('trail', 'c') // where the token stands
    const second = await list(from, { ContinuationToken: first.NextContinuationToken, StartAfter: 'zzz' })
    expect(second.Contents?.map(({ Key }) => Key)).toEqual(['d', 'e'])
    expect(second.ContinuationToken).toBe(first.NextContinuationToken)
  })

  test('permissions: by action, bucket and prefix, and back again', async () => {
    s3.put('trail', 'secret/1', 'x')
    const allow = s3.deny('s3:GetObject', { bucket: 'trail', prefix: 'secret/' })
    expect(await refusal(get('secret/1'))).toEqual({ code: 'AccessDenied', status: 403 })
    expect(await get('a/1')).toBe('hello')
    allow()
    expect(await get('secret/1')).toBe('x')
    s3.deny('s3:ListBucket')
    expect(await refusal(list())).toEqual({ code: 'AccessDenied', status: 403 })
    // Who may not list does not learn what does not exist.
    expect(await refusal(get('none'))).toEqual({ code: 'AccessDenied', status: 403 })
    expect(await get('a/1')).toBe('hello')
    s3.deny('s3:PutObject')
    const put = client.send(new PutObjectCommand({ Bucket: 'trail', Key: 'k', Body: 'x' }))
    expect(await refusal(put)).toEqual({ code: 'AccessDenied', status: 403 })
  })

  test('the log has method, path and the names of the query, never its values', async () => {
    await list(client, { Prefix: 'private-prefix' })
    expect(s3.requests).toHaveLength(1)
    expect(s3.requests[0]).toMatchObject({
      method: 'GET',
      path: '/trail/',
      query: ['list-type', 'prefix'],
      operation: 'ListObjectsV2',
      bucket: 'trail',
      key: '',
      status: 200,
    })
    expect(JSON.stringify(s3.requests)).not.toContain('private-prefix')
  })

  test.each([0, 1001, Number.NaN])('a page length of %d cannot be', async (maxKeys) => {
    await expect(startS3({ maxKeys })).rejects.toThrow(RangeError)
  })
})

describe('faults', () => {
  test.each([
    ['AccessDenied', 403],
    ['InvalidAccessKeyId', 403],
    ['SignatureDoesNotMatch', 403],
    ['ExpiredToken', 400],
    ['RequestTimeTooSkewed', 403],
    ['NoSuchBucket', 404],
    ['SlowDown', 503],
    ['InternalError', 500],
    ['InvalidObjectState', 403],
    ['ServiceUnavailable', 503],
  ])('%s comes with its status', async (code, status) => {
    s3.faults.next({ match: 'GetObject', code })
    expect(await list()).toMatchObject({ KeyCount: 1 })
    expect(await refusal(get('a/1'))).toEqual({ code, status })
    expect(s3.requests.at(-1)).toMatchObject({ code, status })
    expect(await get('a/1')).toBe('hello')
  })

  test('SlowDown twice: the SDK tries again and gets through', async () => {
    const fault = s3.faults.next({ match: 'GetObject', times: 2, code: 'SlowDown' })
    expect(await get('a/1', clientOf(s3, { maxAttempts: 3 }))).toBe('hello')
    expect([fault.hits, s3.requests.map(({ status }) => status)]).toEqual([2, [503, 503, 200]])
  })

  test('a body that breaks off is an error to the reader', async () => {
    s3.put('trail', 'big', Buffer.alloc(100_000, 'x'))
    s3.faults.next({ match: '/big', cutAfterBytes: 50_000 })
    await expect(get('big')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect((await get('big'))?.length).toBe(100_000)
  })

  test('a put whose answer got lost was stored', async () => {
    s3.faults.next({ match: 'PutObject', reset: true, handled: true })
    await expect(client.send(new PutObjectCommand({ Bucket: 'trail', Key: 'k', Body: 'x' }))).rejects.toThrow()
    expect(await get('k')).toBe('x')
  })

  test('a page of HTML with 502 instead of XML', async () => {
    s3.fail({ status: 502, headers: { 'content-type': 'text/html' }, body: '<html>Bad Gateway</html>' })
    expect(await refusal(list())).toMatchObject({ status: 502 })
  })
})
