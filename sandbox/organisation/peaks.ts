import { type Act, DAY_MS, type Draft, HOUR_MS, type World } from './drafts.ts'
import {
  ARCHIVE_FROM,
  ARCHIVE_TO,
  type Bucket,
  CROWN_JEWELS,
  DEPARTMENT_BUCKETS,
  objectBytes,
  objectKey,
  RELEASES,
} from './estate.ts'
import { callOf } from './ordinary.ts'
import type { Person, Role } from './people.ts'
import { ELSEWHERE, homeAddress, zoneOffsetMs } from './places.ts'
import { hashOf, Random } from './random.ts'

/** Days that stand out: the innocent ones, and the nights of the person who takes data. */
export function* peaksOf(world: World, day: number): Generator<Draft> {
  const { migration, release, handover } = world.calendar
  for (const [index, role] of world.cast) {
    if (role === 'migrating' && day === migration.getTime()) yield* officeDay(world, index, day, MIGRATED, MIGRATE)
    if (role === 'releasing' && day === release.getTime()) yield* officeDay(world, index, day, RELEASED, FETCH_RELEASE)
    if (role === 'leaver-handing-over' && day === handover.getTime())
      yield* officeDay(world, index, day, HANDED_OVER, HAND_OVER)
    if (role === 'leaver-taking') yield* nights(world, index, day)
  }
}

const MIGRATED = 2_400
const RELEASED = 110
/** Enough to be seen, too little for an alert. */
const HANDED_OVER = 105

function* officeDay(world: World, person: number, day: number, count: number, act: Act): Generator<Draft> {
  const random = new Random(world.seed, hashOf('peak'), person, Math.floor(day / DAY_MS))
  const who = world.person(person)
  const opens = day + 9 * HOUR_MS - zoneOffsetMs(who.zone, day)
  for (let number = 0; number < count; number += 1) {
    const at = opens + Math.floor(((number + random.unit()) / count) * 8 * HOUR_MS)
    yield { at, account: peakBucket(act, who).account, number, person, act }
  }
}

const peakBucket = (act: Act, person: Person): Bucket =>
  act === MIGRATE ? ARCHIVE_TO : act === FETCH_RELEASE ? RELEASES : (DEPARTMENT_BUCKETS[person.department][0] as Bucket)

const MIGRATE: Act = {
  id: 11,
  call(world, draft, random) {
    const key = objectKey(ARCHIVE_FROM, draft.number)
    const call = { ...callOf(world, draft, ARCHIVE_TO), key }
    if (draft.number % 3 === 2) return { ...call, bytesOut: 4 * objectBytes(ARCHIVE_TO, random) }
    const parameters = { 'x-amz-copy-source': `${ARCHIVE_FROM.name}/${key}` }
    return { ...call, name: 'CopyObject', readOnly: false, parameters, bytesOut: 240 }
  },
}

const FETCH_RELEASE: Act = {
  id: 12,
  call: (world, draft, random) => ({
    ...callOf(world, draft, RELEASES),
    key: objectKey(RELEASES, draft.number),
    bytesOut: objectBytes(RELEASES, random),
  }),
}

const HAND_OVER: Act = {
  id: 13,
  call(world, draft, random) {
    const bucket = peakBucket(HAND_OVER, world.person(draft.person))
    return {
      ...callOf(world, draft, bucket),
      key: objectKey(bucket, draft.number * 7),
      bytesOut: objectBytes(bucket, random),
    }
  },
}

/** One night: relative to the day of notice; what is done, how often, and from where. */
interface Night {
  dayAfterNotice: number
  steps: readonly { act: Act; count: number }[]
}

/** After 22:00 and before 04:00 UTC, which is night in Germany too. */
const NIGHT_FROM_HOUR = 22
const NIGHT_HOURS = 6

/** The n-th object of a night: bucket after bucket, never the same object twice. */
const loot = (draft: Draft, buckets: readonly Bucket[]): { bucket: Bucket; key: string } => {
  const bucket = buckets[draft.number % buckets.length] as Bucket
  return { bucket, key: objectKey(bucket, Math.floor(draft.number / buckets.length)) }
}

const DESIGNS = CROWN_JEWELS[0]
const elsewhere = (draft: Draft): string => homeAddress(ELSEWHERE, draft.person)

