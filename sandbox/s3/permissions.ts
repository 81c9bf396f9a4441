import { S3Error } from './errors.ts'

/** IAM actions of the operations that the stand-in knows. HeadObject needs GetObject, HeadBucket needs ListBucket. */
export type S3Action =
  | 's3:CreateBucket'
  | 's3:DeleteObject'
  | 's3:GetBucketLocation'
  | 's3:GetObject'
  | 's3:ListAllMyBuckets'
  | 's3:ListBucket'
  | 's3:PutObject'

export interface DeniedResource {
  /** Default: every bucket. */
  bucket?: string
  /** Objects whose key, and listings whose prefix, begins so. Default: all. */
  prefix?: string
}

/** Everything is allowed until it is denied. */
export class Permissions {
  private denied: { action: S3Action; on: DeniedResource }[] = []

  /** Returns what takes the denial back. */
  deny(action: S3Action, on: DeniedResource = {}): () => void {
    const entry = { action, on }
    this.denied.push(entry)
    return () => {
      this.denied = this.denied.filter((other) => other !== entry)
    }
  }

  allows(action: S3Action, bucket: string, keyOrPrefix: string): boolean {
    return !this.denied.some(
      (entry) =>
        entry.action === action &&
        (entry.on.bucket === undefined || entry.on.bucket === bucket) &&
        keyOrPrefix.startsWith(entry.on.prefix ?? ''),
    )
  }

  require(action: S3Action, bucket: string, keyOrPrefix: string): void {
    if (!this.allows(action, bucket, keyOrPrefix)) throw new S3Error('AccessDenied')
  }
}
