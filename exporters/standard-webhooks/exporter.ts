import http from 'node:http'
import https from 'node:https'
import { isIP } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import { AppError } from '../../domain/errors.ts'
import { type DeliveryOutcome, defineExporter } from '../exporter.ts'
import { guardedLookup, isPrivateAddress } from './addresses.ts'
import { MAX_BODY_BYTES, webhookBody } from './body.ts'

const secret = z.string().regex(/^whsec_[A-Za-z0-9+/=]{32,}$/, 'whsec_ and 24 to 64 random bytes in base64')

const config = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).meta({ title: 'Address of the receiver' }),
  secret: secret.meta({ title: 'Signing secret', secret: true }),
  previousSecret: secret.optional().meta({ title: 'Previous secret, while rotating', secret: true }),
  timeoutMs: z.int().min(1_000).max(30_000).default(20_000).meta({ title: 'Time-out in milliseconds' }),
  caCertificate: z.string().optional().meta({ title: 'Certificate authority of the receiver (PEM)' }),
})

/** Longest wait that a receiver may ask for. */
const MAX_RETRY_AFTER_MS = 15 * 60_000
const RETRY_STATUS = new Set([408, 425, 429, 500, 502, 503, 504])
const TLS_CODE = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_|HOSTNAME_MISMATCH)/

/** Standard Webhooks 1.0.0: one signed POST per event, in order, any 2xx is accepted. Redirects are not followed. */
export const standardWebhooks = defineExporter({
  id: 'standard-webhooks',
  title: 'Webhook (Standard Webhooks)',
  says: 'Signed HTTP requests, one per alert version, acknowledged by the receiver.',
  guide: 'docs/guides/webhook-receiver.md',
  acknowledges: true,
  maxBytes: MAX_BODY_BYTES,
  config,
  async open(settings, context) {
    const url = new URL(settings.url)
    const literal = url.hostname.replace(/^\[|\]$/g, '')
    if (
      !context.allowPrivateAddresses &&
      (url.protocol !== 'https:' || (isIP(literal) > 0 && isPrivateAddress(literal)))
    ) {
      throw new AppError('settings_invalid', 'the receiver must be a public https address', {
        field: 'url',
        fix: 'Use https, or allow private addresses by OPENIRM_ALLOW_PRIVATE_ADDRESSES=true.',
      })
    }
    const transport = url.protocol === 'https:' ? https : http
    const agent = new transport.Agent({ keepAlive: true, maxSockets: 1 })
    const signers = [settings.secret, settings.previousSecret]
      .filter((each) => each !== undefined)
      .map((each) => new Webhook(each))

    const post = (id: string, body: string) =>
      new Promise<DeliveryOutcome>((resolve) => {
        const at = new Date()
        const request = transport.request(url, {
          method: 'POST',
          agent,
          timeout: settings.timeoutMs,
          ...(context.allowPrivateAddresses ? {} : { lookup: guardedLookup }),
          ...(settings.caCertificate ? { ca: settings.caCertificate } : {}),
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            'user-agent': `OpenIRM/${context.productVersion}`,
            'webhook-id': id,
            'webhook-timestamp': Math.floor(at.getTime() / 1000),
            'webhook-signature': signers.map((signer) => signer.sign(id, at, body)).join(' '),
          },
        })
        request.once('response', (response) => {
          response.resume()
          response.once('end', () => resolve(outcomeOf(response.statusCode ?? 0, response.headers['retry-after'])))
          response.once('error', () =>
            resolve({ state: 'retry', responseCode: 'reset', detail: 'the answer was cut short' }),
          )
        })
        request.once('timeout', () => request.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })))
        request.once('error', (error: NodeJS.ErrnoException) => resolve(outcomeOfError(error.code ?? 'error')))
        request.end(body)
      })

    return {
      async send(deliveries) {
        const outcomes: DeliveryOutcome[] = []
        for (const { number, event } of deliveries) {
          const outcome = await post(event.event_id, webhookBody(number, event))
          outcomes.push(outcome)
          if (outcome.state !== 'accepted') break
        }
        return outcomes
      },
      close: async () => agent.destroy(),
    }
  },
})

export function outcomeOf(status: number, retryAfter: string | undefined): DeliveryOutcome {
  const responseCode = String(status)
  if (status >= 200 && status < 300) return { state: 'accepted', responseCode }
  if (RETRY_STATUS.has(status) || status > 500) {
    const retryAfterMs = waitOf(retryAfter)
    return {
      state: 'retry',
      responseCode,
      detail: `the receiver answered ${status}`,
      ...(retryAfterMs === null ? {} : { retryAfterMs }),
    }
  }
  return {
    state: 'refused',
    responseCode,
    detail: `the receiver answered ${status}`,
    fix: FIXES[status] ?? 'Correct the address or the receiver, then resume.',
  }
}

const FIXES: Record<number, string> = {
  401: 'Check the signing secret on both sides, then resume.',
  403: 'Let the receiver accept requests of this platform, then resume.',
  404: 'Correct the address, then resume.',
  410: 'The receiver asked for no more: enter another address or retire the destination.',
}

function outcomeOfError(code: string): DeliveryOutcome {
  if (code === 'EPRIVATE')
    return {
      state: 'refused',
      responseCode: code,
      detail: 'the name leads to a private address',
      fix: 'Use a public receiver.',
    }
  if (TLS_CODE.test(code))
    return {
      state: 'refused',
      responseCode: code,
      detail: 'the certificate is not trusted',
      fix: 'Renew the certificate, or enter its authority, then resume.',
    }
  return { state: 'retry', responseCode: code, detail: 'the receiver could not be reached' }
}

/** Seconds or an HTTP date; capped. */
function waitOf(header: string | undefined): number | null {
  if (header === undefined) return null
  const wait = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(wait) ? null : Math.min(Math.max(wait, 0), MAX_RETRY_AFTER_MS)
}
