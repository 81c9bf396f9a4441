import type { ReadInput } from '../connector.ts'
import { openHttp } from '../http/client.ts'
import type { Explain, Fixes } from '../http/refusal.ts'
import { clientCredentials, jwtBearer, type SignIn } from '../http/sign-in.ts'
import { toSeconds } from '../instants.ts'
import { idText, list, object, text } from '../values.ts'
import type { BoxConfig } from './config.ts'

/** Events of one page at most, as the API allows. */
const PAGE_EVENTS = 500
/** A statement may claim a minute; less leaves room for the way. */
const ASSERTION_SECONDS = 45

export interface EventsPage {
  events: unknown[]
  /** Digits, beyond 2^53. Null where the reply names none that can be gone on from. */
  next: string | null
}

export interface EnterpriseEvents {
  /** The stream about as events are processed; at least once. */
  live(position: string): Promise<EventsPage>
  /** Where the stream is now. */
  now(): Promise<string>
  /** The log of a window in order of time. */
  window(from: Date, to: Date, position: string | null): Promise<EventsPage>
}

export function openEvents({
  config,
  access,
  signal,
}: Pick<ReadInput<BoxConfig>, 'config' | 'access' | 'signal'>): EnterpriseEvents {
  const http = openHttp({ access, signal, base: config.apiUrl, signIn: signInOf(config), explain, fixes: FIXES })
  const ask = async (query: Record<string, string | number | undefined>): Promise<EventsPage> => {
    const { body } = await http.json({
      doing: 'reading enterprise events',
      to: '2.0/events',
      query,
      expects: { what: 'a page of events', holds: (page) => Array.isArray(object(page)['entries']) },
    })
    // An empty log answers "0", which would mean everything when sent back.
    const next = idText(object(body)['next_stream_position'])
    return { events: list(object(body)['entries']), next: next === undefined || next === '0' ? null : next }
  }
  const live = (position: string) =>
    ask({ stream_type: 'admin_logs_streaming', stream_position: position, limit: PAGE_EVENTS })
  return {
    live,
    now: async () => (await live('now')).next ?? '0',
    window: (from, to, position) =>
      ask({
        stream_type: 'admin_logs',
        // Whether the edges belong to it is not documented: a second more on either side, and ids tell what is double.
        created_after: toSeconds(from.getTime() - 1_000),
        created_before: toSeconds(to.getTime() + 1_000),
        limit: PAGE_EVENTS,
        stream_position: position ?? undefined,
      }),
  }
}

function signInOf(config: BoxConfig): SignIn {
  const { subject, subjectId, clientId, clientSecret, privateKey, keyId } = config
  const url = new URL('/oauth2/token', config.apiUrl).href
  if (privateKey === undefined || keyId === undefined) {
    const more = { box_subject_type: subject, box_subject_id: subjectId }
    return clientCredentials({ url, clientId, clientSecret, more, fixes: FIXES })
  }
  return jwtBearer({
    url,
    privateKey,
    keyId,
    issuer: clientId,
    subject: subjectId,
    audience: url,
    lifetimeSeconds: ASSERTION_SECONDS,
    claims: { box_sub_type: subject },
    more: { client_id: clientId, client_secret: clientSecret },
    fixes: FIXES,
  })
}

const FIXES: Fixes = {
  credential_refused:
    'Have an admin authorise the app, and check client id, secret and the id of the enterprise or admin.',
  permission_missing: 'Give the app the scope "Manage enterprise properties" and have an admin authorise it again.',
}

/** https://developer.box.com/guides/api-calls/permissions-and-errors/common-errors (read 2026-11-22) */
const explain: Explain = (body, { status }) => {
  const reason = text(object(body)['code'])
  const named = reason === undefined ? {} : { reason }
  // The only thing in a request that a source can find wrong is where to go on.
  return status === 400 ? { code: 'source_cursor_lost', ...named } : named
}
