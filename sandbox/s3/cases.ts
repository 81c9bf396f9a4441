import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3'

/** The region in which the cases create their buckets. */
export const CASE_REGION = 'eu-west-1'

/** A quicker way than a thousand requests to make empty objects, where the server offers one. */
export type Stage = (bucket: string, keys: readonly string[]) => void

/** One thing that a client can see of an S3 server. */
export interface S3Case {
  name: string
  /** Works in `bucket`, which exists, is empty and is the case's own. Returns what was observed, comparable as a whole. */
  observe(client: S3Client, bucket: string, stage?: Stage): Promise<unknown>
  /** As Amazon documents it. */
  expected: unknown
  /** Where moto is known to answer something else: what, and who is right. */
  moto?: { observes: unknown; because: string }
}

export const createCaseBucket = (client: S3Client, bucket: string) =>
  client.send(
    new CreateBucketCommand({ Bucket: bucket, CreateBucketConfiguration: { LocationConstraint: CASE_REGION } }),
  )

const text = (input: GetObjectCommandInput, client: S3Client) =>
  client.send(new GetObjectCommand(input)).then(async (found) => ({
    body: await found.Body?.transformToString(),
    range: found.ContentRange ?? null,
    length: found.ContentLength,
  }))

const put = (client: S3Client, bucket: string, key: string, body = 'x', more: Partial<PutObjectCommandInput> = {}) =>
  client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ...more }))

/** Several at a time, in any order: what comes back must not depend on the order of arrival. */
async function putAll(client: S3Client, bucket: string, keys: string[]): Promise<void> {
  const waiting = [...keys].reverse()
  const worker = async () => {
    for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) await put(client, bucket, key)
  }
  await Promise.all(Array.from({ length: 8 }, worker))
}

async function list(client: S3Client, bucket: string, input: Partial<ListObjectsV2CommandInput> = {}) {
  const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, ...input }))
  return {
    keys: (page.Contents ?? []).map(({ Key }) => Key),
    prefixes: (page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix),
    count: page.KeyCount,
    truncated: page.IsTruncated,
  }
}

/** All pages: how long each was, and everything in the order it came. */
async function pages(client: S3Client, bucket: string, input: Partial<ListObjectsV2CommandInput> = {}) {
  const sizes: number[] = []
  const names: string[] = []
  let token: string | undefined
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: bucket, ...input, ...(token ? { ContinuationToken: token } : {}) }),
    )
    sizes.push(page.KeyCount ?? -1)
    for (const { Prefix } of page.CommonPrefixes ?? []) names.push(Prefix ?? '')
    for (const { Key } of page.Contents ?? []) names.push(Key ?? '')
    token = page.NextContinuationToken
    if (page.IsTruncated !== (token !== undefined)) throw new Error('IsTruncated and NextContinuationToken disagree')
  } while (token !== undefined)
  return { sizes, names }
}

/** What a refused call looks like to who made it. */
export async function refusal(call: Promise<unknown>): Promise<{ code: string; status: number } | 'not refused'> {
  try {
    await call
    return 'not refused'
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } }
    return { code: name, status: $metadata?.httpStatusCode ?? 0 }
  }
}

const TREE = ['a/1', 'a/2', 'b', 'c/x/1', 'c/x/2', 'c/y', 'd']
/** Sorted by UTF-8 bytes. UTF-16 order, JavaScript's own, has the last two the other way round. */
const BYTE_ORDER = ['!', 'A', 'Z', 'a', 'a b', 'a+b', 'a/b', 'a0', 'z', 'é', '\u{ff5e}', '\u{1f512}']
const MANY = Array.from({ length: 1003 }, (_, index) => `n/${String(index).padStart(4, '0')}`)

