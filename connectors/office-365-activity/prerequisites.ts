import { isAppError } from '../../domain/errors.ts'
import type { CheckResult, Verdict } from '../../domain/prerequisite.ts'
import { prerequisiteFor } from '../connector.ts'
import { judged } from '../judged.ts'
import { openFeed } from './client.ts'
import type { OfficeConfig } from './config.ts'

const HOUR_MS = 3_600_000
/** A subscription that was started hands out its first content within so long. */
const FIRST_CONTENT_MS = 12 * HOUR_MS

const result = <V extends Verdict>(state: V, code: string, detail: string): CheckResult<V> => ({
  state,
  code,
  detail,
})

const prerequisite = prerequisiteFor<OfficeConfig>()

export const prerequisites = [
  prerequisite({
    id: 'feed-readable',
    title: 'The app may read the activity feed, and the tenant is audited',
    anchor: 'permission',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      judged(async () => {
        await openFeed(input).subscriptions()
        return result('met', 'consented', 'The app signed in and may read the feed.')
      }),
  }),
  prerequisite({
    id: 'subscribed',
    title: 'The content types are subscribed to',
    anchor: 'subscriptions',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      judged(async () => {
        const { contentTypes, startSubscriptions } = input.config
        const feed = openFeed(input)
        const known = await feed.subscriptions()
        const disabled = contentTypes.filter((each) => known.get(each) === 'disabled')
        if (disabled.length > 0) {
          return result(
            'unmet',
            'subscription_disabled',
            `Disabled by an admin of the tenant or the service: ${disabled.join(', ')}. Have them enabled, or leave them out.`,
          )
        }
        const missing = contentTypes.filter((each) => known.get(each) !== 'enabled')
        if (missing.length === 0) return result('met', 'subscribed', 'Every content type is subscribed to.')
        if (!startSubscriptions) {
          return result(
            'unmet',
            'subscription_not_started',
            `Not subscribed to: ${missing.join(', ')}. Start these subscriptions, or allow the connector to do so in its settings.`,
          )
        }
        for (const contentType of missing) await feed.start(contentType)
        return result(
          'met',
          'subscriptions_started',
          `Started: ${missing.join(', ')}. The first content comes within 12 hours.`,
        )
      }),
  }),
  prerequisite({
    id: 'dlp-readable',
    title: 'Records of data loss prevention may be read',
    anchor: 'dlp',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'before',
    check: (input) =>
      judged(async () => {
        if (!input.config.contentTypes.includes('DLP.All')) {
          return result('met', 'not_chosen', 'DLP.All is not among the content types.')
        }
        const now = input.access.now()
        try {
          await openFeed(input).content('DLP.All', new Date(now - HOUR_MS), new Date(now))
        } catch (error) {
          // The check of the subscriptions says so.
          if (!isAppError(error) || error.code !== 'subscription_not_started') throw error
          return result('unknown', error.code, 'DLP.All is not subscribed to yet.')
        }
        return result('met', 'read', 'The list of DLP records was read.')
      }),
  }),
  prerequisite({
    id: 'content-arrives',
    title: 'Content arrives',
    anchor: 'content',
    verdicts: ['met', 'unmet', 'unknown'],
    when: 'after',
    async check({ history, now }) {
      if (history.recentEvents.size > 0) return result('met', 'content_seen', 'Records arrived within 7 days.')
      const waitedMs = now.getTime() - (history.activatedAt ?? now).getTime()
      return waitedMs < FIRST_CONTENT_MS
        ? result('unknown', 'nothing_yet', 'Nothing has arrived yet; the first content comes within 12 hours.')
        : result(
            'unmet',
            'nothing_arrives',
            'Nothing arrived within 7 days although subscriptions hand out their first content within 12 hours. Check that auditing is on.',
          )
    },
  }),
]
