import type { ReadInput } from '../connector.ts'
import { type Http, openHttp } from '../http/client.ts'
import type { Explain, Fixes } from '../http/refusal.ts'
import { refreshToken } from '../http/sign-in.ts'
import { toSeconds } from '../instants.ts'
import { idText, list, number, object, text } from '../values.ts'
import type { DropboxConfig } from './config.ts'

/** Events of one page at most, as the API allows. */
const PAGE_EVENTS = 1000

export interface EventsPage {
  events: unknown[]
  /** From here on; it may change with every reply. */
  cursor: string
  hasMore: boolean
}

export interface TeamLog {
  /** Events from `start` on, up to but without `end`; without an end the cursor stays live. */
  since(start: Date, end?: Date): Promise<EventsPage>
  goOn(cursor: string): Promise<EventsPage>
  /** One event, to see whether the log may be read. */
  probe(): Promise<EventsPage>
}

export function openTeamLog({
  config,
  access,
  signal,
}: Pick<ReadInput<DropboxConfig>, 'config' | 'access' | 'signal'>): TeamLog {
  const http = openHttp({
    access,
    signal,
    base: config.apiUrl,
    signIn: refreshToken({
      url: new URL('/oauth2/token', config.apiUrl).href,
      clientId: config.appKey,
      clientSecret: config.appSecret,
      refreshToken: config.refreshToken,
      fixes: FIXES,
    }),
    explain,
    fixes: FIXES,
  })
  const first = (body: Record<string, unknown>) => ask(http, '2/team_log/get_events', body)
  return {
    since: (start, end) =>
      first({
        limit: PAGE_EVENTS,
        time: { start_time: toSeconds(start), ...(end ? { end_time: toSeconds(end) } : {}) },
      }),
    goOn: (cursor) => ask(http, '2/team_log/get_events/continue', { cursor }),
    probe: () => first({ limit: 1 }),
  }
}

async function ask(http: Http, to: string, json: Record<string, unknown>): Promise<EventsPage> {
  const { body } = await http.json({
    doing: 'reading the team log',
    method: 'POST',
    to,
    json,
    expects: {
      what: 'a page of events',
      holds: (page) => Array.isArray(object(page)['events']) && cursorOf(page) !== undefined,
    },
  })
  return {
    events: list(object(body)['events']),
    cursor: cursorOf(body) as string,
    hasMore: object(body)['has_more'] === true,
  }
}

const cursorOf = (page: unknown): string | undefined => text(object(page)['cursor'])

const FIXES: Fixes = {
  credential_refused: 'Authorise the app again as a team admin and enter the new refresh token.',
  permission_missing: 'Give the app the scope events.read, then authorise it again as a team admin.',
}

/** https://developers.dropbox.com/error-handling-guide (read 2026-11-22): unions, the case in `.tag`. */
const explain: Explain = (body, { status }) => {
  const error = object(object(body)['error'])
  const reason = idText(error['.tag']) ?? idText(object(error['reason'])['.tag'])
  const named = reason === undefined ? {} : { reason }
  if (status === 401) {
    return reason === 'missing_scope' || reason === 'user_suspended' ? { code: 'permission_missing', ...named } : named
  }
  if (status === 409 && (reason === 'reset' || reason === 'bad_cursor')) return { code: 'source_cursor_lost', ...named }
  const seconds = number(error['retry_after'])
  // The header says the same; a proxy may have dropped it.
  return status === 429 && seconds !== undefined ? { ...named, retryAfterMs: seconds * 1000 } : named
}
