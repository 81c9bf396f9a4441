import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import type { Page, RangeInput, ReadInput, SourceRecord } from '../connector.ts'
import { type Bucket, openBucket } from './client.ts'
import type { S3Config } from './config.ts'

/** Inside one minute names sort at random, and deliveries may be late: so far back is listed again. */
export const OVERLAP_SECONDS = 2 * 3_600
/** Until so long after midnight the day before is listed too. */
const DAY_BEFORE_UNTIL_MS = 2 * 3_600_000
/** Once a day the last days are listed whole, for files later than the overlap. */
export const SWEEP_DAYS = 2
/** Inflated bytes of one object at most. */
const MAX_INFLATED_BYTES = 512 * 1024 * 1024
/** Objects whose keys are compared with the seen-set at once. */
const LOOK_AHEAD = 200
const DAY_MS = 86_400_000

interface Position {
  v: 1
  /** `account/region` → day and last key read there. */
  streams: Record<string, { day: string; lastKey: string }>
  /** Day of the last sweep. */
  sweptOn: string
}

const dayPath = (at: number): string => new Date(at).toISOString().slice(0, 10).replaceAll('-', '/')
const dayMs = (path: string): number => Date.parse(`${path.replaceAll('/', '-')}T00:00:00Z`)

/** One page per object, in key order per account and region. An object under the same key and tag is read once. */
export async function* read(input: ReadInput<S3Config>): AsyncGenerator<Page> {
  const { config, until } = input
  const bucket = openBucket(config, input.signal, input.access)
  const position: Position = (input.position as unknown as Position | null) ?? { v: 1, streams: {}, sweptOn: '' }
  const now = until.getTime()
  const sweep = position.sweptOn !== dayPath(now)
  try {
    for (const stream of await discover(bucket, config)) {
      const last = position.streams[stream.name]
      for await (const listed of unseen(input, bucket, listings(stream, last, now, sweep, config))) {
        const known = position.streams[stream.name]
        const day = listed.day
        // A late file must not move the cursor back.
        if (!known || listed.key > known.lastKey) position.streams[stream.name] = { day, lastKey: listed.key }
        const body = await fetchRecords(bucket, listed.key)
        yield {
          origin: `s3://${config.bucket}/${listed.key}`,
          ...(body.sha256 ? { sha256: body.sha256 } : {}),
          records: body.records,
          after: structuredClone(position) as unknown as Page['after'],
          seenKeys: [listed.seenKey],
        }
      }
    }
    if (sweep) {
      position.sweptOn = dayPath(now)
      yield {
        origin: `s3://${config.bucket}`,
        records: [],
        after: structuredClone(position) as unknown as Page['after'],
      }
    }
  } finally {
    bucket.close()
  }
}

/** The objects that were delivered on the UTC days of the range and that nobody has read yet. */
export async function* readRange(input: RangeInput<S3Config>): AsyncGenerator<Page> {
  const { config, from, to } = input
  const bucket = openBucket(config, input.signal, input.access, input.pace)
  try {
    for (const stream of await discover(bucket, config)) {
      for await (const { key, seenKey } of unseen(input, bucket, daysOf(stream, from, to))) {
        const body = await fetchRecords(bucket, key)
        yield {
          origin: `s3://${config.bucket}/${key}`,
          ...(body.sha256 ? { sha256: body.sha256 } : {}),
          records: body.records,
          // The seen-set knows what is stored; the position only shows how far the reading is.
          after: { v: 1, key },
          seenKeys: [seenKey],
        }
      }
    }
  } finally {
    bucket.close()
  }
}

function* daysOf(stream: Stream, from: Date, to: Date): Generator<Listing> {
  for (let at = dayMs(dayPath(from.getTime())); at < to.getTime(); at += DAY_MS) {
    const day = dayPath(at)
    yield { prefix: `${stream.prefix}${day}/`, day }
  }
}

interface Stream {
  name: string
  prefix: string
}

