import type { Page, ReadInput } from '../connector.ts'
import { Refusal } from '../http/refusal.ts'
import { object } from '../values.ts'
import { type Directory, openDirectory, type UsersPage } from './client.ts'
import type { GraphUsersConfig } from './config.ts'

const ORIGIN = 'microsoft graph users'

interface Position {
  v: 1
  /** The next page of the round under way, or where the next round begins; null: with all users. */
  link: string | null
  /** When the round under way began; null between rounds. */
  began: string | null
  /** True while all users are read: what is told then is no change. */
  all: boolean
}

/** One thing that is told of a user: a record becomes one signal. */
export interface UserRecord {
  tells: 'profile' | 'leave' | 'account'
  user: unknown
  /** When it was read; the directory does not say when a user was removed. ISO. */
  readAt: string
}

/** All users at first, then what changed since; all again where the source no longer knows since when. */
export async function* read(input: ReadInput<GraphUsersConfig>): AsyncGenerator<Page> {
  const directory = openDirectory(input)
  const position: Position = {
    ...((input.position as unknown as Position | null) ?? { v: 1, link: null, began: null, all: true }),
  }
  position.began ??= input.until.toISOString()
  for (;;) {
    const { users, next, delta } = await pageAt(directory, position)
    const readAt = position.began ?? input.until.toISOString()
    const records = users.flatMap((user) => recordsOf(user, readAt, position.all))
    position.link = next ?? delta
    if (next === null) Object.assign(position, { began: null, all: delta === null })
    yield {
      origin: ORIGIN,
      records: records.map((record, index) => ({ line: index + 1, record })),
      after: { ...position },
      whole: true,
    }
    if (next === null) return
  }
}

async function pageAt(directory: Directory, position: Position): Promise<UsersPage> {
  const { link } = position
  if (link !== null && directory.isOwn(link)) {
    try {
      return await directory.goOn(link)
    } catch (error) {
      if (!isForgotten(error)) throw error
    }
  }
  Object.assign(position, { link: null, all: true })
  return directory.begin()
}

/** Tokens of changes end after a while (410), and the only thing in a link that can be found wrong is the token. */
const isForgotten = (error: unknown): boolean =>
  error instanceof Refusal && (error.answered === 400 || error.answered === 404 || error.answered === 410)

function recordsOf(user: unknown, readAt: string, all: boolean): UserRecord[] {
  const told = (tells: UserRecord['tells']): UserRecord => ({ tells, user, readAt })
  if ('@removed' in object(user)) return [told('account')]
  return [
    told('profile'),
    // Absent unless it is set, or was.
    ...('employeeLeaveDateTime' in object(user) ? [told('leave')] : []),
    // Whoever was removed and is told of again has been restored.
    ...(all ? [] : [told('account')]),
  ]
}
