import { startS3 } from '../../sandbox/s3.ts'
import type { Installation } from '../crash/installation.ts'
import { insertConnector } from '../harness/rows.ts'
import { DAY_MS, deliver, trailRecord, trailSettings } from '../harness/trail.ts'

const FILES_A_DAY = 3
const PER_FILE = 40
/** Records of a file that happened on the day before the one on which they were delivered. */
const LATE_IN_FILE = 4
const PEOPLE = 25
/** Files that arrive on the days before yesterday, after these were read, each of so many records. */
const LATE_FILES = 4
/** Days back, of the oldest on which they arrive. */
export const LATE_DAYS_BACK = 3
const LIVE_FILES = 8
const PER_ARRIVAL = 10
/** What the live import begins with: the newest days, at which the backfill begins too. */
const LIVE_DAYS = 10

/** What has arrived at the source, by who did it and on which UTC day. */
export type Arrived = Map<string, number>

export interface YearSource extends AsyncDisposable {
  connectorId: string
  from: Date
  to: Date
  arrived: Arrived
  /** Records of files that came too late for the first reading of their day. */
  late: number
  /**
   * Lets arrive what is due when this share of the days has been read, what is late only once the newest of them are done;
   * true where something did.
   */
  arrive(share: number, newestDone: boolean): boolean
}

/** A trail that holds so many whole days, and gets further files while it is read; the same for everybody but for the names. */
export async function yearOf(
  who: string,
  days: number,
  midnight: Date,
  { t }: Pick<Installation, 't'>,
): Promise<YearSource> {
  const s3 = await startS3()
  const arrived: Arrived = new Map()
  let made = 0
  const record = (at: Date) => {
    const person = `user${made % PEOPLE}`
    made += 1
    const of = `${person} ${at.toISOString().slice(0, 10)}`
    arrived.set(of, (arrived.get(of) ?? 0) + 1)
    return trailRecord({ user: `${person}@${who}.example`, at, key: `plans/${made}.pdf`, bytes: 1_000 * (made % 90) })
  }
  const records = (length: number, at: (index: number) => Date) =>
    Array.from({ length }, (_, index) => record(at(index)))
  const day = (back: number, hours: number): Date =>
    new Date(midnight.getTime() - back * DAY_MS + hours * (DAY_MS / 24))

  for (let back = days; back >= 1; back -= 1) {
    for (let file = 0; file < FILES_A_DAY; file += 1) {
      const delivered = day(back, 2 + file * 8)
      // Nothing happened before the first day.
      const late = back === days ? 0 : LATE_IN_FILE
      deliver(
        s3,
        delivered,
        records(PER_FILE, (index) => (index < late ? day(back + 1, 23) : day(back, 1 + file * 8))),
      )
    }
  }
  const due = [
    ...Array.from({ length: LATE_FILES }, (_, index) => ({
      share: 0.1 + (0.8 * index) / LATE_FILES,
      isLate: true,
      deliver: () =>
        deliver(
          s3,
          day(LATE_DAYS_BACK - (index % 2), 22),
          records(PER_ARRIVAL, () => day(LATE_DAYS_BACK - (index % 2), 20)),
        ),
    })),
    ...Array.from({ length: LIVE_FILES }, (_, index) => ({
      share: (0.9 * index) / LIVE_FILES,
      isLate: false,
      deliver: () =>
        deliver(
          s3,
          new Date(),
          records(PER_ARRIVAL, () => day(0, 0)),
        ),
    })),
  ]
  return {
    connectorId: await insertConnector(t, 'amazon-s3', trailSettings(s3.endpoint, { startDaysBack: LIVE_DAYS })),
    from: day(days, 0),
    to: midnight,
    arrived,
    late: LATE_FILES * PER_ARRIVAL,
    arrive(share, newestDone) {
      const now = due.filter(({ share: from, isLate }) => from <= share && (newestDone || !isLate))
      for (const each of now) {
        due.splice(due.indexOf(each), 1)
        each.deliver()
      }
      return now.length > 0
    },
    [Symbol.asyncDispose]: s3.close,
  }
}
