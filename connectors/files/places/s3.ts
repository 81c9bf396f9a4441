import { GetObjectCommand, ListObjectsV2Command, S3Client, S3ServiceException } from '@aws-sdk/client-s3'
import { AppError } from '../../../domain/errors.ts'
import { asAppError } from '../../amazon-s3/client.ts'
import { byName, isHidden, type OfferedFile, type Place } from './place.ts'

export interface S3PlaceSettings {
  bucket: string
  prefix: string
  region: string
  endpoint?: string | undefined
  forcePathStyle: boolean
  accessKeyId?: string | undefined
  secretAccessKey?: string | undefined
}

/** The objects below a prefix. An object is whole from the moment it can be seen, so none has to settle. */
export function s3Place(settings: S3PlaceSettings): Place {
  const { bucket, prefix, region, endpoint, forcePathStyle, accessKeyId, secretAccessKey } = settings
  const client = new S3Client({
    region,
    forcePathStyle,
    maxAttempts: 4,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(endpoint ? { endpoint } : {}),
    ...(accessKeyId && secretAccessKey ? { credentials: { accessKeyId, secretAccessKey } } : {}),
  })
  const list = async (under: string): Promise<OfferedFile[]> => {
    const found: OfferedFile[] = []
    let token: string | undefined
    try {
      do {
        const page = await client.send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: under,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        )
        for (const { Key, Size = 0, ETag = '' } of page.Contents ?? []) {
          if (!Key || Key.endsWith('/') || isHidden(Key.slice(Key.lastIndexOf('/') + 1))) continue
          found.push({ name: Key, sizeBytes: Size, version: ETag, readable: ETag })
        }
        token = page.IsTruncated ? page.NextContinuationToken : undefined
      } while (token)
    } catch (error) {
      throw asAppError(error, 'listing the bucket')
    }
    return found
  }
  return {
    settled: async () => (await list(prefix)).sort(byName),
    async *open({ name, version }) {
      try {
        // As it was listed or not at all.
        const found = await client.send(new GetObjectCommand({ Bucket: bucket, Key: name, IfMatch: version }))
        yield* found.Body as AsyncIterable<Uint8Array>
      } catch (error) {
        if (error instanceof S3ServiceException && error.name === 'InvalidObjectState') {
          throw new AppError('file_unreadable', 'an object is archived', {
            cause: error,
            fix: 'Restore the object, or take it away.',
          })
        }
        throw asAppError(error, 'reading from the bucket')
      }
    },
    look: async (file) => (await list(file.name)).find(({ name }) => name === file.name) ?? null,
    async [Symbol.asyncDispose]() {
      client.destroy()
    },
  }
}