const LISTING: S3Case[] = [
  {
    name: 'an empty bucket has an empty listing',
    observe: (client, bucket) => list(client, bucket),
    expected: { keys: [], prefixes: [], count: 0, truncated: false },
  },
  {
    name: 'keys come in the order of their UTF-8 bytes',
    async observe(client, bucket) {
      await putAll(client, bucket, BYTE_ORDER.toReversed())
      return (await list(client, bucket)).keys
    },
    expected: BYTE_ORDER,
  },
  {
    name: 'an entry has size, ETag, storage class and time',
    async observe(client, bucket) {
      await put(client, bucket, 'k', 'hello')
      const [entry] = (await client.send(new ListObjectsV2Command({ Bucket: bucket }))).Contents ?? []
      const age = Date.now() - (entry?.LastModified?.getTime() ?? 0)
      return { size: entry?.Size, etag: entry?.ETag, storageClass: entry?.StorageClass, fresh: age < 60_000 }
    },
    expected: { size: 5, etag: '"5d41402abc4b2a76b9719d911017c592"', storageClass: 'STANDARD', fresh: true },
  },
  {
    name: 'a prefix is a beginning of the key, not a folder',
    async observe(client, bucket) {
      await putAll(client, bucket, ['aa', 'ab', 'ab/c', 'b'])
      return (await list(client, bucket, { Prefix: 'ab' })).keys
    },
    expected: ['ab', 'ab/c'],
  },
  {
    name: 'start-after excludes the key itself and need not exist',
    async observe(client, bucket) {
      await putAll(client, bucket, ['a', 'b', 'c', 'd'])
      const existing = await list(client, bucket, { StartAfter: 'b' })
      const between = await list(client, bucket, { StartAfter: 'bb' })
      const behind = await list(client, bucket, { StartAfter: 'z' })
      return [existing.keys, between.keys, behind.keys]
    },
    expected: [['c', 'd'], ['c', 'd'], []],
  },
  {
    name: 'start-after in front of the prefix changes nothing',
    async observe(client, bucket) {
      await putAll(client, bucket, ['a', 'p/1', 'p/2', 'z'])
      return (await list(client, bucket, { Prefix: 'p/', StartAfter: 'a' })).keys
    },
    expected: ['p/1', 'p/2'],
  },
  {
    name: 'start-after works together with a prefix and with paging',
    async observe(client, bucket) {
      await putAll(client, bucket, ['p/1', 'p/2', 'p/3', 'p/4', 'q'])
      return pages(client, bucket, { Prefix: 'p/', StartAfter: 'p/1', MaxKeys: 2 })
    },
    expected: { sizes: [2, 1], names: ['p/2', 'p/3', 'p/4'] },
  },
  {
    name: 'a delimiter rolls keys up into common prefixes',
    async observe(client, bucket) {
      await putAll(client, bucket, TREE)
      return list(client, bucket, { Delimiter: '/' })
    },
    expected: { keys: ['b', 'd'], prefixes: ['a/', 'c/'], count: 4, truncated: false },
  },
  {
    name: 'a delimiter counts from behind the prefix',
    async observe(client, bucket) {
      await putAll(client, bucket, TREE)
      return list(client, bucket, { Delimiter: '/', Prefix: 'c/' })
    },
    expected: { keys: ['c/y'], prefixes: ['c/x/'], count: 2, truncated: false },
  },
  {
    name: 'a prefix without its slash yields the folder',
    async observe(client, bucket) {
      await putAll(client, bucket, TREE)
      return list(client, bucket, { Delimiter: '/', Prefix: 'c' })
    },
    expected: { keys: [], prefixes: ['c/'], count: 1, truncated: false },
  },
  {
    name: 'a delimiter may be longer than one character',
    async observe(client, bucket) {
      await putAll(client, bucket, ['a--1', 'a--2', 'a-3'])
      return list(client, bucket, { Delimiter: '--' })
    },
    expected: { keys: ['a-3'], prefixes: ['a--'], count: 2, truncated: false },
  },
  {
    name: 'common prefixes count towards max-keys and come once over all pages',
    async observe(client, bucket) {
      await putAll(client, bucket, TREE)
      return pages(client, bucket, { Delimiter: '/', MaxKeys: 1 })
    },
    expected: { sizes: [1, 1, 1, 1], names: ['a/', 'b', 'c/', 'd'] },
  },
  {
    name: 'a page holds 1000 at most, whatever is asked for',
    async observe(client, bucket, stage) {
      if (stage) stage(bucket, MANY)
      else await putAll(client, bucket, MANY)
      const { sizes, names } = await pages(client, bucket, { MaxKeys: 5000 })
      return { sizes, first: names[0], last: names.at(-1), different: new Set(names).size }
    },
    expected: { sizes: [1000, 3], first: 'n/0000', last: 'n/1002', different: 1003 },
    moto: {
      observes: { sizes: [1003], first: 'n/0000', last: 'n/1002', different: 1003 },
      because:
        'Amazon: "returns up to 1,000 key names", never more (API_ListObjectsV2, max-keys). moto has no upper limit.',
    },
  },
  {
    name: 'a page that ends with the last key is not truncated',
    async observe(client, bucket) {
      await putAll(client, bucket, ['a', 'b'])
      return list(client, bucket, { MaxKeys: 2 })
    },
    expected: { keys: ['a', 'b'], prefixes: [], count: 2, truncated: false },
  },
  {
    name: 'max-keys 0 lists nothing and is not truncated',
    async observe(client, bucket) {
      await putAll(client, bucket, ['a', 'b'])
      return list(client, bucket, { MaxKeys: 0 })
    },
    expected: { keys: [], prefixes: [], count: 0, truncated: false },
  },
  {
    name: 'max-keys below 0 is refused',
    observe: (client, bucket) => refusal(list(client, bucket, { MaxKeys: -1 })),
    expected: { code: 'InvalidArgument', status: 400 },
    moto: {
      observes: { code: 'Error', status: 500 },
      because: 'Amazon refuses the argument with 400 InvalidArgument. moto fails inside.',
    },
  },
  {
    name: 'a continuation token nobody issued is refused',
    async observe(client, bucket) {
      await putAll(client, bucket, ['a', 'b'])
      return refusal(list(client, bucket, { ContinuationToken: 'bm90IG9uZSBvZiBvdXJz' }))
    },
    expected: { code: 'InvalidArgument', status: 400 },
    moto: {
      observes: { code: 'Error', status: 500 },
      because: 'Amazon: "The continuation token provided is incorrect", 400 InvalidArgument. moto fails inside.',
    },
  },
  {
    name: 'encoding-type=url escapes keys, prefixes and the delimiter, but no slash',
    async observe(client, bucket) {
      await putAll(client, bucket, ['a b/c&d', 'a b/é', 'a b/x y/z'])
      const page = await client.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: 'a b/', Delimiter: '/', EncodingType: 'url' }),
      )
      const { keys, prefixes } = await list(client, bucket, { Prefix: 'a b/', Delimiter: '/', EncodingType: 'url' })
      return { keys, prefixes, prefix: page.Prefix, delimiter: page.Delimiter, encoding: page.EncodingType }
    },
    expected: {
      keys: ['a+b/c%26d', 'a+b/%C3%A9'],
      prefixes: ['a+b/x+y/'],
      prefix: 'a+b/',
      delimiter: '/',
      encoding: 'url',
    },
    moto: {
      observes: {
        keys: ['a%20b/c%26d', 'a%20b/%C3%A9'],
        prefixes: ['a%20b/x%20y/'],
        prefix: 'a%20b/',
        delimiter: '/',
        encoding: 'url',
      },
      // Measured on the real service: https://github.com/brekkylab/backlot/issues/178 (comment of 2026-09-14)
      because: 'Amazon writes a space as a plus sign; its documentation leaves it open. moto writes %20.',
    },
  },
  {
    name: 'keys with characters that XML reserves come back as they are',
    async observe(client, bucket) {
      await putAll(client, bucket, ['<a>&"b\'', 'c]]>d'])
      return (await list(client, bucket)).keys
    },
    expected: ['<a>&"b\'', 'c]]>d'],
  },
  {
    name: 'a bucket that does not exist cannot be listed',
    observe: (client, bucket) => refusal(list(client, `${bucket}-none`)),
    expected: { code: 'NoSuchBucket', status: 404 },
  },
]

