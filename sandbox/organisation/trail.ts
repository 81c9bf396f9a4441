import { gzipSync } from 'node:zlib'
import { DAY_MS, type Draft, HOUR_MS, randomOf, type World } from './drafts.ts'
import { LOG_WRITE, personDay, serviceDay } from './ordinary.ts'
import { peaksOf } from './peaks.ts'
import { ALPHANUMERIC, hashOf, Random } from './random.ts'
import { cloudTrailRecord } from './records.ts'

/** What an import must report: received = stored + duplicate + quarantined + ignored. */
export interface Balance {
  received: number
  stored: number
  duplicate: number
  quarantined: number
  ignored: number
}

export interface TrailObject {
  key: string
  /** A gzip file of `{"Records":[…]}`, except where it is damaged. */
  body: Buffer
  lastModified: Date
  /** What this object adds to the balance when all objects before it are read already. */
  expected: Balance
}

/**
 * How a planned event is written. `copy` is a second delivery to the other account under the same shared id; `repeat`
 * the very same record again; `addendum` a correction under an id of its own; `novel` holds what no reader knows yet.
 */
type Form = 'plain' | 'repeat' | 'shared' | 'copy' | 'addendum' | 'novel'
interface Entry {
  draft: Draft
  form: Form
}
interface File {
  account: number
  deliveredAt: number
  entries: Entry[]
  damaged: boolean
}

/** CloudTrail writes about every five minutes; fewer, larger objects keep a story quick to import. */
const WINDOW_MS = 2 * HOUR_MS
const RECORDS_PER_FILE = 2_000
/** Events younger than this are not delivered yet. */
const LAG_MS = 15 * 60_000
/** One record in so many is delivered twice. */
const REPEAT_EVERY = 1_500

/** Day of the story → what goes wrong then. */
const LATE = new Map([
  [5, { window: 4, account: 0, byMs: 9 * HOUR_MS }],
  // The window of the backup, which runs at weekends too.
  [12, { window: 0, account: 1, byMs: 26 * HOUR_MS }],
])
const NOVEL_DAY = 7
const ADDENDUM_DAY = 8
const SHARED_DAY = 9
const SHARED_EVENTS = 3
const DAMAGED = { day: 10, window: 6, records: 20 }

/** Everything of one UTC day, sorted; what reaches into the next day is carried over. Holds a day, never more. */
function* daysOf(world: World): Generator<{ number: number; start: number; drafts: Draft[] }> {
  const { from, until } = world.calendar
  const last = until.getTime() - LAG_MS
  let carried: Draft[] = []
  for (let start = from.getTime(), number = 0; start <= last; start += DAY_MS, number += 1) {
    const drafts = carried
    carried = []
    const add = (planned: Iterable<Draft>): void => {
      for (const draft of planned) {
        if (draft.at < start || draft.at > last) continue
        ;(draft.at < start + DAY_MS ? drafts : carried).push(draft)
      }
    }
    for (let index = 0; index < world.people; index += 1) add(personDay(world, index, start))
    add(serviceDay(world, start))
    add(peaksOf(world, start))
    drafts.sort((a, b) => a.at - b.at || a.act.id - b.act.id || a.person - b.person || a.number - b.number)
    yield { number, start, drafts }
  }
}

/** Objects in the order of their delivery, planned but not written. */
function* filesOf(world: World): Generator<File> {
  const random = new Random(world.seed, hashOf('delivery'))
  const end = world.calendar.until.getTime()
  let held: File[] = []
  const again: Entry[][] = world.accounts.map(() => [])
  const corrections: Entry[] = []
  let count = 0
  for (const day of daysOf(world)) {
    const entries = withPeculiarities(day, corrections)
    for (let window = 0, at = 0; window < DAY_MS / WINDOW_MS && day.start + window * WINDOW_MS < end; window += 1) {
      const closes = day.start + (window + 1) * WINDOW_MS
      const perAccount: Entry[][] = world.accounts.map((_, account) => again[account]?.splice(0) ?? [])
      for (; at < entries.length && (entries[at] as Entry).draft.at < closes; at += 1) {
        const entry = entries[at] as Entry
        count += 1
        perAccount[accountOf(entry)]?.push(entry)
        if (entry.form === 'plain' && count % REPEAT_EVERY === REPEAT_EVERY / 2)
          again[accountOf(entry)]?.push({ ...entry, form: 'repeat' })
      }
      const ready: File[] = []
      for (const [account, all] of perAccount.entries()) {
        const late = LATE.get(day.number)
        const isLate = late?.window === window && late.account === account
        const deliveredAt = Math.min(closes + random.whole(2, 9) * 60_000 + random.whole(0, 60_000), end)
        for (let from = 0; from < all.length; from += RECORDS_PER_FILE) {
          const file = { account, deliveredAt, entries: all.slice(from, from + RECORDS_PER_FILE), damaged: false }
          if (isLate) held.push({ ...file, deliveredAt: Math.min(deliveredAt + late.byMs, end) })
          else ready.push(file)
        }
        if (account === 0 && day.number === DAMAGED.day && window === DAMAGED.window)
          ready.push(damagedFile(day.start, deliveredAt))
      }
      const due = (file: File): boolean => file.deliveredAt <= closes + WINDOW_MS
      ready.push(...held.filter(due))
      held = held.filter((file) => !due(file))
      yield* ready.sort((a, b) => a.deliveredAt - b.deliveredAt || a.account - b.account)
    }
  }
  yield* held
  for (const [account, entries] of again.entries())
    if (entries.length > 0) yield { account, deliveredAt: end, entries, damaged: false }
}

