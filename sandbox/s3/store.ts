import { createHash } from 'node:crypto'
import type { VirtualClock } from '../clock.ts'
import { S3Error } from './errors.ts'

/** Amazon S3's limit on the UTF-8 length of a key. */
export const MAX_KEY_BYTES = 1024

export interface StoredObject {
  key: string
  body: Buffer
  /** MD5 in hex, without the quotes of the header. */
  etag: string
  lastModified: Date
  /** Neither listed nor readable before this instant. */
  availableAt: Date
  storageClass: string
  /** Headers that come back as they were given: content-type, content-encoding, x-amz-meta-*, x-amz-checksum-*. */
  headers: Record<string, string>
}

export interface PutOptions {
  /** Default: now by the stand-in's clock. Kept to the second, as S3 does. */
  lastModified?: Date | string
  /** Default: at once. */
  availableAt?: Date | string
  storageClass?: string
  headers?: Record<string, string>
}

interface Slot {
  key: string
  bytes: Buffer
  /** In the order they were put: the last one that is available is the object. */
  versions: StoredObject[]
}

export class Bucket {
  readonly name: string
  readonly region: string
  readonly createdAt: Date
  private readonly clock: VirtualClock
  private readonly slots = new Map<string, Slot>()
  private sorted: Slot[] | undefined

  constructor(name: string, region: string, clock: VirtualClock) {
    this.name = name
    this.region = region
    this.clock = clock
    this.createdAt = toSecond(clock.now())
  }

  put(key: string, body: Buffer, options: PutOptions = {}): StoredObject {
    const bytes = Buffer.from(key, 'utf8')
    if (bytes.length === 0) throw new S3Error('InvalidArgument', { message: 'A key must not be empty' })
    if (bytes.length > MAX_KEY_BYTES) {
      throw new S3Error('KeyTooLongError', {
        elements: { Size: String(bytes.length), MaxSizeAllowed: `${MAX_KEY_BYTES}` },
      })
    }
    const object: StoredObject = {
      key,
      body,
      etag: createHash('md5').update(body).digest('hex'),
      lastModified: toSecond(dateOf(options.lastModified, this.clock.now())),
      availableAt: dateOf(options.availableAt, new Date(0)),
      storageClass: options.storageClass ?? 'STANDARD',
      headers: options.headers ?? {},
    }
    let slot = this.slots.get(key)
    if (slot === undefined) {
      slot = { key, bytes, versions: [] }
      this.slots.set(key, slot)
      this.sorted = undefined
    }
    slot.versions.push(object)
    return object
  }

  get(key: string): StoredObject | undefined {
    return this.visible(this.slots.get(key))
  }

  /** Deletes what there is and what was still to come. False where there was nothing. */
  remove(key: string): boolean {
    this.sorted = undefined
    return this.slots.delete(key)
  }

  /** Deletes what a client can see; what is still to come stays so. */
  removeVisible(key: string): void {
    const slot = this.slots.get(key)
    const now = this.clock.now()
    if (slot !== undefined) slot.versions = slot.versions.filter((version) => version.availableAt > now)
  }

  /** Available objects in the order of their keys' UTF-8 bytes, from the first key that is greater than (or equal to) `from`. */
  *after(from: string, inclusive: boolean): Generator<StoredObject> {
    this.sorted ??= [...this.slots.values()].sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    const sorted = this.sorted
    const bound = Buffer.from(from, 'utf8')
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = Buffer.compare((sorted[middle] as Slot).bytes, bound)
      if (order < 0 || (order === 0 && !inclusive)) low = middle + 1
      else high = middle
    }
    for (let at = low; at < sorted.length; at++) {
      const object = this.visible(sorted[at])
      if (object !== undefined) yield object
    }
  }

  private visible(slot: Slot | undefined): StoredObject | undefined {
    const now = this.clock.now()
    return slot?.versions.findLast((version) => version.availableAt <= now)
  }
}

const toSecond = (at: Date) => new Date(Math.floor(at.getTime() / 1000) * 1000)

function dateOf(value: Date | string | undefined, otherwise: Date): Date {
  if (value === undefined) return otherwise
  const at = new Date(value)
  if (Number.isNaN(at.getTime())) throw new RangeError('put: not a date')
  return at
}
