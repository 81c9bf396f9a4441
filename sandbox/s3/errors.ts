import type { Answer } from '../faults.ts'

/**
 * Amazon S3's error codes with the HTTP status each comes with.
 * Source: Amazon S3 API Reference, "Error responses", https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
export const S3_ERRORS = {
  AccessDenied: [403, 'Access Denied'],
  AuthorizationHeaderMalformed: [400, 'The authorization header is malformed.'],
  BadDigest: [400, 'The checksum you specified did not match what was received.'],
  BucketAlreadyExists: [409, 'The requested bucket name is not available.'],
  BucketAlreadyOwnedByYou: [409, 'The bucket that you tried to create already exists, and you own it.'],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed object size.'],
  ExpiredToken: [400, 'The provided token has expired.'],
  IncompleteBody: [400, 'The request body terminated unexpectedly.'],
  InternalError: [500, 'We encountered an internal error. Please try again.'],
  InvalidAccessKeyId: [403, 'The AWS access key ID you provided does not exist in our records.'],
  InvalidArgument: [400, 'Invalid Argument'],
  InvalidObjectState: [403, "The operation is not valid for the object's storage class"],
  InvalidRange: [416, 'The requested range is not satisfiable'],
  InvalidRequest: [400, 'Invalid Request'],
  InvalidURI: [400, "Couldn't parse the specified URI."],
  InvalidToken: [400, 'The provided token is malformed or otherwise invalid.'],
  KeyTooLongError: [400, 'Your key is too long.'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
  MissingContentLength: [411, 'You must provide the Content-Length HTTP header.'],
  NoSuchBucket: [404, 'The specified bucket does not exist'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NotImplemented: [501, 'A header or query you provided implies functionality that is not implemented.'],
  PermanentRedirect: [301, 'The bucket you are attempting to access must be addressed using the specified endpoint.'],
  PreconditionFailed: [412, 'At least one of the pre-conditions you specified did not hold'],
  RequestTimeout: [400, 'Your socket connection to the server was not read from or written to within the timeout.'],
  RequestTimeTooSkewed: [403, "The difference between the request time and the server's time is too large."],
  ServiceUnavailable: [503, 'Service is unable to handle request.'],
  SignatureDoesNotMatch: [403, 'The request signature we calculated does not match the signature you provided.'],
  SlowDown: [503, 'Please reduce your request rate.'],
  XAmzContentSHA256Mismatch: [400, "The provided 'x-amz-content-sha256' header does not match what was computed."],
} as const satisfies Record<string, readonly [number, string]>

export type S3ErrorCode = keyof typeof S3_ERRORS

export const isS3ErrorCode = (code: string): code is S3ErrorCode => Object.hasOwn(S3_ERRORS, code)

export interface S3ErrorDetail {
  message?: string
  /** Further elements of the XML, e.g. `BucketName`. */
  elements?: Record<string, string>
  headers?: Record<string, string>
}

/** What the stand-in answers instead of a result. */
export class S3Error extends Error {
  readonly code: S3ErrorCode
  readonly detail: S3ErrorDetail

  constructor(code: S3ErrorCode, detail: S3ErrorDetail = {}) {
    super(detail.message ?? S3_ERRORS[code][1])
    this.name = 'S3Error'
    this.code = code
    this.detail = detail
  }

  get status(): number {
    return S3_ERRORS[this.code][0]
  }
}

export function errorAnswer(status: number, code: string, message: string, detail: S3ErrorDetail, id: string): Answer {
  const elements = Object.entries({ Code: code, Message: message, ...detail.elements, RequestId: id, HostId: id })
  const body = `${XML_HEAD}<Error>${elements.map(([name, value]) => element(name, value)).join('')}</Error>`
  return { status, headers: { ...XML_TYPE, ...detail.headers }, body }
}

export const XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
export const XML_TYPE = { 'content-type': 'application/xml' }
export const XML_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

export function element(name: string, value: string | number | boolean): string {
  // Control characters go out as references: a raw carriage return would be read back as a line feed.
  const text = String(value).replace(/[&<>"]|\p{Cc}/gu, (c) => ENTITIES[c] ?? `&#x${c.charCodeAt(0).toString(16)};`)
  return `<${name}>${text}</${name}>`
}
