import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { target } from '../faults.ts'
import { S3Error } from './errors.ts'

export interface S3Credentials {
  accessKeyId: string
  secretAccessKey: string
  /** Temporary credentials carry one, and every request has to send it. */
  sessionToken?: string
  expiresAt?: Date
}

/** What a verified request was signed with; a signed chunked body continues from it. */
export interface Signed {
  credentials: S3Credentials
  /** `20261120T090000Z` */
  date: string
  region: string
  /** `20261120/eu-west-1/s3/aws4_request` */
  scope: string
  signature: string
  /** The x-amz-content-sha256 header as signed. */
  contentSha256: string
  signingKey: Buffer
}

/** Amazon S3 refuses requests whose clock is further away than this. */
export const MAX_SKEW_MS = 15 * 60_000

const ALGORITHM = 'AWS4-HMAC-SHA256'
const HEADER =
  /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-f]{64})\s*$/
const SCOPE = /^(.+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request$/
const AMZ_DATE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/

export const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex')
export const hmac = (key: Buffer | string, data: string) => createHmac('sha256', key).update(data, 'utf8').digest()

export function signingKey(secretAccessKey: string, day: string, region: string): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${secretAccessKey}`, day), region), 's3'), 'aws4_request')
}

/**
 * Verifies Signature Version 4 in the Authorization header. Throws the S3Error that Amazon S3 answers.
 * Source: Amazon S3 API Reference, "Authenticating requests: using the Authorization header (AWS Signature Version 4)",
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function verifySignature(request: IncomingMessage, known: readonly S3Credentials[], now: Date): Signed {
  const authorization = request.headers.authorization
  if (authorization === undefined) {
    if (target(request).query.has('X-Amz-Signature')) {
      throw new S3Error('NotImplemented', { message: 'This stand-in verifies header signatures only.' })
    }
    throw new S3Error('AccessDenied')
  }
  const [, credential = '', headerList = '', given = ''] =
    HEADER.exec(authorization) ?? malformed('not AWS4-HMAC-SHA256')
  const [, accessKeyId = '', day = '', region = '', service = ''] = SCOPE.exec(credential) ?? malformed('credential')
  if (service !== 's3') malformed(`incorrect service "${service}". This endpoint belongs to "s3".`)

  const contentSha256 = one(request, 'x-amz-content-sha256')
  if (contentSha256 === undefined) {
    throw new S3Error('InvalidRequest', { message: 'Missing required header for this request: x-amz-content-sha256' })
  }
  const date = one(request, 'x-amz-date')
  const at = instant(date)
  if (date === undefined || at === undefined) {
    throw new S3Error('AccessDenied', { message: 'AWS authentication requires a valid Date or x-amz-date header' })
  }
  if (!date.startsWith(day)) malformed('Invalid credential date')

  const credentials = known.find((entry) => entry.accessKeyId === accessKeyId)
  if (credentials === undefined) {
    throw new S3Error('InvalidAccessKeyId', { elements: { AWSAccessKeyId: accessKeyId } })
  }
  const signedHeaders = headerList.split(';')
  refuseUnsigned(request, signedHeaders)

  const scope = `${day}/${region}/s3/aws4_request`
  const canonical = canonicalRequest(request, signedHeaders, contentSha256)
  const toSign = [ALGORITHM, date, scope, sha256(canonical)].join('\n')
  const key = signingKey(credentials.secretAccessKey, day, region)
  const expected = hmac(key, toSign)
  if (!timingSafeEqual(expected, Buffer.from(given, 'hex'))) {
    const elements = { AWSAccessKeyId: accessKeyId, StringToSign: toSign, CanonicalRequest: canonical }
    throw new S3Error('SignatureDoesNotMatch', { elements })
  }
  if (Math.abs(at.getTime() - now.getTime()) > MAX_SKEW_MS) {
    throw new S3Error('RequestTimeTooSkewed', {
      elements: {
        RequestTime: date,
        ServerTime: now.toISOString().replace(/\.\d+/, ''),
        MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS),
      },
    })
  }
  if (one(request, 'x-amz-security-token') !== credentials.sessionToken) throw new S3Error('InvalidToken')
  if (credentials.expiresAt !== undefined && credentials.expiresAt <= now) throw new S3Error('ExpiredToken')
  return { credentials, date, region, scope, signature: given, contentSha256, signingKey: key }
}

export function canonicalRequest(request: IncomingMessage, signedHeaders: string[], contentSha256: string): string {
  const { path } = target(request)
  const mark = (request.url ?? '').indexOf('?')
  const rawQuery = mark === -1 ? '' : (request.url ?? '').slice(mark + 1)
  const headers = signedHeaders.map((name) => {
    const values = request.headersDistinct[name] ?? []
    return `${name}:${values.map((value) => value.trim().replace(/ +/g, ' ')).join(',')}\n`
  })
  return [
    request.method,
    path.split('/').map(uriEncode).join('/'),
    canonicalQuery(rawQuery),
    headers.join(''),
    signedHeaders.join(';'),
    contentSha256,
  ].join('\n')
}

function canonicalQuery(raw: string): string {
  if (raw === '') return ''
  const pairs = raw.split('&').map((pair) => {
    const mark = pair.indexOf('=')
    const name = mark === -1 ? pair : pair.slice(0, mark)
    const value = mark === -1 ? '' : pair.slice(mark + 1)
    return `${uriEncode(percentDecode(name))}=${uriEncode(percentDecode(value))}`
  })
  // Names compare by code unit here, which is code point order: everything is ASCII by now.
  return pairs.sort((a, b) => compare(a.split('=')[0] ?? '', b.split('=')[0] ?? '') || compare(a, b)).join('&')
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** RFC 3986: everything but letters, digits and `-._~` is escaped. */
function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** The host and all x-amz-* headers have to be signed, or somebody on the way could change them. */
function refuseUnsigned(request: IncomingMessage, signedHeaders: string[]): void {
  const unsigned = Object.keys(request.headers).filter(
    (name) => (name === 'host' || name.startsWith('x-amz-')) && !signedHeaders.includes(name),
  )
  if (unsigned.length === 0) return
  throw new S3Error('AccessDenied', {
    message: 'There were headers present in the request which were not signed',
    elements: { HeadersNotSigned: unsigned.join(', ') },
  })
}

function instant(amzDate: string | undefined): Date | undefined {
  const [, year, month, day, hour, minute, second] = AMZ_DATE.exec(amzDate ?? '') ?? []
  if (year === undefined) return undefined
  const at = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(at.getTime()) ? undefined : at
}

function one(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

function malformed(what: string): never {
  throw new S3Error('AuthorizationHeaderMalformed', { message: `The authorization header is malformed; ${what}` })
}
