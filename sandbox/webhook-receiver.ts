import { isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { createServer as createHttpServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { Webhook } from 'standardwebhooks'
import { type Answer, Faults, readBody, serve } from './faults.ts'
import { listen } from './listening.ts'

/** Far above the 20 KB that Standard Webhooks recommends; more is answered 413. */
export const MAX_WEBHOOK_BYTES = 1024 * 1024

export interface WebhookBody {
  type: string
  timestamp: string
  data: Record<string, unknown> & { sequence: number }
}

export interface ReceivedMessage {
  /** The webhook-id. */
  id: string
  type: string
  body: WebhookBody
  /** The bytes that were signed. */
  raw: Buffer
  headers: IncomingHttpHeaders
  /** When it first came. */
  at: Date
  /** How often it came again after that. */
  repeats: number
}

/** Why a request was turned away; nothing of it is kept. */
export type WebhookRejection =
  | 'body_changed'
  | 'body_not_json'
  | 'body_not_utf8'
  | 'body_too_large'
  | 'header_missing'
  | 'id_invalid'
  | 'method_not_post'
  | 'not_verified'

export interface Attempt {
  at: Date
  /** The webhook-id as claimed, verified or not. */
  id: string | undefined
  /** null where no answer went out. */
  status: number | null
  rejection?: WebhookRejection
}

export interface WebhookReceiverOptions {
  /** Several while a secret is being rotated: any of them verifies. Default: a fresh one. */
  secret?: string | readonly string[]
  /** Default 0: a free one. */
  port?: number
  /** Serve https. PEM. */
  tls?: { key: string; cert: string }
  /** What an earlier receiver kept, in its order: known here as if it had come here. */
  known?: readonly ReceivedMessage[]
  /** Called with each new message before it is acknowledged; while it throws, the answer is 500. */
  keep?: (message: ReceivedMessage) => void
}

export interface WebhookReceiver extends AsyncDisposable {
  url: string
  port: number
  /** The first secret. */
  secret: string
  /** Verified messages in the order of arrival, each id once. */
  messages: ReceivedMessage[]
  /** Every request in the order of arrival, also those that met a fault. */
  attempts: Attempt[]
  /** How often any message came again. */
  readonly repeats: number
  /** Requests that were turned away. */
  readonly forged: number
  /** Use `handled: true` for a message that is taken while its acknowledgement is lost. */
  faults: Faults
  /** Spoils the next answers. `cut` takes the message and drops the line before an answer. */
  answer(next: { times: number; status: number; headers?: Record<string, string> } | { times: number; cut: true }): void
  close(): Promise<void>
}

/**
 * A Standard Webhooks 1.0.0 receiver as its guide describes it: verifies over the raw body, dedupes by webhook-id, answers
 * 204. https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export async function startWebhookReceiver(options: WebhookReceiverOptions = {}): Promise<WebhookReceiver> {
  const secrets = [options.secret ?? newSecret()].flat()
  const [secret] = secrets
  if (secret === undefined) throw new RangeError('startWebhookReceiver: secret must name at least one')
  const verifiers = secrets.map((each) => new Webhook(each))
  const byId = new Map((options.known ?? []).map((message) => [message.id, message]))
  const attempts: Attempt[] = []
  const attemptOf = new WeakMap<IncomingMessage, Attempt>()
  const faults = new Faults()

  async function handle(request: IncomingMessage): Promise<Answer> {
    const raw = await readBody(request, MAX_WEBHOOK_BYTES)
    const read = readMessage(request, raw, verifiers)
    if ('rejection' in read) return reject(request, read)
    const known = byId.get(read.id)
    if (known === undefined) {
      options.keep?.(read)
      byId.set(read.id, read)
      receiver.messages.push(read)
      return { status: 204 }
    }
    // An id names one message for ever; another body under it would be lost to every receiver that dedupes.
    if (!known.raw.equals(read.raw)) return reject(request, { rejection: 'body_changed', status: 409 })
    known.repeats++
    return { status: 204 }
  }

  function reject(request: IncomingMessage, { rejection, status }: Refused): Answer {
    const attempt = attemptOf.get(request)
    if (attempt !== undefined) attempt.rejection = rejection
    const headers = { 'content-type': 'application/json', ...(status === 405 ? { allow: 'POST' } : {}) }
    return { status, headers, body: JSON.stringify({ error: rejection }) }
  }

  const listener = serve({
    faults,
    handle,
    operation(request) {
      const attempt = { at: new Date(), id: header(request, 'webhook-id'), status: null }
      attempts.push(attempt)
      attemptOf.set(request, attempt)
      return 'deliver'
    },
    answered(request, status) {
      const attempt = attemptOf.get(request)
      if (attempt !== undefined) attempt.status = status
    },
  })
  const server = options.tls ? createHttpsServer(options.tls, listener) : createHttpServer(listener)
  const listening = await listen(server, options.port)
  const receiver: WebhookReceiver = {
    url: `${options.tls ? 'https://localhost' : 'http://127.0.0.1'}:${listening.port}/hook`,
    port: listening.port,
    secret,
    messages: [...byId.values()],
    attempts,
    get repeats() {
      return this.messages.reduce((sum, message) => sum + message.repeats, 0)
    },
    get forged() {
      return attempts.filter((attempt) => attempt.rejection !== undefined).length
    },
    faults,
    answer: (next) => void faults.next('cut' in next ? { times: next.times, reset: true, handled: true } : next),
    close: listening.close,
    [Symbol.asyncDispose]: listening.close,
  }
  return receiver
}

/** A secret as Standard Webhooks writes it: 32 random bytes. */
export const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`

interface Refused {
  rejection: WebhookRejection
  status: number
}

function readMessage(request: IncomingMessage, raw: Buffer | null, verifiers: Webhook[]): ReceivedMessage | Refused {
  if (request.method !== 'POST') return { rejection: 'method_not_post', status: 405 }
  if (raw === null) return { rejection: 'body_too_large', status: 413 }
  const id = header(request, 'webhook-id')
  const timestamp = header(request, 'webhook-timestamp')
  const signature = header(request, 'webhook-signature')
  if (!id || !timestamp || !signature) return { rejection: 'header_missing', status: 400 }
  // The full stop separates the parts of the signed text.
  if (id.includes('.')) return { rejection: 'id_invalid', status: 400 }
  // The library verifies text: bytes that are no UTF-8 would be verified as what they are replaced by.
  if (!isUtf8(raw)) return { rejection: 'body_not_utf8', status: 400 }
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature }
  if (!verifiers.some((verifier) => verifies(verifier, raw, headers))) return { rejection: 'not_verified', status: 401 }
  const body = parse(raw)
  if (body === undefined) return { rejection: 'body_not_json', status: 400 }
  return { id, type: body.type, body, raw, headers: request.headers, at: new Date(), repeats: 0 }
}

function verifies(verifier: Webhook, raw: Buffer, headers: Record<string, string>): boolean {
  try {
    verifier.verify(raw, headers, { jsonParse: false })
    return true
  } catch {
    return false
  }
}

/** Undefined where it is no JSON object with a type. */
function parse(raw: Buffer): WebhookBody | undefined {
  try {
    const body: unknown = JSON.parse(raw.toString('utf8'))
    const typed = typeof body === 'object' && body !== null && 'type' in body && typeof body.type === 'string'
    return typed ? (body as WebhookBody) : undefined
  } catch {
    return undefined
  }
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}
