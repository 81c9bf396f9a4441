import { createHmac } from 'node:crypto'
import { element, S3Error, XML_HEAD, XML_NAMESPACE } from './errors.ts'
import type { Bucket, StoredObject } from './store.ts'

/** Amazon S3 never lists more than this in one page, whatever is asked for. */
export const MAX_KEYS_PER_PAGE = 1000

/** Continuation tokens carry a check, so that one a client made up or altered is noticed. */
const TOKEN_KEY = 'openirm-sandbox-continuation-token'
const TOKEN_CHECK_BYTES = 12

/** Where the next page begins: after a key, or after everything under a common prefix. */
interface Position {
  after: string
  wholePrefix: boolean
}

/**
 * ListObjectsV2. `pageLimit` lowers the page below Amazon's 1000 so that paging can be tested with few objects.
 * Source: Amazon S3 API Reference, https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 */
export function listObjectsV2(bucket: Bucket, query: URLSearchParams, pageLimit: number): string {
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const startAfter = query.get('start-after') ?? ''
  const token = query.get('continuation-token')
  const maxKeys = Math.min(readMaxKeys(query.get('max-keys')), pageLimit)
  const encode = encoder(query.get('encoding-type'))
  // "If both are given, the token wins": a token already stands behind where start-after pointed.
  const position = token === null ? { after: startAfter, wholePrefix: false } : readToken(token)

  const contents: StoredObject[] = []
  const prefixes: string[] = []
  let last: Position | undefined
  let truncated = false
  for (const object of keysFrom(bucket, prefix, position)) {
    const common = commonPrefix(object.key, prefix, delimiter)
    if (common !== undefined && common === prefixes.at(-1)) continue
    if (contents.length + prefixes.length >= maxKeys) {
      truncated = maxKeys > 0
      break
    }
    if (common === undefined) contents.push(object)
    else prefixes.push(common)
    last = { after: common ?? object.key, wholePrefix: common !== undefined }
  }

  const parts = [
    element('Name', bucket.name),
    element('Prefix', encode(prefix)),
    token === null ? '' : element('ContinuationToken', token),
    truncated && last !== undefined ? element('NextContinuationToken', writeToken(last)) : '',
    startAfter === '' ? '' : element('StartAfter', encode(startAfter)),
    element('KeyCount', contents.length + prefixes.length),
    element('MaxKeys', maxKeys),
    delimiter === '' ? '' : element('Delimiter', encode(delimiter)),
    query.get('encoding-type') === null ? '' : element('EncodingType', 'url'),
    element('IsTruncated', truncated),
    ...contents.map((object) => entry(object, encode)),
    ...prefixes.map((common) => `<CommonPrefixes>${element('Prefix', encode(common))}</CommonPrefixes>`),
  ]
  return `${XML_HEAD}<ListBucketResult ${XML_NAMESPACE}>${parts.join('')}</ListBucketResult>`
}

function* keysFrom(bucket: Bucket, prefix: string, position: Position): Generator<StoredObject> {
  // Whichever is further on by bytes: all keys with the prefix are at or behind it.
  const beforePrefix = Buffer.compare(Buffer.from(position.after), Buffer.from(prefix)) < 0
  const source = beforePrefix ? bucket.after(prefix, true) : bucket.after(position.after, false)
  for (const object of source) {
    if (!object.key.startsWith(prefix)) return
    if (position.wholePrefix && object.key.startsWith(position.after)) continue
    yield object
  }
}

function commonPrefix(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === '') return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at === -1 ? undefined : key.slice(0, at + delimiter.length)
}

function entry(object: StoredObject, encode: (text: string) => string): string {
  const parts = [
    element('Key', encode(object.key)),
    element('LastModified', object.lastModified.toISOString()),
    element('ETag', `"${object.etag}"`),
    element('Size', object.body.length),
    element('StorageClass', object.storageClass),
  ]
  return `<Contents>${parts.join('')}</Contents>`
}

function readMaxKeys(text: string | null): number {
  if (text === null || text === '') return MAX_KEYS_PER_PAGE
  const elements = { ArgumentName: 'max-keys', ArgumentValue: text }
  if (!/^-?\d+$/.test(text)) {
    throw new S3Error('InvalidArgument', {
      message: 'Provided max-keys not an integer or within integer range',
      elements,
    })
  }
  const value = Number(text)
  if (value < 0 || value > 2_147_483_647) {
    throw new S3Error('InvalidArgument', {
      message: 'Argument maxKeys must be an integer between 0 and 2147483647',
      elements,
    })
  }
  return value
}

function encoder(kind: string | null): (text: string) => string {
  if (kind === null || kind === '') return (text) => text
  if (kind !== 'url') {
    throw new S3Error('InvalidArgument', {
      message: 'Invalid Encoding Method specified in Request',
      elements: { ArgumentName: 'encoding-type', ArgumentValue: kind },
    })
  }
  // Form encoding with the slash left alone: a space comes back as a plus sign.
  return (text) =>
    encodeURIComponent(text)
      .replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll('%20', '+')
      .replaceAll('%2F', '/')
}

const check = (text: Buffer) => createHmac('sha256', TOKEN_KEY).update(text).digest().subarray(0, TOKEN_CHECK_BYTES)

function writeToken(position: Position): string {
  const text = Buffer.from(`${position.wholePrefix ? 'p' : 'k'}${position.after}`, 'utf8')
  return Buffer.concat([check(text), text]).toString('base64')
}

function readToken(token: string): Position {
  const bytes = Buffer.from(token, 'base64')
  const text = bytes.subarray(TOKEN_CHECK_BYTES)
  if (text.length === 0 || !check(text).equals(bytes.subarray(0, TOKEN_CHECK_BYTES))) {
    throw new S3Error('InvalidArgument', {
      message: 'The continuation token provided is incorrect',
      elements: { ArgumentName: 'continuation-token' },
    })
  }
  return { after: text.toString('utf8', 1), wholePrefix: text.toString('latin1', 0, 1) === 'p' }
}