const READING: S3Case[] = [
  {
    name: 'an object comes back whole, with its ETag, type and encoding',
    async observe(client, bucket) {
      const key = "folder name/ü+'(x)!*~.json"
      await put(client, bucket, key, '{}', { ContentType: 'application/json', ContentEncoding: 'gzip' })
      const found = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
      const body = await found.Body?.transformToString()
      return { body, etag: found.ETag, type: found.ContentType, encoding: found.ContentEncoding }
    },
    expected: { body: '{}', etag: '"99914b932bd37a50b983c5e7c90ae93b"', type: 'application/json', encoding: 'gzip' },
  },
  {
    name: 'HeadObject says the same without a body',
    async observe(client, bucket) {
      await put(client, bucket, 'k', 'hello', { Metadata: { origin: 'test' } })
      const { ContentLength, ETag, Metadata } = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'k' }))
      return { ContentLength, ETag, Metadata }
    },
    expected: { ContentLength: 5, ETag: '"5d41402abc4b2a76b9719d911017c592"', Metadata: { origin: 'test' } },
  },
  {
    name: 'ranges: inside, to the end, from the end, beyond the end',
    async observe(client, bucket) {
      await put(client, bucket, 'k', '0123456789')
      const found = []
      for (const Range of ['bytes=2-4', 'bytes=7-', 'bytes=-3', 'bytes=8-99', 'bytes=-99']) {
        found.push(await text({ Bucket: bucket, Key: 'k', Range }, client))
      }
      return found
    },
    expected: [
      { body: '234', range: 'bytes 2-4/10', length: 3 },
      { body: '789', range: 'bytes 7-9/10', length: 3 },
      { body: '789', range: 'bytes 7-9/10', length: 3 },
      { body: '89', range: 'bytes 8-9/10', length: 2 },
      { body: '0123456789', range: 'bytes 0-9/10', length: 10 },
    ],
  },
  {
    name: 'a range behind the end is refused',
    async observe(client, bucket) {
      await put(client, bucket, 'k', '0123456789')
      return refusal(text({ Bucket: bucket, Key: 'k', Range: 'bytes=10-12' }, client))
    },
    expected: { code: 'InvalidRange', status: 416 },
  },
  {
    name: 'If-Match: the same ETag reads, another is refused',
    async observe(client, bucket) {
      const { ETag } = await put(client, bucket, 'k', 'hello')
      const same = await text({ Bucket: bucket, Key: 'k', IfMatch: ETag }, client)
      const other = text({ Bucket: bucket, Key: 'k', IfMatch: '"00000000000000000000000000000000"' }, client)
      return [same.body, await refusal(other)]
    },
    expected: ['hello', { code: 'PreconditionFailed', status: 412 }],
  },
  {
    name: 'If-None-Match: the same ETag is not modified, another reads',
    async observe(client, bucket) {
      const { ETag } = await put(client, bucket, 'k', 'hello')
      const same = await refusal(text({ Bucket: bucket, Key: 'k', IfNoneMatch: ETag }, client))
      const other = await text({ Bucket: bucket, Key: 'k', IfNoneMatch: '"0"' }, client)
      return [typeof same === 'object' && same.status, other.body]
    },
    expected: [304, 'hello'],
  },
  {
    name: 'a key that does not exist is refused, by GET with a code and by HEAD without one',
    async observe(client, bucket) {
      const get = await refusal(text({ Bucket: bucket, Key: 'none' }, client))
      return [get, await refusal(client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'none' })))]
    },
    expected: [
      { code: 'NoSuchKey', status: 404 },
      { code: 'NotFound', status: 404 },
    ],
  },
  {
    name: 'an object in an archive class is listed and known but not readable',
    async observe(client, bucket) {
      await put(client, bucket, 'k', 'cold', { StorageClass: 'GLACIER' })
      const { StorageClass } = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'k' }))
      const { keys } = await list(client, bucket)
      return [StorageClass, keys, await refusal(text({ Bucket: bucket, Key: 'k' }, client))]
    },
    expected: ['GLACIER', ['k'], { code: 'InvalidObjectState', status: 403 }],
  },
]

