import { isAppError } from '../../domain/errors.ts'
import type { Page, RangeInput, ReadInput, SourceRecord } from '../connector.ts'
import { instantOf } from '../instants.ts'
import { isObject, text } from '../values.ts'
import { type EventLog, FILE_FIELDS, openEventLog, type RecordsPage } from './client.ts'
import { INTERVALS, type SalesforceConfig } from './config.ts'
import { type LogFile, readLogFile } from './log-file.ts'
import { usersOf } from './users.ts'

/** A file may show up so long after those of its time, in rare cases. */
export const OVERLAP_SECONDS = 3 * 86_400
export const REACH_DAYS = 30
/** Files that a position holds at most. */
const PENDING_AT_MOST = 200
const DAY_MS = 86_400_000
const ORIGIN = 'salesforce event log files'

/** The files that one query finds, read one by one. */
interface Walk {
  /** Of those listed, the ones still to be read, in order. Kept, so that whoever resumes meets the very same file first. */
  pending: LogFile[]
  /** The file just read, until it is part of the seen-set. */
  read: string | null
  /** Where the next page of the list is; null at its end. */
  next: string | null
  /** False until everything was listed. */
  listed: boolean
  /** Up to where the list came; what is listed anew begins there. */
  reached: string | null
}

interface Position {
  v: 1
  /** `CreatedDate` of the newest file that was listed. */
  createdAt: string
  walk: Walk | null
}

const newWalk = (): Walk => ({ pending: [], read: null, next: null, listed: false, reached: null })

/** The files that became readable since the last time, and within the overlap before it, unless they were read. */
export async function* read(input: ReadInput<SalesforceConfig>): AsyncGenerator<Page> {
  const { config, until } = input
  const position = (input.position as unknown as Position | null) ?? begin(config, until)
  position.walk ??= newWalk()
  const { walk, createdAt } = position
  const from = new Date(Date.parse(createdAt) - OVERLAP_SECONDS * 1000).toISOString()
  const list = (reached: string | null) => soql(config, [`CreatedDate>=${reached ?? from}`], 'CreatedDate')
  const after = () => structuredClone(position) as unknown as Page['after']

  for await (const page of filesOf(input, walk, list, ({ createdAt: at }) => at)) {
    if (walk.reached !== null && walk.reached > position.createdAt) position.createdAt = walk.reached
    yield { ...page, after: after() }
  }
  position.walk = null
  yield { origin: ORIGIN, records: [], after: after() }
}

/** The files of the hours or days that begin within the range. */
export async function* readRange(input: RangeInput<SalesforceConfig>): AsyncGenerator<Page> {
  const { config, from, to } = input
  const walk = (input.position as unknown as { walk: Walk } | null)?.walk ?? newWalk()
  const list = (reached: string | null) =>
    soql(config, [`LogDate>=${reached ?? from.toISOString()}`, `LogDate<${to.toISOString()}`], 'LogDate')
  for await (const page of filesOf(input, walk, list, ({ logDate }) => logDate)) {
    yield { ...page, after: { v: 1, walk: structuredClone(walk) } }
  }
}

/** A first import looks back as far as it is set to; the overlap is taken off again. */
const begin = ({ startDaysBack }: SalesforceConfig, until: Date): Position => ({
  v: 1,
  createdAt: new Date(until.getTime() - startDaysBack * DAY_MS + OVERLAP_SECONDS * 1000).toISOString(),
  walk: null,
})

/** Dates stand bare in a query, texts in quotes. The settings allow nothing that would end one. */
function soql(
  { interval, eventTypes, leaveOut }: SalesforceConfig,
  conditions: readonly string[],
  order: 'CreatedDate' | 'LogDate',
): string {
  const names = (types: readonly string[]) => `(${types.map((type) => `'${type}'`).join(',')})`
  const types =
    eventTypes.length > 0
      ? [`EventType IN ${names(eventTypes)}`]
      : leaveOut.length > 0
        ? [`EventType NOT IN ${names(leaveOut)}`]
        : []
  const where = [`Interval='${INTERVALS[interval]}'`, ...conditions, ...types].join(' AND ')
  return `SELECT ${FILE_FIELDS.join(',')} FROM EventLogFile WHERE ${where} ORDER BY ${order} ASC,Id ASC`
}

