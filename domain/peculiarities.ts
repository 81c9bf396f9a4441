/**
 * What only some sources do to their readers. A connector kind declares those of its source; the conformance kit holds it
 * to each of them, against a stand-in that can be brought to do it.
 */
export const PECULIARITIES = {
  subscription_missing: 'a subscription that nobody started is started',
  subscription_disabled: 'a subscription disabled by an admin keeps no other from being read',
  content_listed_again: 'content that overlapping lists name again is fetched once',
  content_gone: 'content that ended before it was fetched is told, and keeps nothing else',
} as const
export type Peculiarity = keyof typeof PECULIARITIES