const WRITING_AND_BUCKETS: S3Case[] = [
  {
    name: 'a put replaces what was there; If-None-Match: * does not',
    async observe(client, bucket) {
      await put(client, bucket, 'k', 'one')
      await put(client, bucket, 'k', 'two')
      const third = await refusal(put(client, bucket, 'k', 'three', { IfNoneMatch: '*' }))
      return [third, (await text({ Bucket: bucket, Key: 'k' }, client)).body]
    },
    expected: [{ code: 'PreconditionFailed', status: 412 }, 'two'],
  },
  {
    name: 'a body that is not what its MD5 says is refused',
    observe: (client, bucket) => refusal(put(client, bucket, 'k', 'hello', { ContentMD5: 'AAAAAAAAAAAAAAAAAAAAAA==' })),
    expected: { code: 'BadDigest', status: 400 },
    moto: {
      observes: 'not refused',
      because:
        'Amazon: "If they do not match, Amazon S3 returns an error" (API_PutObject, Content-MD5). moto does not look.',
    },
  },
  {
    name: 'an empty object is an object',
    async observe(client, bucket) {
      const { ETag } = await put(client, bucket, 'k', '', { ContentLength: 0 })
      return [ETag, await text({ Bucket: bucket, Key: 'k' }, client)]
    },
    expected: ['"d41d8cd98f00b204e9800998ecf8427e"', { body: '', range: null, length: 0 }],
  },
  {
    name: 'a deleted object is gone, and deleting it again is no error',
    async observe(client, bucket) {
      await put(client, bucket, 'k')
      const remove = () => client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k' }))
      const statuses = [await remove(), await remove()].map(({ $metadata }) => $metadata.httpStatusCode)
      return [statuses, (await list(client, bucket)).keys]
    },
    expected: [[204, 204], []],
  },
  {
    name: 'a bucket is listed, found by HEAD and has a location',
    async observe(client, bucket) {
      const { Buckets } = await client.send(new ListBucketsCommand({}))
      const head = await client.send(new HeadBucketCommand({ Bucket: bucket }))
      const { LocationConstraint } = await client.send(new GetBucketLocationCommand({ Bucket: bucket }))
      const listed = Buckets?.filter(({ Name }) => Name === bucket).length
      return { listed, status: head.$metadata.httpStatusCode, region: head.BucketRegion, LocationConstraint }
    },
    expected: { listed: 1, status: 200, region: CASE_REGION, LocationConstraint: CASE_REGION },
  },
  {
    name: 'HEAD of a bucket that does not exist',
    observe: (client, bucket) => refusal(client.send(new HeadBucketCommand({ Bucket: `${bucket}-none` }))),
    expected: { code: 'NotFound', status: 404 },
  },
]

/** Run on the stand-in by `sandbox/s3.test.ts`, and on it and moto by `npm run test:peers`. */
export const S3_CASES: readonly S3Case[] = [...LISTING, ...READING, ...WRITING_AND_BUCKETS]
