import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import { VirtualClock } from './clock.ts'
import { type Answer, type Fault, Faults, readBody, serve, target } from './faults.ts'
import { listen } from './listening.ts'
import { decodeBody } from './s3/body.ts'
import {
  element,
  errorAnswer,
  isS3ErrorCode,
  S3_ERRORS,
  S3Error,
  XML_HEAD,
  XML_NAMESPACE,
  XML_TYPE,
} from './s3/errors.ts'
import { listObjectsV2, MAX_KEYS_PER_PAGE } from './s3/listing.ts'
import { getObject, putObject } from './s3/objects.ts'
import { type DeniedResource, Permissions, type S3Action } from './s3/permissions.ts'
import { type Routed, route } from './s3/routing.ts'
import { type S3Credentials, type Signed, verifySignature } from './s3/signature.ts'
import { Bucket, type PutOptions, type StoredObject } from './s3/store.ts'

export type { S3Credentials } from './s3/signature.ts'
export type { PutOptions } from './s3/store.ts'

/** Larger uploads are refused with EntityTooLarge: everything is held in memory. */
export const MAX_UPLOAD_BYTES = 64 * 1024 * 1024

/** What a client signs with where the caller names no credentials. */
export const DEFAULT_CREDENTIALS: S3Credentials = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'example' }
export const DEFAULT_REGION = 'eu-west-1'

/** The region whose name GetBucketLocation does not say, and from where it may be asked about any bucket. */
const CLASSIC_REGION = 'us-east-1'

export interface S3Options {
  /** Default 0: a free one. */
  port?: number
  /** Who may sign. Default: DEFAULT_CREDENTIALS alone. */
  credentials?: readonly S3Credentials[]
  /** Where buckets lie that are created by `put`. */
  region?: string
  /** Decides what is available; default: one of its own. */
  clock?: VirtualClock
  /** Longest page of a listing, 1 to 1000 (default): lets paging be tested with few objects. */
  maxKeys?: number
}

export interface LoggedRequest {
  at: Date
  method: string
  /** Decoded, without the query. */
  path: string
  /** Names of the query's parameters, sorted; their values are not kept. */
  query: string[]
  operation: string
  bucket: string
  key: string
  /** null while unanswered, and for good where a fault left it so. */
  status: number | null
  /** The error's code, where it was one. */
  code?: string
}

export interface S3StandIn extends AsyncDisposable {
  /** Base URL for `endpoint` with `forcePathStyle: true`. */
  endpoint: string
  port: number
  region: string
  /** The first of those who may sign. */
  credentials: S3Credentials
  /** Decides what is available and what `LastModified` says. Signatures are held against the real clock. */
  clock: VirtualClock
  /** The service's own clock relative to real time: makes clients appear skewed. Milliseconds, default 0. */
  serverClockOffsetMs: number
  faults: Faults
  requests: LoggedRequest[]
  /** Does nothing where the bucket exists already. */
  createBucket(name: string, options?: { region?: string }): void
  /** Stages an object; the bucket is created if need be. */
  put(bucket: string, key: string, body: Buffer | string, options?: PutOptions): { etag: string }
  /** Takes an object away with all that was staged under its key. */
  remove(bucket: string, key: string): void
  /** From now on this action answers AccessDenied. Returns what takes the denial back. */
  deny(action: S3Action, on?: DeniedResource): () => void
  /** Short for `faults.next`. */
  fail(fault: Fault): void
  close(): Promise<void>
}

/**
 * Amazon S3 at the socket: real HTTP, Signature Version 4 verified, the XML and the errors of the real one. Path style
 * and virtual-host style. What it does not know it refuses with NotImplemented: versions, multipart uploads, ACLs, tags,
 * ListObjects version 1, presigned queries. Held against another implementation by `npm run test:peers`.
 */
