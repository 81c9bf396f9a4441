import { type DeliveryOutcome, defineExporter } from '../exporter.ts'
import { MAX_BODY_BYTES, webhookBody } from './body.ts'
import { openPoster } from './post.ts'
import { config } from './settings.ts'

/**
 * Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): one signed POST per event, one in flight, in order. Any
 * 2xx accepts; redirects are not followed. `webhook-id` is the event's id and stays over attempts.
 */
export const standardWebhooks = defineExporter({
  id: 'standard-webhooks',
  title: 'Webhook (Standard Webhooks)',
  says: 'Signed HTTP requests, one per alert version, acknowledged by the receiver.',
  guide: 'docs/guides/webhook-receiver.md',
  acknowledges: true,
  maxBytes: MAX_BODY_BYTES,
  config,
  tls({ url }) {
    const { protocol, hostname, port } = new URL(url)
    return protocol === 'https:' ? { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 443) } : null
  },
  async open(settings, context) {
    const poster = openPoster(settings, context)
    return {
      async send(deliveries) {
        const outcomes: DeliveryOutcome[] = []
        for (const { number, event } of deliveries) {
          const outcome = await poster.post(event.event_id, webhookBody(number, event))
          outcomes.push(outcome)
          if (outcome.state !== 'accepted') break
        }
        return outcomes
      },
      close: async () => poster.close(),
    }
  },
})