const accountOf = ({ draft, form }: Entry): number => (form === 'copy' ? 1 - draft.account : draft.account)

/** A day's events with those that real trails have now and then. */
function withPeculiarities(
  { number, start, drafts }: { number: number; start: number; drafts: Draft[] },
  corrections: Entry[],
): Entry[] {
  const entries: Entry[] = drafts.map((draft) => ({ draft, form: 'plain' }))
  // On a quiet day nobody but machines may have worked.
  const byPeople = entries.filter(({ draft }) => draft.person >= 0)
  const people = byPeople.length >= SHARED_EVENTS ? byPeople : [...entries]
  if (number === NOVEL_DAY && people[0]) people[0].form = 'novel'
  if (number === SHARED_DAY) {
    for (const entry of people.slice(0, SHARED_EVENTS)) {
      entry.form = 'shared'
      entries.push({ draft: entry.draft, form: 'copy' })
    }
  }
  if (number === ADDENDUM_DAY && people[0]) corrections.push({ draft: people[0].draft, form: 'addendum' })
  if (number === ADDENDUM_DAY + 1) {
    // The correction carries the instant of what it corrects, so it goes first into the next day's first object.
    entries.unshift(...corrections.splice(0))
  }
  return entries.sort((a, b) => Math.max(a.draft.at, start) - Math.max(b.draft.at, start))
}

const damagedFile = (start: number, deliveredAt: number): File => ({
  account: 0,
  deliveredAt: deliveredAt + 60_000,
  damaged: true,
  entries: Array.from({ length: DAMAGED.records }, (_, number) => ({
    draft: {
      at: start + DAMAGED.window * WINDOW_MS + number * 1_000,
      account: 0,
      number: 9_000 + number,
      person: -1,
      act: LOG_WRITE,
    },
    form: 'plain',
  })),
})

function balanceOf({ entries, damaged }: File): Balance {
  if (damaged) return { received: 1, stored: 0, duplicate: 0, quarantined: 1, ignored: 0 }
  const duplicate = entries.filter(({ form }) => form === 'repeat' || form === 'copy').length
  return { received: entries.length, stored: entries.length - duplicate, duplicate, quarantined: 0, ignored: 0 }
}

/** The balance of the whole trail, from the plan alone: nothing is written. */
export function trailBalance(world: World): Balance & { objects: number } {
  const sum = { objects: 0, received: 0, stored: 0, duplicate: 0, quarantined: 0, ignored: 0 }
  for (const file of filesOf(world)) {
    const part = balanceOf(file)
    sum.objects += 1
    for (const name of ['received', 'stored', 'duplicate', 'quarantined', 'ignored'] as const) sum[name] += part[name]
  }
  return sum
}

/** The objects of the log bucket. Source of the key's form: CloudTrail user guide, "Finding your CloudTrail log files". */
export function* trailObjects(world: World, organisationId?: string): Generator<TrailObject> {
  let number = 0
  for (const file of filesOf(world)) {
    const random = new Random(world.seed, hashOf('object'), number)
    number += 1
    const account = world.accounts[file.account] as string
    const stamp = new Date(file.deliveredAt).toISOString()
    const name = `${account}_CloudTrail_${world.region}_${stamp.slice(0, 16).replaceAll(/[-:]/g, '')}Z_${random.text(16, ALPHANUMERIC)}.json.gz`
    const folder = `AWSLogs/${organisationId ? `${organisationId}/` : ''}${account}/CloudTrail/${world.region}/${stamp.slice(0, 10).replaceAll('-', '/')}`
    const body = gzipSync(JSON.stringify({ Records: file.entries.map((entry) => recordOf(world, entry)) }), {
      level: 1,
    })
    yield {
      key: `${folder}/${name}`,
      body: file.damaged ? body.subarray(0, Math.floor(body.length * 0.6)) : body,
      lastModified: new Date(Math.floor(file.deliveredAt / 1000) * 1000),
      expected: balanceOf(file),
    }
  }
}

function recordOf(world: World, entry: Entry): Record<string, unknown> {
  const { draft, form } = entry
  const random = randomOf(world, draft)
  const call = draft.act.call(world, draft, random)
  const record = cloudTrailRecord(call, world.accounts, random)
  const other = randomOf(world, draft, 1)
  const ownId = other.uuid()
  switch (form) {
    case 'plain':
    case 'repeat':
      return record
    case 'shared':
      return { ...record, sharedEventID: ownId }
    case 'copy':
      return {
        ...record,
        sharedEventID: ownId,
        eventID: other.uuid(),
        recipientAccountId: world.accounts[accountOf(entry)],
      }
    case 'addendum': {
      const { additionalEventData, requestID, eventID } = record as {
        additionalEventData: object
        requestID: string
        eventID: string
      }
      return {
        ...record,
        eventID: ownId,
        additionalEventData: { ...additionalEventData, bytesTransferredOut: (call.bytesOut ?? 0) + 4_096 },
        addendum: {
          reason: 'UPDATED_DATA',
          updatedFields: 'additionalEventData.bytesTransferredOut',
          originalRequestID: requestID,
          originalEventID: eventID,
        },
      }
    }
    case 'novel':
      return {
        ...record,
        eventVersion: '1.19',
        eventName: 'TransposeObject',
        transposition: { axes: ['x', 'y'], lossless: true },
        readOnly: false,
      }
  }
}
