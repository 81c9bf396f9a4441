import type { IncomingHttpHeaders } from 'node:http'
import type { Answer } from '../faults.ts'
import type { DecodedBody } from './body.ts'
import { S3Error } from './errors.ts'
import type { Bucket, StoredObject } from './store.ts'

/** Storage classes whose objects have to be restored before they can be read; GLACIER_IR is not one of them. */
const ARCHIVED = new Set(['GLACIER', 'DEEP_ARCHIVE'])
const KEPT_HEADER = /^(x-amz-meta-.+|content-type|content-language|content-disposition|cache-control|expires)$/

/** GetObject and HeadObject: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html */
export function getObject(object: StoredObject, headers: IncomingHttpHeaders, head: boolean): Answer {
  const validators = { etag: `"${object.etag}"`, 'last-modified': object.lastModified.toUTCString() }
  const unchanged = precondition(object, headers)
  if (unchanged) return { status: 304, headers: validators }
  if (!head && ARCHIVED.has(object.storageClass)) {
    throw new S3Error('InvalidObjectState', { elements: { StorageClass: object.storageClass } })
  }
  const size = object.body.length
  const { checksums, others } = split(object.headers)
  const common: Record<string, string> = { ...others, ...validators, 'accept-ranges': 'bytes' }
  if (object.storageClass !== 'STANDARD') common['x-amz-storage-class'] = object.storageClass
  const range = readRange(headers.range, size)
  if (range === undefined) {
    // A checksum of the whole says nothing about a part, so it is only sent with the whole.
    if (headers['x-amz-checksum-mode']?.toString().toUpperCase() === 'ENABLED' && Object.keys(checksums).length > 0) {
      Object.assign(common, checksums, { 'x-amz-checksum-type': 'FULL_OBJECT' })
    }
    return { status: 200, headers: { ...common, 'content-length': String(size) }, body: object.body }
  }
  const [first, last] = range
  const part = { 'content-range': `bytes ${first}-${last}/${size}`, 'content-length': String(last - first + 1) }
  return { status: 206, headers: { ...common, ...part }, body: object.body.subarray(first, last + 1) }
}

/** PutObject: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html */
export function putObject(bucket: Bucket, key: string, decoded: DecodedBody, headers: IncomingHttpHeaders): Answer {
  const existing = bucket.get(key)
  const ifNoneMatch = headers['if-none-match']
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') {
    throw new S3Error('NotImplemented', { message: 'If-None-Match on a PUT must be *' })
  }
  if (ifNoneMatch === '*' && existing !== undefined) throw failed('If-None-Match')
  const ifMatch = headers['if-match']
  if (ifMatch !== undefined) {
    if (existing === undefined) throw new S3Error('NoSuchKey', { elements: { Key: key } })
    if (!lists(ifMatch, existing)) throw failed('If-Match')
  }
  const kept: Record<string, string> = { 'content-type': 'binary/octet-stream', ...decoded.checksums }
  for (const [name, value] of Object.entries(headers)) {
    if (KEPT_HEADER.test(name) && value !== undefined) kept[name] = String(value)
  }
  // aws-chunked describes the way here, not the object.
  const encodings = (headers['content-encoding'] ?? '').split(',').map((each) => each.trim())
  const encoding = encodings.filter((each) => each !== '' && each !== 'aws-chunked').join(',')
  if (encoding !== '') kept['content-encoding'] = encoding
  const storageClass = headers['x-amz-storage-class']
  const object = bucket.put(key, decoded.body, {
    headers: kept,
    ...(storageClass === undefined ? {} : { storageClass: String(storageClass) }),
  })
  const checksumType: Record<string, string> =
    Object.keys(decoded.checksums).length > 0 ? { 'x-amz-checksum-type': 'FULL_OBJECT' } : {}
  return { status: 200, headers: { etag: `"${object.etag}"`, ...decoded.checksums, ...checksumType } }
}

/**
 * True where the answer is 304. Throws PreconditionFailed. If-Match overrules If-Unmodified-Since and If-None-Match
 * overrules If-Modified-Since, as GetObject documents it.
 */
function precondition(object: StoredObject, headers: IncomingHttpHeaders): boolean {
  const ifMatch = headers['if-match']
  if (ifMatch !== undefined) {
    if (!lists(ifMatch, object)) throw failed('If-Match')
  } else {
    const unmodifiedSince = dateHeader(headers['if-unmodified-since'])
    if (unmodifiedSince !== undefined && object.lastModified > unmodifiedSince) throw failed('If-Unmodified-Since')
  }
  const ifNoneMatch = headers['if-none-match']
  if (ifNoneMatch !== undefined) return lists(ifNoneMatch, object)
  const modifiedSince = dateHeader(headers['if-modified-since'])
  return modifiedSince !== undefined && object.lastModified <= modifiedSince
}

const failed = (condition: string) => new S3Error('PreconditionFailed', { elements: { Condition: condition } })

function lists(header: string, object: StoredObject): boolean {
  const tags = header.split(',').map((tag) => tag.trim().replace(/^"|"$/g, ''))
  return tags.includes('*') || tags.includes(object.etag)
}

function dateHeader(value: string | undefined): Date | undefined {
  const at = new Date(value ?? '')
  return Number.isNaN(at.getTime()) ? undefined : at
}

/** First and last byte, or undefined for the whole: a malformed or a many-part range is ignored (RFC 9110 §14.2). */
function readRange(header: string | undefined, size: number): [number, number] | undefined {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '') ?? []
  if (from === '' && to === '') return undefined
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from)
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  if (from !== '' && to !== '' && Number(to) < first) return undefined
  if (first >= size || (from === '' && Number(to) === 0)) {
    throw new S3Error('InvalidRange', { elements: { RangeRequested: header ?? '', ActualObjectSize: String(size) } })
  }
  return [first, last]
}

function split(headers: Record<string, string>): {
  checksums: Record<string, string>
  others: Record<string, string>
} {
  const entries = Object.entries(headers)
  const isChecksum = ([name]: [string, string]) => name.startsWith('x-amz-checksum-')
  return {
    checksums: Object.fromEntries(entries.filter(isChecksum)),
    others: Object.fromEntries(entries.filter((entry) => !isChecksum(entry))),
  }
}
