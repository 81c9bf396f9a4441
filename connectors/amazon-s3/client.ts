import { GetObjectCommand, ListObjectsV2Command, S3Client, S3ServiceException } from '@aws-sdk/client-s3'
import { AppError } from '../../domain/errors.ts'
import { type Access, noteDate } from '../access.ts'
import type { S3Config } from './config.ts'

/** Compressed bytes of one object at most; CloudTrail's files are far smaller. */
const MAX_OBJECT_BYTES = 256 * 1024 * 1024

export interface ListedObject {
  key: string
  etag: string
}

export interface Bucket {
  /** Keys after `startAfter` under the prefix, in byte order. */
  list(prefix: string, startAfter?: string): AsyncGenerator<ListedObject>
  /** The next path segments under the prefix. */
  folders(prefix: string): Promise<string[]>
  /** Null when the object is gone or archived: a gap, not a fault. */
  get(key: string): Promise<Buffer | null>
  close(): void
}

/** `pace` is waited for before each request. */
export function openBucket(settings: S3Config, signal: AbortSignal, access: Access, pace = async () => {}): Bucket {
  const { bucket, region, endpoint, forcePathStyle, accessKeyId, secretAccessKey, sessionToken } = settings
  const client = new S3Client({
    region,
    forcePathStyle,
    maxAttempts: 4,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(endpoint ? { endpoint } : {}),
    ...(accessKeyId && secretAccessKey
      ? { credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) } }
      : {}),
  })
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      noteDate(access, (result.response as { headers?: Record<string, string> }).headers?.['date'])
      return result
    },
    { step: 'deserialize', name: 'noteDate' },
  )
  const page = async (input: { prefix: string; startAfter?: string; token?: string; delimiter?: string }) => {
    try {
      await pace()
      return await client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: input.prefix,
          ...(input.startAfter ? { StartAfter: input.startAfter } : {}),
          ...(input.token ? { ContinuationToken: input.token } : {}),
          ...(input.delimiter ? { Delimiter: input.delimiter } : {}),
        }),
        { abortSignal: signal },
      )
    } catch (error) {
      throw asAppError(error, 'listing the log bucket')
    }
  }
  return {
    async *list(prefix, startAfter) {
      let token: string | undefined
      do {
        const found = await page({ prefix, ...(startAfter ? { startAfter } : {}), ...(token ? { token } : {}) })
        for (const { Key, ETag } of found.Contents ?? []) if (Key) yield { key: Key, etag: ETag ?? '' }
        token = found.IsTruncated ? found.NextContinuationToken : undefined
      } while (token)
    },
    async folders(prefix) {
      const names: string[] = []
      let token: string | undefined
      do {
        const found = await page({ prefix, delimiter: '/', ...(token ? { token } : {}) })
        for (const { Prefix } of found.CommonPrefixes ?? []) if (Prefix) names.push(Prefix.slice(prefix.length, -1))
        token = found.IsTruncated ? found.NextContinuationToken : undefined
      } while (token)
      return names
    },
    async get(key) {
      try {
        await pace()
        const found = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal })
        if ((found.ContentLength ?? 0) > MAX_OBJECT_BYTES) return null
        return Buffer.from(await (found.Body?.transformToByteArray() ?? new Uint8Array()))
      } catch (error) {
        if (error instanceof S3ServiceException && (error.name === 'NoSuchKey' || error.name === 'InvalidObjectState'))
          return null
        throw asAppError(error, 'reading from the log bucket')
      }
    },
    close: () => client.destroy(),
  }
}

const SOURCES: Record<string, ConstructorParameters<typeof AppError>[0]> = {
  AccessDenied: 'permission_missing',
  InvalidAccessKeyId: 'credential_refused',
  SignatureDoesNotMatch: 'credential_refused',
  ExpiredToken: 'credential_expired',
  ExpiredTokenException: 'credential_expired',
  NoSuchBucket: 'settings_invalid',
  PermanentRedirect: 'settings_invalid',
  RequestTimeTooSkewed: 'settings_invalid',
  SlowDown: 'source_throttled',
}
const FIXES: Record<string, string> = {
  AccessDenied:
    'Grant s3:ListBucket and s3:GetObject on the log bucket, and kms:Decrypt where it is encrypted with a key.',
  InvalidAccessKeyId: 'Enter a valid access key.',
  SignatureDoesNotMatch: 'Enter the secret that belongs to the access key.',
  ExpiredToken: 'Enter new credentials.',
  ExpiredTokenException: 'Enter new credentials.',
  NoSuchBucket: 'Correct the name of the log bucket.',
  PermanentRedirect: 'Correct the region: it is where the bucket lies.',
  RequestTimeTooSkewed: 'Set the clock of this machine.',
}

/** By the service's own error name; what has none is the network. */
export function asAppError(error: unknown, doing: string): AppError {
  if (error instanceof AppError) return error
  const name = error instanceof S3ServiceException ? error.name : ''
  const code = SOURCES[name] ?? 'connector_unreachable'
  return new AppError(code, `${doing} failed${name ? `: ${name}` : ''}`, {
    cause: error,
    ...(FIXES[name] ? { fix: FIXES[name] } : {}),
  })
}
