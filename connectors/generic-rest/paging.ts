import LinkHeader from 'http-link-header'
import { AppError } from '../../domain/errors.ts'
import { linkWithin } from '../http/client.ts'
import { pointed } from '../http/json-pointer.ts'
import { idText, text } from '../values.ts'
import type { RestConfig } from './config.ts'

/** What an answer says of the one after it. */
export interface Answered {
  body: unknown
  headers: Headers
  /** Records that it holds. */
  count: number
}

const DOING = 'reading the list'

/**
 * The token of the next page: a cursor, a number, or the path of a link on the configured host. Null on the last page.
 * Throws source_refused for a link that leads to another host.
 */
export function nextOf(config: RestConfig, { body, headers, count }: Answered, token: string | null): string | null {
  const { paging, nextAt = '', firstPage, pageSize, shortPageEnds } = config
  const isLast = count === 0 || (shortPageEnds && count < pageSize)
  switch (paging) {
    case 'none':
      return null
    case 'link_header':
      return within(config, linkIn(headers.get('link')), token)
    case 'link_in_body':
      return within(config, text(pointed(body, nextAt)), token)
    case 'cursor': {
      const cursor = idText(pointed(body, nextAt))
      // The end, or a source that goes in a circle.
      return cursor === undefined || cursor === token ? null : cursor
    }
    case 'page':
      return isLast ? null : String(Number(token ?? firstPage) + 1)
    default:
      return isLast ? null : String(Number(token ?? 0) + count)
  }
}

function within({ url }: RestConfig, link: string | undefined, token: string | null): string | null {
  if (link === undefined) return null
  // Links may be relative to the list.
  const address = new URL(linkWithin(url, link, DOING))
  const path = `${address.pathname}${address.search}`
  return path === token ? null : path
}

function linkIn(header: string | null): string | undefined {
  if (header === null) return undefined
  try {
    return LinkHeader.parse(header).rel('next')[0]?.uri
  } catch {
    throw new AppError('source_answer_invalid', `${DOING} failed: the Link header is none (RFC 8288)`)
  }
}