export async function startS3(options: S3Options = {}): Promise<S3StandIn> {
  const { maxKeys = MAX_KEYS_PER_PAGE, region = DEFAULT_REGION } = options
  if (!(maxKeys >= 1 && maxKeys <= MAX_KEYS_PER_PAGE)) {
    throw new RangeError(`startS3: maxKeys must be 1 to ${MAX_KEYS_PER_PAGE}, got ${maxKeys}`)
  }
  const known = options.credentials ?? [DEFAULT_CREDENTIALS]
  const [first] = known
  if (first === undefined) throw new RangeError('startS3: credentials must name at least one pair')

  const clock = options.clock ?? new VirtualClock()
  const buckets = new Map<string, Bucket>()
  const permissions = new Permissions()
  const faults = new Faults()
  const requests: LoggedRequest[] = []
  const logged = new WeakMap<IncomingMessage, LoggedRequest>()
  const createBucket = (name: string, inRegion = region): Bucket => {
    const bucket = buckets.get(name) ?? new Bucket(name, inRegion, clock)
    buckets.set(name, bucket)
    return bucket
  }
  const serverNow = () => new Date(Date.now() + standIn.serverClockOffsetMs)

  async function handle(request: IncomingMessage): Promise<Answer> {
    const asked = route(request)
    try {
      const raw = await readBody(request, MAX_UPLOAD_BYTES)
      if (raw === null) throw new S3Error('EntityTooLarge')
      const signed = verifySignature(request, known, serverNow())
      if (asked.refusal !== undefined) throw asked.refusal
      return withHeaders(perform(request, asked, raw, signed))
    } catch (error) {
      if (!(error instanceof S3Error)) throw error
      const entry = logged.get(request)
      if (entry !== undefined) entry.code = error.code
      return withHeaders(errorAnswer(error.status, error.code, error.message, error.detail, requestId()))
    }
  }

  function perform(request: IncomingMessage, asked: Routed, raw: Buffer, signed: Signed): Answer {
    const { operation, key, query } = asked
    if (operation === 'ListBuckets') {
      permissions.require('s3:ListAllMyBuckets', '', '')
      return xml(bucketList([...buckets.values()]))
    }
    if (operation === 'CreateBucket') {
      permissions.require('s3:CreateBucket', asked.bucket, '')
      if (buckets.has(asked.bucket)) throw new S3Error('BucketAlreadyOwnedByYou')
      const wanted = /<LocationConstraint[^>]*>([^<]+)</.exec(
        decodeBody(raw, request.headers, signed).body.toString(),
      )?.[1]
      createBucket(asked.bucket, wanted ?? signed.region)
      return { status: 200, headers: { location: `/${asked.bucket}` } }
    }
    const bucket = buckets.get(asked.bucket)
    if (bucket === undefined) throw new S3Error('NoSuchBucket', { elements: { BucketName: asked.bucket } })
    const anywhere = operation === 'GetBucketLocation' && signed.region === CLASSIC_REGION
    if (bucket.region !== signed.region && !anywhere) throw redirect(bucket.name, bucket.region)

    switch (operation) {
      case 'HeadBucket':
        permissions.require('s3:ListBucket', bucket.name, '')
        return { status: 200, headers: { 'x-amz-bucket-region': bucket.region } }
      case 'GetBucketLocation': {
        permissions.require('s3:GetBucketLocation', bucket.name, '')
        const text = bucket.region === CLASSIC_REGION ? '' : bucket.region
        return xml(`${XML_HEAD}<LocationConstraint ${XML_NAMESPACE}>${text}</LocationConstraint>`)
      }
      case 'ListObjectsV2':
        permissions.require('s3:ListBucket', bucket.name, query.get('prefix') ?? '')
        return xml(listObjectsV2(bucket, query, maxKeys), { 'x-amz-bucket-region': bucket.region })
      case 'PutObject':
        permissions.require('s3:PutObject', bucket.name, key)
        return putObject(bucket, key, decodeBody(raw, request.headers, signed), request.headers)
      case 'DeleteObject':
        permissions.require('s3:DeleteObject', bucket.name, key)
        bucket.removeVisible(key)
        return { status: 204 }
      default:
        permissions.require('s3:GetObject', bucket.name, key)
        return getObject(existing(bucket, key), request.headers, operation === 'HeadObject')
    }
  }

  function existing(bucket: Bucket, key: string): StoredObject {
    const object = bucket.get(key)
    if (object !== undefined) return object
    // Who may not list may not learn what does not exist either (API_GetObject, "Permissions").
    if (!permissions.allows('s3:ListBucket', bucket.name, key)) throw new S3Error('AccessDenied')
    throw new S3Error('NoSuchKey', { elements: { Key: key } })
  }

  function withHeaders(answer: Answer): Answer {
    const id = requestId()
    const common = { date: serverNow().toUTCString(), server: 'AmazonS3', 'x-amz-request-id': id, 'x-amz-id-2': id }
    return { ...answer, headers: { ...common, ...answer.headers } }
  }

  const server = createServer(
    serve({
      faults,
      handle,
      operation(request) {
        const { operation, bucket, key, query } = route(request)
        const { path } = target(request)
        const names = [...new Set(query.keys())].sort()
        const method = request.method ?? 'GET'
        const entry = { at: clock.now(), method, path, query: names, operation, bucket, key, status: null }
        requests.push(entry)
        logged.set(request, entry)
        return operation
      },
      answered(request, status) {
        const entry = logged.get(request)
        if (entry !== undefined) entry.status = status
      },
      wordFault(request, { code, status }) {
        const entry = logged.get(request)
        if (entry !== undefined) entry.code = code
        const asked = route(request)
        const named = isS3ErrorCode(code) ? S3_ERRORS[code] : ([status ?? 500, code] as const)
        const detail = code === 'PermanentRedirect' ? redirect(asked.bucket, CLASSIC_REGION).detail : {}
        return withHeaders(errorAnswer(named[0], code, named[1], detail, requestId()))
      },
    }),
  )
  const listening = await listen(server, options.port)
  const standIn: S3StandIn = {
    endpoint: `http://127.0.0.1:${listening.port}`,
    port: listening.port,
    region,
    credentials: first,
    clock,
    serverClockOffsetMs: 0,
    faults,
    requests,
    createBucket: (name, { region: inRegion } = {}) => void createBucket(name, inRegion),
    put: (bucket, key, body, put) => createBucket(bucket).put(key, Buffer.from(body), put),
    remove: (bucket, key) => void buckets.get(bucket)?.remove(key),
    deny: (action, on) => permissions.deny(action, on),
    fail: (fault) => void faults.next(fault),
    close: listening.close,
    [Symbol.asyncDispose]: listening.close,
  }
  return standIn
}

const requestId = () => randomBytes(8).toString('hex').toUpperCase()

const xml = (body: string, headers: Record<string, string> = {}): Answer => ({
  status: 200,
  headers: { ...XML_TYPE, ...headers },
  body,
})

function redirect(bucket: string, region: string): S3Error {
  return new S3Error('PermanentRedirect', {
    elements: { Endpoint: `${bucket}.s3.${region}.amazonaws.com`, Bucket: bucket },
    headers: { 'x-amz-bucket-region': region },
  })
}

function bucketList(buckets: Bucket[]): string {
  const entries = buckets
    .toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
    .map(
      ({ name, createdAt }) =>
        `<Bucket>${element('Name', name)}${element('CreationDate', createdAt.toISOString())}</Bucket>`,
    )
  const owner = '<Owner><ID>openirm-sandbox</ID></Owner>'
  return `${XML_HEAD}<ListAllMyBucketsResult ${XML_NAMESPACE}>${owner}<Buckets>${entries.join('')}</Buckets></ListAllMyBucketsResult>`
}
