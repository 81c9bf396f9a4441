import { createHash, randomUUID } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface StoredObject {
  body: Buffer
  etag: string
  lastModified: Date
  storageClass: string
}

export interface Fault {
  /** Requests whose path and query contain this. */
  match: string
  times: number
  status: number
  code: string
}

export interface S3StandIn extends AsyncDisposable {
  endpoint: string
  put(bucket: string, key: string, body: Buffer, options?: { lastModified?: Date; storageClass?: string }): void
  remove(bucket: string, key: string): void
  /** The next matching requests are answered by an error. */
  fail(fault: Fault): void
  /** Method, path and query of every request. */
  requests: string[]
}

const KEYS_AT_MOST = 1000

/**
 * Amazon S3 at the socket, as far as reading a log bucket needs it: ListObjectsV2 with prefixes, delimiters, pages and
 * start-after in byte order, GetObject, HeadBucket, and the XML errors. Signatures are not checked.
 */
export async function startS3({ maxKeys = KEYS_AT_MOST }: { maxKeys?: number } = {}): Promise<S3StandIn> {
  const buckets = new Map<string, Map<string, StoredObject>>()
  const faults: Fault[] = []
  const requests: string[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://s3')
    requests.push(`${request.method} ${url.pathname}${url.search}`)
    const fault = faults.find((each) => each.times > 0 && (request.url ?? '').includes(each.match))
    if (fault) {
      fault.times -= 1
      return sendError(response, fault.status, fault.code)
    }
    const [, bucketName = '', ...rest] = url.pathname.split('/')
    const key = rest.map(decodeURIComponent).join('/')
    const bucket = buckets.get(decodeURIComponent(bucketName))
    if (!bucket) return sendError(response, 404, 'NoSuchBucket')
    if (key === '' && request.method === 'HEAD') return void response.writeHead(200).end()
    if (key === '' && request.method === 'GET')
      return sendXml(response, 200, listing(bucketName, bucket, url.searchParams, maxKeys))
    if (key !== '' && request.method === 'GET') return sendObject(response, bucket.get(key))
    return sendError(response, 405, 'MethodNotAllowed')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    put(bucket, key, body, { lastModified = new Date(), storageClass = 'STANDARD' } = {}) {
      const objects = buckets.get(bucket) ?? new Map<string, StoredObject>()
      buckets.set(bucket, objects)
      objects.set(key, { body, etag: `"${createHash('md5').update(body).digest('hex')}"`, lastModified, storageClass })
    },
    remove: (bucket, key) => void buckets.get(bucket)?.delete(key),
    fail: (fault) => void faults.push(fault),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function sendObject(response: ServerResponse, found: StoredObject | undefined): void {
  if (!found) {
    sendError(response, 404, 'NoSuchKey')
    return
  }
  if (found.storageClass === 'GLACIER') {
    sendError(response, 403, 'InvalidObjectState')
    return
  }
  response
    .writeHead(200, {
      'content-length': found.body.length,
      etag: found.etag,
      'last-modified': found.lastModified.toUTCString(),
    })
    .end(found.body)
}

/** Keys and common prefixes in byte order; a page holds at most so many of both together. */
function listing(name: string, bucket: Map<string, StoredObject>, query: URLSearchParams, most: number): string {
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const token = query.get('continuation-token')
  const after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString()
  const limit = Math.min(Number(query.get('max-keys') ?? most), most)
  const keys = [...bucket.keys()]
    .filter((key) => key.startsWith(prefix))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const contents: string[] = []
  const prefixes: string[] = []
  let last = after
  let truncated = false
  for (const key of keys) {
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const common = cut < 0 ? null : key.slice(0, cut + delimiter.length)
    if (
      Buffer.compare(Buffer.from(common ?? key), Buffer.from(after)) <= 0 ||
      (common !== null && after.startsWith(common))
    )
      continue
    if (common !== null && prefixes.at(-1) === common) continue
    if (contents.length + prefixes.length >= limit) {
      truncated = true
      break
    }
    if (common !== null) prefixes.push(common)
    else contents.push(key)
    last = common ?? key
  }
  const encode = (text: string) =>
    query.get('encoding-type') === 'url' ? encodeURIComponent(text).replaceAll('%2F', '/') : escapeXml(text)
  const next = truncated
    ? `<NextContinuationToken>${Buffer.from(last).toString('base64url')}</NextContinuationToken>`
    : ''
  return `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>${escapeXml(name)}</Name><Prefix>${encode(prefix)}</Prefix><KeyCount>${contents.length + prefixes.length}</KeyCount><MaxKeys>${limit}</MaxKeys><IsTruncated>${truncated}</IsTruncated>${next}${contents.map((key) => content(key, bucket.get(key) as StoredObject)).join('')}${prefixes.map((each) => `<CommonPrefixes><Prefix>${encode(each)}</Prefix></CommonPrefixes>`).join('')}</ListBucketResult>`

  function content(key: string, { etag, body, lastModified, storageClass }: StoredObject): string {
    return `<Contents><Key>${encode(key)}</Key><LastModified>${lastModified.toISOString()}</LastModified><ETag>${escapeXml(etag)}</ETag><Size>${body.length}</Size><StorageClass>${storageClass}</StorageClass></Contents>`
  }
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escapeXml = (text: string): string => text.replace(/[&<>"]/g, (character) => ENTITIES[character] as string)

const sendXml = (response: ServerResponse, status: number, xml: string): void =>
  void response
    .writeHead(status, { 'content-type': 'application/xml' })
    .end(`<?xml version="1.0" encoding="UTF-8"?>\n${xml}`)

const sendError = (response: ServerResponse, status: number, code: string): void =>
  sendXml(
    response,
    status,
    `<Error><Code>${code}</Code><Message>${code}</Message><RequestId>${randomUUID()}</RequestId></Error>`,
  )
