import http from 'node:http'
import https from 'node:https'
import { Webhook } from 'standardwebhooks'
import { guardedLookup, isPrivateLiteral, PRIVATE_ADDRESS } from '../addresses.ts'
import { connectionOutcome } from '../connection-outcome.ts'
import type { DeliveryOutcome, SenderContext } from '../exporter.ts'
import { httpOutcome } from '../http-outcome.ts'
import type { WebhookConfig } from './settings.ts'

/** An answer's body is only read to free the connection for the next request; a longer one costs the connection. */
const MAX_ANSWER_BYTES = 64 * 1024

export interface Poster {
  /** Sends one message; never rejects. One at a time. */
  post(id: string, body: string): Promise<DeliveryOutcome>
  close(): void
}

/** A kept connection to one receiver, and the signing of what goes over it. */
export function openPoster(settings: WebhookConfig, context: SenderContext): Poster {
  const url = new URL(settings.url)
  const guarded = !context.allowPrivateAddresses
  const barred = guarded ? barrier(url) : null
  const transport = url.protocol === 'https:' ? https : http
  const agent = new transport.Agent({ keepAlive: true, maxSockets: 1 })
  const signers = [settings.secret, settings.previousSecret].flatMap((each) =>
    each === undefined ? [] : [new Webhook(each)],
  )

  async function post(id: string, body: string): Promise<DeliveryOutcome> {
    if (barred) return barred
    const { outcome, stale } = await attempt(id, body)
    // The receiver closed the idle connection while the request was under way: no sign that anything is wrong.
    return stale ? (await attempt(id, body)).outcome : outcome
  }

  function attempt(id: string, body: string): Promise<{ outcome: DeliveryOutcome; stale: boolean }> {
    const at = new Date()
    return new Promise((resolve) => {
      const request = transport.request(url, {
        method: 'POST',
        agent,
        ...(guarded ? { lookup: guardedLookup } : {}),
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
      // One clock over name, connection, handshake and answer: a receiver that drips bytes gets no longer than others.
      const clock = setTimeout(() => request.destroy(coded('timeout')), settings.timeoutMs)
      let answer: DeliveryOutcome | undefined
      let failure: string | undefined
      request.once('response', (response) => {
        // The status is the receiver's word; what happens to the rest of the answer takes nothing back.
        answer = httpOutcome(response.statusCode ?? 0, response.headers['retry-after'])
        let size = 0
        response.on('data', (piece: Buffer) => {
          size += piece.length
          if (size > MAX_ANSWER_BYTES) request.destroy()
        })
        response.on('error', () => request.destroy())
      })
      request.on('error', (error: NodeJS.ErrnoException) => {
        failure = error.code
      })
      request.once('close', () => {
        clearTimeout(clock)
        const stale = answer === undefined && request.reusedSocket && failure === 'ECONNRESET'
        resolve({ outcome: answer ?? connectionOutcome(failure), stale })
      })
      request.end(body)
    })
  }

  return { post, close: () => agent.destroy() }
}

const coded = (code: string): Error => Object.assign(new Error(code), { code })

/** What is wrong with the address before any name is resolved, when private addresses are not allowed. */
function barrier(url: URL): DeliveryOutcome | null {
  if (url.protocol !== 'https:') {
    return {
      state: 'refused',
      responseCode: 'url_insecure',
      detail: 'the address of the receiver is not https',
      fix: 'Enter an https address; then resume.',
    }
  }
  return isPrivateLiteral(url.hostname) ? connectionOutcome(PRIVATE_ADDRESS) : null
}