/** Buckets of other departments are listed first, to see what there is. */
const LOOK_AROUND: Act = {
  id: 21,
  call: (world, draft) => ({
    ...callOf(world, draft, lookedAt(world, draft)),
    name: 'ListObjects',
    parameters: { 'list-type': '2', prefix: '' },
  }),
}
const lookedAt = (world: World, draft: Draft): Bucket => {
  const own = world.person(draft.person).department
  const others = Object.entries(DEPARTMENT_BUCKETS).flatMap(([department, [bucket]]) =>
    department === own || !bucket ? [] : [bucket],
  )
  return [...CROWN_JEWELS.slice(0, 2), ...others][draft.number % (2 + others.length)] as Bucket
}
const READ_HERE: Act = {
  id: 22,
  call(world, draft, random) {
    const { bucket, key } = loot(draft, CROWN_JEWELS.slice(0, 2))
    return { ...callOf(world, draft, bucket), key, bytesOut: 2 * objectBytes(bucket, random) }
  },
}
const READ_ABROAD: Act = {
  id: 23,
  call(world, draft, random) {
    const { bucket, key } = loot({ ...draft, number: draft.number + 2_000 }, CROWN_JEWELS)
    return { ...callOf(world, draft, bucket, elsewhere(draft)), key, bytesOut: 2 * objectBytes(bucket, random) }
  },
}
const READ_MORE: Act = {
  id: 24,
  call(world, draft, random) {
    const { bucket, key } = loot({ ...draft, number: draft.number + 6_000 }, CROWN_JEWELS)
    return { ...callOf(world, draft, bucket, elsewhere(draft)), key, bytesOut: 2 * objectBytes(bucket, random) }
  },
}
/** Straight into a bucket of another organisation: the record names whose it is. */
const COPY_OUT: Act = {
  id: 25,
  call(world, draft) {
    const { bucket, key } = loot(draft, [DESIGNS])
    const [target, arn] = ['nimbus-transfer-7731', 'arn:aws:s3:::nimbus-transfer-7731']
    return {
      ...callOf(world, draft, bucket, elsewhere(draft)),
      name: 'CopyObject',
      readOnly: false,
      key,
      parameters: {
        bucketName: target,
        Host: `${target}.s3.${world.region}.amazonaws.com`,
        'x-amz-copy-source': `${bucket.name}/${key}`,
      },
      bytesOut: 240,
      resources: [
        { type: 'AWS::S3::Object', ARN: `${arn}/${key}` },
        { accountId: world.foreignAccount, type: 'AWS::S3::Bucket', ARN: arn },
      ],
    }
  },
}
const SHARE: Act = {
  id: 26,
  call: (world, draft) => ({
    ...callOf(world, draft, DESIGNS, elsewhere(draft)),
    name: 'PutBucketPolicy',
    readOnly: false,
    management: true,
    parameters: {
      policy: '',
      bucketPolicy: {
        Version: '2012-10-17',
        Statement: [
          {
            Sid: 'Transfer',
            Effect: 'Allow',
            Principal: { AWS: `arn:aws:iam::${world.foreignAccount}:root` },
            Action: ['s3:GetObject', 's3:ListBucket'],
            Resource: [`arn:aws:s3:::${DESIGNS.name}`, `arn:aws:s3:::${DESIGNS.name}/*`],
          },
        ],
      },
    },
  }),
}
const DELETE: Act = {
  id: 27,
  call(world, draft) {
    const bucket = DEPARTMENT_BUCKETS[world.person(draft.person).department][0] as Bucket
    return {
      ...callOf(world, draft, bucket),
      name: 'DeleteObject',
      readOnly: false,
      key: objectKey(bucket, draft.number * 3),
    }
  },
}

const NIGHTS: readonly Night[] = [
  {
    dayAfterNotice: -1,
    steps: [
      { act: LOOK_AROUND, count: 9 },
      { act: READ_HERE, count: 640 },
    ],
  },
  { dayAfterNotice: 1, steps: [{ act: READ_ABROAD, count: 900 }] },
  {
    dayAfterNotice: 3,
    steps: [
      { act: SHARE, count: 1 },
      { act: COPY_OUT, count: 60 },
      { act: READ_MORE, count: 700 },
    ],
  },
  { dayAfterNotice: 5, steps: [{ act: DELETE, count: 260 }] },
]

function bucketOf(world: World, draft: Draft): Bucket {
  if (draft.act === LOOK_AROUND) return lookedAt(world, draft)
  if (draft.act === READ_HERE) return loot(draft, CROWN_JEWELS.slice(0, 2)).bucket
  if (draft.act === READ_ABROAD) return loot({ ...draft, number: draft.number + 2_000 }, CROWN_JEWELS).bucket
  if (draft.act === READ_MORE) return loot({ ...draft, number: draft.number + 6_000 }, CROWN_JEWELS).bucket
  if (draft.act === DELETE) return DEPARTMENT_BUCKETS[world.person(draft.person).department][0] as Bucket
  return DESIGNS
}

/** The first step takes minutes, the rest spread over the night. */
function* nights(world: World, person: number, day: number): Generator<Draft> {
  for (const { dayAfterNotice, steps } of NIGHTS) {
    if (day !== world.calendar.notice.getTime() + dayAfterNotice * DAY_MS) continue
    const random = new Random(world.seed, hashOf('night'), person, Math.floor(day / DAY_MS))
    const from = day + NIGHT_FROM_HOUR * HOUR_MS
    for (const { act, count } of steps) {
      const spread = count < 10 ? HOUR_MS / 4 : NIGHT_HOURS * HOUR_MS
      for (let number = 0; number < count; number += 1) {
        const draft = {
          at: from + Math.floor(((number + random.unit()) / count) * spread),
          account: 0,
          number,
          person,
          act,
        }
        yield { ...draft, account: bucketOf(world, draft).account }
      }
    }
  }
}

/** Parts whose people give notice. */
export const isLeaver = (role: Role): boolean => role.startsWith('leaver-')
