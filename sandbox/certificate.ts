import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'
import { isIPv4 } from 'node:net'

/** A private key and its certificate, both PEM, for stand-ins and tests alone. */
export interface CertificatePair {
  key: string
  cert: string
  /** SHA-256 of the certificate, upper-case hex with colons, as `openssl x509 -fingerprint -sha256` prints it. */
  fingerprint256: string
}

export interface CertificateOptions {
  /** DNS names and IPv4 addresses it is good for. Default: localhost and 127.0.0.1. */
  names?: string[]
  /** Default: an hour ago. */
  notBefore?: Date
  /** Default: a year from now. */
  notAfter?: Date
}

const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS

// DER tags, ITU-T X.690.
const BOOLEAN = 0x01
const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const OID = 0x06
const UTF8_STRING = 0x0c
const GENERALIZED_TIME = 0x18
const UTC_TIME = 0x17
const SEQUENCE = 0x30
const SET = 0x31
const context = (number: number, constructed: boolean) => 0x80 | (constructed ? 0x20 : 0) | number

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2'
const COMMON_NAME = '2.5.4.3'
const SUBJECT_ALT_NAME = '2.5.29.17'
const BASIC_CONSTRAINTS = '2.5.29.19'

/**
 * A fresh self-signed certificate on a P-256 key (RFC 5280), made at run time so that no private key lies in the
 * repository. It is its own authority: give `cert` to a client as `ca`. Throws RangeError on an empty name list.
 */
export function selfSignedCertificate(options: CertificateOptions = {}): CertificatePair {
  const names = options.names ?? ['localhost', '127.0.0.1']
  const [commonName] = names
  if (commonName === undefined) throw new RangeError('selfSignedCertificate: names must hold at least one name')
  const notBefore = options.notBefore ?? new Date(Date.now() - HOUR_MS)
  const notAfter = options.notAfter ?? new Date(Date.now() + YEAR_MS)
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

  const algorithm = der(SEQUENCE, oid(ECDSA_WITH_SHA256))
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, oid(COMMON_NAME), der(UTF8_STRING, Buffer.from(commonName)))))
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40 // positive, and of a fixed length
  const tbs = der(
    SEQUENCE,
    der(context(0, true), der(INTEGER, Buffer.from([2]))), // version 3
    der(INTEGER, serial),
    algorithm,
    name,
    der(SEQUENCE, time(notBefore), time(notAfter)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(context(3, true), der(SEQUENCE, authority(), alternativeNames(names))),
  )
  const signature = sign('sha256', tbs, privateKey)
  const certificate = der(SEQUENCE, tbs, algorithm, der(BIT_STRING, Buffer.from([0]), signature))
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: pem(certificate),
    fingerprint256: new X509Certificate(certificate).fingerprint256,
  }
}

function authority(): Buffer {
  const yes = der(BOOLEAN, Buffer.from([0xff]))
  return der(SEQUENCE, oid(BASIC_CONSTRAINTS), yes, der(OCTET_STRING, der(SEQUENCE, yes)))
}

function alternativeNames(names: string[]): Buffer {
  const entries = names.map((name) =>
    isIPv4(name)
      ? der(context(7, false), Buffer.from(name.split('.').map(Number)))
      : der(context(2, false), Buffer.from(name, 'ascii')),
  )
  return der(SEQUENCE, oid(SUBJECT_ALT_NAME), der(OCTET_STRING, der(SEQUENCE, ...entries)))
}

function der(tag: number, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content)
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body])
  const digits = body.length.toString(16)
  const length = Buffer.from(digits.length % 2 === 1 ? `0${digits}` : digits, 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body])
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const arc of rest) {
    const septets = [arc & 0x7f]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      septets.unshift((left & 0x7f) | 0x80)
    bytes.push(...septets)
  }
  return der(OID, Buffer.from(bytes))
}

/** RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050. */
function time(at: Date): Buffer {
  const text = at.toISOString().replace(/[-:T]|\.\d+/g, '')
  return at.getUTCFullYear() < 2050
    ? der(UTC_TIME, Buffer.from(text.slice(2), 'ascii'))
    : der(GENERALIZED_TIME, Buffer.from(text, 'ascii'))
}

function pem(certificate: Buffer): string {
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
