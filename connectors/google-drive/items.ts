import type { SourceRecord } from '../connector.ts'
import { isObject, list } from '../values.ts'

/**
 * One act may be written as several events of one item (an edit that also shares): each becomes a record of its own,
 * the item with that event alone and where it stood. What is no item stays as it is, for quarantine.
 */
export const recordsOf = (items: readonly unknown[]): SourceRecord[] =>
  items.flatMap(eventsOf).map((record, index) => ({ line: index + 1, record }))

export function eventsOf(item: unknown): unknown[] {
  const events = isObject(item) ? list(item['events']) : []
  return events.length === 0
    ? [item]
    : events.map((event, eventIndex) => ({ ...(item as object), events: [event], eventIndex }))
}
