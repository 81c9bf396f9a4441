import { AppError } from '../../domain/errors.ts'
import type { ReadInput } from '../connector.ts'
import { type JsonReply, linkWithin, openHttp } from '../http/client.ts'
import { toSeconds } from '../instants.ts'
import { signInAtEntra } from '../microsoft/sign-in.ts'
import { isObject, list, object, text } from '../values.ts'
import type { OfficeConfig } from './config.ts'
import type { ContentType } from './content-types.ts'
import { explain, FIXES, isStartedAlready } from './refusals.ts'

const LISTING = 'listing content'
const READING = 'reading content'

/** A run of records that the API has put together and keeps for seven days. */
export interface Content {
  id: string
  /** On the configured host. */
  uri: string
}

export interface ContentList {
  contents: Content[]
  /** Where the next page is, on the configured host; null on the last. */
  next: string | null
}

export interface ActivityFeed {
  /** What the tenant is subscribed to; one that was stopped may be left out, or without a status. */
  subscriptions(): Promise<Map<string, 'enabled' | 'disabled' | null>>
  start(contentType: ContentType): Promise<void>
  /** The first page of what became available within a window: at most 24 hours, of the last seven days. */
  content(contentType: ContentType, from: Date, to: Date): Promise<ContentList>
  goOn(link: string): Promise<ContentList>
  /** False for a link of another cloud: the address in the settings was changed since. */
  isOwn(link: string): boolean
  records(content: Content): Promise<unknown[]>
}

const isList = { what: 'a list', holds: Array.isArray }

/** https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference */
export function openFeed({
  config,
  access,
  signal,
}: Pick<ReadInput<OfficeConfig>, 'config' | 'access' | 'signal'>): ActivityFeed {
  const { apiUrl: base, tenantId } = config
  const http = openHttp({
    access,
    signal,
    base,
    signIn: signInAtEntra({ ...config, resource: base }),
    explain,
    fixes: FIXES,
  })
  // Without it all callers of the world share one quota.
  const publisher = { PublisherIdentifier: config.publisherId ?? tenantId }
  const feed = (operation: string) => `api/v1.0/${tenantId}/activity/feed/${operation}`
  const listed = (to: string, query: Record<string, string>) =>
    http.json({ doing: LISTING, to, query: { ...query, ...publisher }, expects: isList })

  return {
    async subscriptions() {
      const { body } = await http.json({
        doing: 'listing subscriptions',
        to: feed('subscriptions/list'),
        query: publisher,
        expects: isList,
      })
      return new Map(list(body).map(object).map(statusOf))
    },
    async start(contentType) {
      try {
        await http.json({
          doing: `starting the subscription of ${contentType}`,
          method: 'POST',
          to: feed('subscriptions/start'),
          query: { contentType, ...publisher },
        })
      } catch (error) {
        if (!isStartedAlready(error)) throw error
      }
    },
    content: async (contentType, from, to) =>
      pageOf(
        base,
        await listed(feed('subscriptions/content'), { contentType, startTime: plain(from), endTime: plain(to) }),
      ),
    goOn: async (link) => pageOf(base, await listed(link, {})),
    isOwn: (link) => new URL(link).origin === new URL(base).origin,
    async records({ uri }) {
      const { body } = await http.json({ doing: READING, to: uri, query: publisher, expects: isList })
      return list(body)
    },
  }
}

/** Times in queries are UTC and carry no zone. */
const plain = (at: Date): string => toSeconds(at).slice(0, -1)

function statusOf(subscription: Record<string, unknown>): [string, 'enabled' | 'disabled' | null] {
  const status = text(subscription['status'])?.toLowerCase()
  return [text(subscription['contentType']) ?? '', status === 'enabled' || status === 'disabled' ? status : null]
}

function pageOf(base: string, { body, headers }: JsonReply): ContentList {
  // Older documentation has the second name.
  const next = headers.get('nextpageuri') ?? headers.get('nextpageurl')
  return {
    contents: list(body).map((each) => contentOf(base, each)),
    next: next ? linkWithin(base, next, LISTING) : null,
  }
}

function contentOf(base: string, listed: unknown): Content {
  const [id, uri] = isObject(listed) ? [text(listed['contentId']), text(listed['contentUri'])] : []
  if (id === undefined || uri === undefined) {
    throw new AppError('source_answer_invalid', `${LISTING} failed: an entry has no contentId or no contentUri`)
  }
  return { id, uri: linkWithin(base, uri, LISTING) }
}
