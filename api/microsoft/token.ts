import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type SignedUp, signInUpload, tenantIdOf } from '../../db/microsoft-uploads.ts'
import { AppError } from '../../domain/errors.ts'
import type { ApiDeps } from '../deps.ts'
import { issueToken, TOKEN_SECONDS } from './bearer.ts'

const MAX_FORM_BYTES = 64 * 1024

export interface TokenAnswer {
  status: number
  body: Record<string, unknown>
  /** Whose secret was tried, for counting refusals. */
  clientId: string
}

/** What Microsoft's token service says of the same fault: status, OAuth error, number, words. */
const REFUSALS = {
  tenant_unknown: [
    400,
    'invalid_request',
    90002,
    'Tenant not found. Check the tenant id: it is the one that the connector shows.',
  ],
  grant_unknown: [400, 'unsupported_grant_type', 70003, 'The grant type is not supported. Send client_credentials.'],
  client_unknown: [
    400,
    'unauthorized_client',
    700016,
    'The application was not found. Check the app id: it is the one that the connector shows.',
  ],
  secret_missing: [401, 'invalid_client', 7000218, 'The request carries no client_secret.'],
  secret_wrong: [
    401,
    'invalid_client',
    7000215,
    'Invalid client secret. Send the value that was shown when the secret was made, not its id.',
  ],
  secret_expired: [401, 'invalid_client', 7000222, 'The client secret has expired. Make a new one for this connector.'],
  off: [400, 'unauthorized_client', 7000112, 'Uploads are turned off for this connector. An admin can turn them on.'],
  too_many: [
    429,
    'temporarily_unavailable',
    50196,
    'Too many refused tries. Correct the app secret and wait a minute.',
  ],
} as const
export type TokenRefusal = keyof typeof REFUSALS

/** Answers a request for a token in the form of version 1 of Microsoft's token service, all values as texts. */
export async function answerToken(
  { db, vault }: ApiDeps,
  tenant: string,
  form: ReadonlyMap<string, string>,
  now = Date.now(),
): Promise<TokenAnswer> {
  const clientId = form.get('client_id') ?? ''
  const refused = (why: TokenRefusal): TokenAnswer => ({ ...refusal(why, now), clientId })
  if (decoded(tenant).toLowerCase() !== tenantIdOf(vault)) return refused('tenant_unknown')
  if ((form.get('grant_type') ?? 'client_credentials') !== 'client_credentials') return refused('grant_unknown')
  const secret = form.get('client_secret')
  if (!secret) return refused('secret_missing')
  const signedIn: SignedUp = await signInUpload(db, clientId, secret)
  if (signedIn.state !== 'ok') return refused(signedIn.state)
  const seconds = Math.floor(now / 1000)
  return {
    status: 200,
    clientId,
    body: {
      token_type: 'Bearer',
      expires_in: String(TOKEN_SECONDS),
      ext_expires_in: String(TOKEN_SECONDS),
      expires_on: String(seconds + TOKEN_SECONDS),
      not_before: String(seconds - 300),
      // Whatever was asked for: copies of the script name different ones.
      resource: form.get('resource') ?? '',
      access_token: issueToken(vault, signedIn.secretId, now),
    },
  }
}

export function refusal(why: TokenRefusal, now = Date.now()): Omit<TokenAnswer, 'clientId'> {
  const [status, error, number, words] = REFUSALS[why]
  return {
    status,
    body: {
      error,
      error_description: `AADSTS${number}: ${words}`,
      error_codes: [number],
      timestamp: `${new Date(now).toISOString().slice(0, 19).replace('T', ' ')}Z`,
      trace_id: randomUUID(),
      correlation_id: randomUUID(),
    },
  }
}

/**
 * The fields of a form. Flows that were written by hand put blanks around the `=` and newlines between the fields: keys
 * and values are trimmed.
 */
export async function readForm(request: IncomingMessage, signal: AbortSignal): Promise<Map<string, string>> {
  const pieces: Buffer[] = []
  let bytes = 0
  await new Promise<void>((resolve, reject) => {
    request.on('data', (piece: Buffer) => {
      bytes += piece.length
      if (bytes <= MAX_FORM_BYTES) pieces.push(piece)
    })
    request.once('end', resolve)
    request.once('error', reject)
    request.once('close', () => reject(new AppError('api_unreachable', 'the client went away')))
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  if (bytes > MAX_FORM_BYTES) throw new AppError('body_too_large', 'the form is too large')
  const fields = new URLSearchParams(Buffer.concat(pieces).toString())
  return new Map([...fields].map(([key, value]) => [key.trim().toLowerCase(), value.trim()]))
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return ''
  }
}