type Step = Omit<Page, 'after'>

/** Lists and reads; `walk` is up to date with each page that is handed out. */
async function* filesOf(
  input: Pick<ReadInput<SalesforceConfig>, 'config' | 'access' | 'signal' | 'seen'>,
  walk: Walk,
  list: (reached: string | null) => string,
  orderOf: (file: LogFile) => string,
): AsyncGenerator<Step> {
  const log = openEventLog(input)
  /** Files that this run has read: the seen-set knows them only once they are stored. */
  const met = new Set<string>()
  for (;;) {
    if (walk.read !== null) {
      met.add(walk.read)
      // A page of its own: one with keys is held in memory whole, and a file may be larger than that.
      const seenKeys = [walk.read]
      walk.read = null
      yield { origin: ORIGIN, records: [], seenKeys }
    }
    const file = walk.pending[0]
    if (file) {
      const records = await rowsOf(log, file, input)
      walk.pending.shift()
      walk.read = file.id
      yield { origin: `${ORIGIN}: ${file.type} ${file.id}`, records }
    } else if (walk.listed) return
    else {
      const odd = await listMore(log, walk, { list, orderOf, seen: input.seen, met })
      yield { origin: ORIGIN, records: odd }
    }
  }
}

async function rowsOf(
  log: EventLog,
  file: LogFile,
  { access }: Pick<ReadInput<SalesforceConfig>, 'access'>,
): Promise<Page['records']> {
  const bytes = await log.open(file)
  if (bytes) return readLogFile(bytes, file, usersOf(access), log.users)
  // It has aged out since it was listed: a gap that can be seen.
  return [
    { line: 1, record: { file }, unreadable: { type: 'rejected', code: 'object_damaged', expected: 'a log file' } },
  ]
}

interface Listing {
  list: (reached: string | null) => string
  orderOf: (file: LogFile) => string
  seen: ReadInput<SalesforceConfig>['seen']
  met: ReadonlySet<string>
}

/** The next page of the list; what of it cannot be read is handed back as records. */
async function listMore(log: EventLog, walk: Walk, { list, orderOf, seen, met }: Listing): Promise<SourceRecord[]> {
  const { records, next } = await pageOf(log, walk, list)
  const files = records.map(fileOf)
  const found = files.filter((file): file is LogFile => file !== undefined)
  const known = await seen(found.map(({ id }) => id))
  const unread = found.filter(({ id }) => !known.has(id) && !met.has(id))
  const last = unread.length > PENDING_AT_MOST ? unread[PENDING_AT_MOST - 1] : found.at(-1)
  walk.pending = unread.slice(0, PENDING_AT_MOST)
  // A place in a list is forgotten while files are read: with so many of them it is listed anew behind these.
  walk.next = unread.length > PENDING_AT_MOST ? null : next
  walk.listed = unread.length <= PENDING_AT_MOST && next === null
  if (last) walk.reached = orderOf(last)
  return records.flatMap((record, index) => (files[index] ? [] : [unlisted(record, index)]))
}

async function pageOf(log: EventLog, walk: Walk, list: Listing['list']): Promise<RecordsPage> {
  if (walk.next !== null) {
    try {
      return await log.goOn(walk.next)
    } catch (error) {
      if (!isAppError(error) || error.code !== 'source_cursor_lost') throw error
    }
  }
  return log.query(list(walk.reached))
}

function fileOf(record: unknown): LogFile | undefined {
  if (!isObject(record)) return undefined
  const [id, type, interval] = [record['Id'], record['EventType'], record['Interval']].map(text)
  const [logDate, createdAt] = [record['LogDate'], record['CreatedDate']].map((value) => instantOf(value))
  if (!id || !/^\w+$/.test(id) || !type || !interval || !logDate || !createdAt) return undefined
  return { id, type, interval, logDate: logDate.toISOString(), createdAt: createdAt.toISOString() }
}

const unlisted = (record: unknown, index: number): SourceRecord => ({
  line: index + 1,
  record: { file: record },
  unreadable: { type: 'rejected', code: 'field_invalid', expected: 'a listed log file' },
})
