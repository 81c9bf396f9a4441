import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { target } from '../faults.ts'
import { S3Error } from './errors.ts'

export type S3Operation =
  | 'CreateBucket'
  | 'DeleteObject'
  | 'GetBucketLocation'
  | 'GetObject'
  | 'HeadBucket'
  | 'HeadObject'
  | 'ListBuckets'
  | 'ListObjectsV2'
  | 'PutObject'
  /** Not one of the above; `refusal` says what is answered. */
  | 'Other'

export interface Routed {
  operation: S3Operation
  bucket: string
  key: string
  query: URLSearchParams
  refusal?: S3Error
}

/** Endpoints that a bucket's name can stand in front of: virtual-host style. */
const ENDPOINT_HOST = /^(?:(.+)\.)?(?:localhost|s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com)$/i

const OBJECT_OPERATIONS: Record<string, S3Operation> = {
  DELETE: 'DeleteObject',
  GET: 'GetObject',
  HEAD: 'HeadObject',
  PUT: 'PutObject',
}

/** Queries that change nothing about what is asked; the SDK adds x-id to name its call. */
const HARMLESS = ['x-id']
const QUERIES: Partial<Record<S3Operation, string[]>> = {
  GetBucketLocation: ['location'],
  ListObjectsV2: [
    'list-type',
    'prefix',
    'delimiter',
    'start-after',
    'continuation-token',
    'max-keys',
    'encoding-type',
    'fetch-owner',
  ],
}

/** Which operation on which bucket and key a request asks for. Does not throw: a refusal is part of the answer. */
export function route(request: IncomingMessage): Routed {
  const { rawPath, query } = target(request)
  const method = request.method ?? 'GET'
  const host = (request.headers.host ?? '').replace(/:\d+$/, '')
  const virtual = isIP(host) === 0 ? ENDPOINT_HOST.exec(host)?.[1] : undefined
  const slash = rawPath.indexOf('/', 1)
  const pathBucket = slash === -1 ? rawPath.slice(1) : rawPath.slice(1, slash)
  const pathKey = slash === -1 ? '' : rawPath.slice(slash + 1)
  let bucket: string
  let key: string
  try {
    bucket = virtual ?? decodeURIComponent(pathBucket)
    key = decodeURIComponent(virtual === undefined ? pathKey : rawPath.slice(1))
  } catch {
    return { operation: 'Other', bucket: '', key: '', query, refusal: new S3Error('InvalidURI') }
  }
  const operation = operationOf(method, bucket, key, query)
  const routed = { operation, bucket, key, query }
  if (operation === 'Other') return { ...routed, refusal: refusalOf(method, bucket, key) }
  // Answering as if a version, a tag set or an ACL had not been asked for would be a lie.
  const unknown = [...query.keys()].find((name) => ![...HARMLESS, ...(QUERIES[operation] ?? [])].includes(name))
  if (unknown === undefined) return routed
  return {
    ...routed,
    operation: 'Other',
    refusal: new S3Error('NotImplemented', { message: `The query "${unknown}" is not implemented here.` }),
  }
}

function operationOf(method: string, bucket: string, key: string, query: URLSearchParams): S3Operation {
  if (key !== '') return OBJECT_OPERATIONS[method] ?? 'Other'
  if (bucket === '') return method === 'GET' ? 'ListBuckets' : 'Other'
  if (method === 'HEAD') return 'HeadBucket'
  if (method === 'PUT') return 'CreateBucket'
  if (method !== 'GET') return 'Other'
  if (query.has('location')) return 'GetBucketLocation'
  return query.get('list-type') === '2' ? 'ListObjectsV2' : 'Other'
}

function refusalOf(method: string, bucket: string, key: string): S3Error {
  if (bucket !== '' && key === '' && (method === 'GET' || method === 'DELETE' || method === 'POST')) {
    return new S3Error('NotImplemented', { message: `This stand-in does not know this ${method} on a bucket.` })
  }
  const allow = key !== '' ? 'GET, HEAD, PUT, DELETE' : bucket !== '' ? 'GET, HEAD, PUT' : 'GET'
  return new S3Error('MethodNotAllowed', {
    elements: { Method: method, ResourceType: key !== '' ? 'OBJECT' : bucket !== '' ? 'BUCKET' : 'SERVICE' },
    headers: { allow },
  })
}
