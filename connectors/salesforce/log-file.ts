import { isAppError } from '../../domain/errors.ts'
import type { SourceRecord } from '../connector.ts'
import { Batches } from '../files/batches.ts'
import { type DelimitedFile, readDelimited } from '../files/delimited.ts'
import { unreadable } from '../http/refusal.ts'
import { longId } from './ids.ts'
import type { FindUsers, SalesforceUser, Users } from './users.ts'

/** One file of the event log: events of one type of one hour or day. */
export interface LogFile {
  id: string
  type: string
  interval: string
  /** Begin of the hour or day; ISO, milliseconds. */
  logDate: string
  /** When it could be read. */
  createdAt: string
}

/** A row with all that its mapping needs. Column names are in lower case. */
export interface LogRow {
  file: Pick<LogFile, 'id' | 'type' | 'interval'>
  row: Readonly<Record<string, string>>
  /** Who did it, where the organisation knows. *Personal*. */
  user?: SalesforceUser
  /** In whose name, where somebody logged in as another. *Personal*. */
  inNameOf?: SalesforceUser
}

const DOING = 'reading a log file'

/** The rows of a file as a stream, each with its user. Throws source_answer_invalid for what is no log file. */
export async function readLogFile(
  bytes: AsyncIterable<Uint8Array>,
  { id, type, interval }: LogFile,
  users: Users,
  find: FindUsers,
): Promise<Batches<LogRow>> {
  const { records } = await csv(bytes)
  const file = { id, type, interval }

  async function* runs() {
    for await (const run of records.runs()) {
      const rows = run.records as SourceRecord<LogRow['row']>[]
      const ids = rows.flatMap(({ record }) => [actorId(record), inNameOfId(record)])
      await users.know(new Set(ids.filter((each) => each !== undefined)), find)
      yield { ...run, records: rows.map(withUsers) }
    }
  }
  /** It is more than its text says, so where that stands is left out. */
  function withUsers({ line, record: row, unreadable }: SourceRecord<LogRow['row']>): SourceRecord<LogRow> {
    const [user, inNameOf] = [users.get(actorId(row)), users.get(inNameOfId(row))]
    const record = { file, row, ...(user ? { user } : {}), ...(inNameOf ? { inNameOf } : {}) }
    return { line, record, ...(unreadable ? { unreadable } : {}) }
  }
  return new Batches(runs())
}

async function csv(bytes: AsyncIterable<Uint8Array>): Promise<DelimitedFile> {
  try {
    return await readDelimited(bytes, { separator: ',', encoding: 'utf-8' }, checkColumns)
  } catch (error) {
    // An empty answer, or a page of somebody between: it is read again, not given up.
    if (isAppError(error) && error.code.startsWith('file_')) throw unreadable(DOING, 'a log file')
    throw error
  }
}

function checkColumns(header: readonly string[]): void {
  const columns = new Set(header.map((name) => name.toLowerCase()))
  if (!columns.has('event_type') || !(columns.has('timestamp') || columns.has('timestamp_derived')))
    throw unreadable(DOING, 'a log file')
}

const idOf = (row: LogRow['row'], column: string): string | undefined =>
  longId(row[`${column}_derived`] || row[column] || undefined)

/** Whoever logs in as another stands under `DELEGATED_USER_ID`, and the other one under `USER_ID`. */
export const actorId = (row: LogRow['row']): string | undefined =>
  idOf(row, 'delegated_user_id') ?? idOf(row, 'user_id') ?? idOf(row, 'actual_user_id')

export const inNameOfId = (row: LogRow['row']): string | undefined =>
  idOf(row, 'delegated_user_id') === undefined ? undefined : idOf(row, 'user_id')