/** Accounts and regions under AWSLogs/, of plain and organisation trails; digests and insights are other folders. */
async function discover(bucket: Bucket, config: S3Config): Promise<Stream[]> {
  const root = `${config.prefix}${config.prefix === '' || config.prefix.endsWith('/') ? '' : '/'}AWSLogs/`
  const streams: Stream[] = []
  const accountsUnder = async (prefix: string) => {
    for (const name of await bucket.folders(prefix)) {
      if (/^o-[a-z0-9]{10,32}$/.test(name)) await accountsUnder(`${prefix}${name}/`)
      if (!/^\d{12}$/.test(name) || (config.accounts.length > 0 && !config.accounts.includes(name))) continue
      for (const region of await bucket.folders(`${prefix}${name}/CloudTrail/`)) {
        streams.push({ name: `${name}/${region}`, prefix: `${prefix}${name}/CloudTrail/${region}/` })
      }
    }
  }
  await accountsUnder(root)
  return streams.sort((a, b) => (a.prefix < b.prefix ? -1 : 1))
}

interface Listing {
  prefix: string
  startAfter?: string
  day: string
}

function* listings(
  stream: Stream,
  last: { day: string; lastKey: string } | undefined,
  now: number,
  sweep: boolean,
  config: S3Config,
): Generator<Listing> {
  const today = dayMs(dayPath(now))
  let from = last ? dayMs(last.day) : today - config.startDaysBack * DAY_MS
  if (last && now - today < DAY_BEFORE_UNTIL_MS) from = Math.min(from, today - DAY_MS)
  if (last && sweep) from = Math.min(from, today - SWEEP_DAYS * DAY_MS)
  for (let at = from; at <= today; at += DAY_MS) {
    const day = dayPath(at)
    const prefix = `${stream.prefix}${day}/`
    const startAfter = last && !sweep && last.day === day ? overlapStart(last.lastKey) : undefined
    yield { prefix, day, ...(startAfter ? { startAfter } : {}) }
  }
}

/** The key's name with its minute two hours earlier; undefined when that is the day before. */
function overlapStart(lastKey: string): string | undefined {
  const found = /^(.*_)(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})Z_[^/]*$/.exec(lastKey)
  if (!found) return undefined
  const [, head, y, m, d, hour, minute] = found
  const back = new Date(
    Date.UTC(Number(y), Number(m) - 1, Number(d), Number(hour), Number(minute)) - OVERLAP_SECONDS * 1000,
  )
  if (back.getUTCDate() !== Number(d)) return undefined
  return `${head}${back.toISOString().slice(0, 16).replaceAll(/[-:]/g, '')}Z`
}

async function* unseen(
  input: Pick<ReadInput<S3Config>, 'seen'>,
  bucket: Bucket,
  all: Generator<Listing>,
): AsyncGenerator<{ key: string; day: string; seenKey: string }> {
  for (const { prefix, startAfter, day } of all) {
    let batch: { key: string; day: string; seenKey: string }[] = []
    const fresh = async () => {
      const known = await input.seen(batch.map(({ seenKey }) => seenKey))
      const rest = batch.filter(({ seenKey }) => !known.has(seenKey))
      batch = []
      return rest
    }
    for await (const { key, etag } of bucket.list(prefix, startAfter)) {
      if (!key.endsWith('.json.gz') && !key.endsWith('.json')) continue
      batch.push({ key, day, seenKey: `${key}\u001f${etag}` })
      if (batch.length >= LOOK_AHEAD) yield* await fresh()
    }
    yield* await fresh()
  }
}

/** The records of an object; one that cannot be read even the second time is one unreadable record. */
async function fetchRecords(bucket: Bucket, key: string): Promise<{ sha256?: string; records: SourceRecord[] }> {
  for (let attempt = 1; ; attempt += 1) {
    const body = await bucket.get(key)
    if (body === null) return damaged(key, 'the object is gone, archived or too large')
    const records = parseObject(body)
    const sha256 = createHash('sha256').update(body).digest('hex')
    if (records) return { sha256, records: records.map((record, index) => ({ line: index + 1, record })) }
    if (attempt === 2) return { sha256, ...damaged(key, 'a gzip file of JSON with Records') }
  }
}

const damaged = (key: string, expected: string): { records: SourceRecord[] } => ({
  records: [{ line: 1, record: { key }, unreadable: { type: 'rejected', code: 'object_damaged', expected } }],
})

/** Null when the bytes are no CloudTrail file. */
export function parseObject(body: Buffer): unknown[] | null {
  try {
    const plain =
      body[0] === 0x1f && body[1] === 0x8b ? gunzipSync(body, { maxOutputLength: MAX_INFLATED_BYTES }) : body
    const document = JSON.parse(plain.toString()) as { Records?: unknown }
    return Array.isArray(document.Records) ? document.Records : null
  } catch {
    return null
  }
}
