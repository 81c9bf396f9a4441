import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { crc32 } from 'node:zlib'
import { S3Error } from './errors.ts'
import { hmac, type Signed, sha256 } from './signature.ts'

const CRC32C_POLYNOMIAL = 0x82f63b78 // Castagnoli, reflected
const EMPTY_SHA256 = sha256('')
const CHUNK_HEAD = /^([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?$/

const CHECKSUMS: Record<string, (body: Buffer) => string> = {
  'x-amz-checksum-crc32': (body) => uint32(crc32(body)),
  'x-amz-checksum-crc32c': (body) => uint32(crc32c(body)),
  'x-amz-checksum-sha1': (body) => createHash('sha1').update(body).digest('base64'),
  'x-amz-checksum-sha256': (body) => createHash('sha256').update(body).digest('base64'),
}

export interface DecodedBody {
  body: Buffer
  /** The checksum headers that were sent and hold, from head or trailer. */
  checksums: Record<string, string>
}

/**
 * The object inside a request's body: unwrapped from aws-chunked where it is, held against every digest that came with
 * it. Throws the S3Error that Amazon S3 answers. Sources: Amazon S3 API Reference, "Signature calculations … transferring
 * payload in multiple chunks" and "… including trailing headers (chunked upload)",
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html, …/sigv4-streaming-trailers.html
 */
export function decodeBody(raw: Buffer, headers: IncomingHttpHeaders, signed: Signed): DecodedBody {
  const kind = signed.contentSha256
  if (!kind.startsWith('STREAMING-')) {
    if (kind !== 'UNSIGNED-PAYLOAD' && kind !== sha256(raw)) throw new S3Error('XAmzContentSHA256Mismatch')
    return { body: raw, checksums: held(raw, headers) }
  }
  const signedChunks = kind.startsWith('STREAMING-AWS4-HMAC-SHA256-PAYLOAD')
  const withTrailer = kind.endsWith('-TRAILER')
  if (!signedChunks && kind !== 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') {
    throw new S3Error('NotImplemented', { message: `x-amz-content-sha256 ${kind} is not implemented here` })
  }
  const { body, rest, signature } = unwrap(raw, signedChunks ? signed : undefined)
  const trailer = withTrailer ? readTrailer(rest, signedChunks ? { signed, previous: signature } : undefined) : {}
  const announced = String(headers['x-amz-decoded-content-length'] ?? '')
  if (announced === '') throw new S3Error('MissingContentLength')
  if (announced !== String(body.length)) throw new S3Error('IncompleteBody')
  const promised = headers['x-amz-trailer']
  if (promised !== undefined && !(String(promised).toLowerCase() in trailer)) {
    throw new S3Error('InvalidRequest', { message: 'A trailer named in x-amz-trailer is missing' })
  }
  return { body, checksums: held(body, { ...headers, ...trailer }) }
}

/** One aws-chunked body. With `signed`, each chunk's signature continues the one before it. */
function unwrap(raw: Buffer, signed: Signed | undefined): { body: Buffer; rest: Buffer; signature: string } {
  const chunks: Buffer[] = []
  let signature = signed?.signature ?? ''
  let at = 0
  for (;;) {
    const end = raw.indexOf('\r\n', at)
    const [, size, given] = CHUNK_HEAD.exec(end === -1 ? '' : raw.toString('latin1', at, end)) ?? []
    if (size === undefined) throw new S3Error('IncompleteBody')
    const length = Number.parseInt(size, 16)
    const from = end + 2
    const chunk = raw.subarray(from, from + length)
    if (chunk.length < length) throw new S3Error('IncompleteBody')
    if (signed !== undefined) {
      const parts = ['AWS4-HMAC-SHA256-PAYLOAD', signed.date, signed.scope, signature, EMPTY_SHA256, sha256(chunk)]
      signature = checked(signed, parts, given)
    }
    if (length === 0) return { body: Buffer.concat(chunks), rest: raw.subarray(from), signature }
    if (raw.toString('latin1', from + length, from + length + 2) !== '\r\n') throw new S3Error('IncompleteBody')
    chunks.push(chunk)
    at = from + length + 2
  }
}

function readTrailer(rest: Buffer, chain: { signed: Signed; previous: string } | undefined): Record<string, string> {
  const trailer: Record<string, string> = {}
  let given: string | undefined
  let canonical = ''
  for (const line of rest.toString('latin1').split(/\r?\n/)) {
    if (line === '') continue
    const colon = line.indexOf(':')
    if (colon < 1) throw new S3Error('IncompleteBody')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (name === 'x-amz-trailer-signature') {
      given = value
      continue
    }
    trailer[name] = value
    canonical += `${name}:${value}\n`
  }
  if (chain !== undefined) {
    const { date, scope } = chain.signed
    checked(chain.signed, ['AWS4-HMAC-SHA256-TRAILER', date, scope, chain.previous, sha256(canonical)], given)
  }
  return trailer
}

function checked(signed: Signed, parts: string[], given: string | undefined): string {
  const expected = hmac(signed.signingKey, parts.join('\n'))
  const bytes = Buffer.from(given ?? '', 'hex')
  if (bytes.length !== expected.length || !timingSafeEqual(bytes, expected)) throw new S3Error('SignatureDoesNotMatch')
  return expected.toString('hex')
}

function held(body: Buffer, headers: IncomingHttpHeaders): Record<string, string> {
  const md5 = headers['content-md5']
  if (md5 !== undefined && md5 !== createHash('md5').update(body).digest('base64')) throw new S3Error('BadDigest')
  const checksums: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith('x-amz-checksum-') || name === 'x-amz-checksum-type' || typeof value !== 'string') continue
    const compute = CHECKSUMS[name]
    if (compute === undefined) throw new S3Error('NotImplemented', { message: `${name} is not implemented here` })
    if (compute(body) !== value) {
      const algorithm = name.slice('x-amz-checksum-'.length).toUpperCase()
      throw new S3Error('BadDigest', {
        message: `The ${algorithm} you specified did not match the calculated checksum.`,
      })
    }
    checksums[name] = value
  }
  return checksums
}

function uint32(value: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes.toString('base64')
}

function crc32c(body: Buffer): number {
  let crc = 0xffffffff
  for (const byte of body) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ CRC32C_POLYNOMIAL : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}
