import { createHash, randomUUID } from 'node:crypto'
import { importPKCS8, SignJWT } from 'jose'
import { AppError } from '../../domain/errors.ts'
import type { Access } from '../access.ts'
import { type Json, number, object, text } from '../values.ts'
import { exchange } from './exchange.ts'
import { parseJson } from './json.ts'
import { type Explain, type Fixes, Refusal, refusalOf, unreadable } from './refusal.ts'
import { retrying } from './retrying.ts'
import type { Token } from './token.ts'

/** How calls prove who makes them. */
export type SignIn = FixedSignIn | TokenSignIn

/** A header that never changes: an API key, basic authentication. */
export interface FixedSignIn {
  kind: 'fixed'
  headers: Readonly<Record<string, string>>
}

/** A token fetched by a form, as every OAuth 2.0 grant in use here does it. */
export interface TokenSignIn {
  kind: 'token'
  /** Of the token endpoint. */
  url: string
  /** The form that is posted; `nowSeconds` is the source's time. */
  form(nowSeconds: number): Record<string, string> | Promise<Record<string, string>>
  /** Sent with the form. */
  headers?: Readonly<Record<string, string>>
  /** What the token belongs to: other credentials have another. Secrets are hashed before they become a key. */
  identity: readonly string[]
  /** Looks at the reply. Throws where the token is not for what was meant; it is then not used. */
  check?(reply: Json): void
  explain?: Explain
  fixes?: Fixes
}

/** A token is renewed when so much of its life has passed. */
const RENEW_AT = 0.8
/** A source's clock that differs by less explains no refusal. */
const SKEW_MS = 30_000
const DOING = 'signing in'

export const basic = (user: string, password: string): FixedSignIn => ({
  kind: 'fixed',
  headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
})

export interface ClientCredentials {
  url: string
  clientId: string
  clientSecret: string
  /** Where the client's id and secret are sent; default in the form (RFC 6749, 2.3.1). */
  clientIn?: 'form' | 'header'
  /** Further members of the form: `scope`, `box_subject_id`. */
  more?: Readonly<Record<string, string>>
  check?(reply: Json): void
  explain?: Explain
  fixes?: Fixes
}

/** RFC 6749, 4.4. */
export function clientCredentials(app: ClientCredentials): TokenSignIn {
  const { url, clientId, clientSecret, clientIn = 'form', more = {}, ...rest } = app
  const client: Record<string, string> = clientIn === 'form' ? { client_id: clientId, client_secret: clientSecret } : {}
  return {
    kind: 'token',
    url,
    identity: [url, clientId, clientSecret, JSON.stringify(more)],
    form: () => ({ grant_type: 'client_credentials', ...client, ...more }),
    // Each is form-encoded before they are joined.
    ...(clientIn === 'form'
      ? {}
      : { headers: basic(encodeURIComponent(clientId), encodeURIComponent(clientSecret)).headers }),
    ...rest,
  }
}

export interface RefreshToken {
  url: string
  clientId: string
  clientSecret: string
  refreshToken: string
  explain?: Explain
  fixes?: Fixes
}

/** RFC 6749, 6, of sources that do not rotate the refresh token. */
export const refreshToken = ({ url, clientId, clientSecret, refreshToken: token, ...rest }: RefreshToken) =>
  ({
    kind: 'token',
    url,
    identity: [url, clientId, clientSecret, token],
    form: () => ({
      grant_type: 'refresh_token',
      refresh_token: token,
      client_id: clientId,
      client_secret: clientSecret,
    }),
    ...rest,
  }) satisfies TokenSignIn

export interface Assertion {
  /** PKCS #8 in PEM. */
  privateKey: string
  keyId?: string
  /** Default RS256. */
  algorithm?: 'RS256' | 'RS384' | 'RS512' | 'PS256'
  issuer: string
  subject?: string
  audience: string
  lifetimeSeconds: number
  claims?: Readonly<Record<string, unknown>>
  /** Further members of the protected header: `x5t`. */
  header?: Readonly<Record<string, string>>
}

/** A signed statement of who asks (RFC 7523). Throws settings_invalid where the key is none. */
export async function signAssertion(assertion: Assertion, nowSeconds: number): Promise<string> {
  const { privateKey, keyId, algorithm = 'RS256', issuer, subject, audience, lifetimeSeconds } = assertion
  let key: Awaited<ReturnType<typeof importPKCS8>>
  try {
    key = await importPKCS8(privateKey, algorithm)
  } catch {
    // The reason is left out: it may quote the key.
    throw new AppError('settings_invalid', 'the private key is not PKCS #8 in PEM', {
      field: 'privateKey',
      fix: 'Enter the key with its BEGIN PRIVATE KEY and END PRIVATE KEY lines.',
    })
  }
  const jwt = new SignJWT({ ...assertion.claims })
    .setProtectedHeader({ alg: algorithm, typ: 'JWT', ...(keyId ? { kid: keyId } : {}), ...assertion.header })
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + lifetimeSeconds)
    .setJti(randomUUID())
  if (subject !== undefined) jwt.setSubject(subject)
  return jwt.sign(key)
}

export interface JwtBearer extends Assertion {
  url: string
  more?: Readonly<Record<string, string>>
  check?(reply: Json): void
  explain?: Explain
  fixes?: Fixes
}

/** A service account's key instead of a secret (RFC 7523, 2.1). */
export const jwtBearer = ({ url, more = {}, check, explain, fixes, ...assertion }: JwtBearer): TokenSignIn => ({
  kind: 'token',
  url,
  identity: [url, assertion.issuer, assertion.subject ?? '', assertion.privateKey, JSON.stringify(assertion.claims)],
  form: async (nowSeconds) => ({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: await signAssertion(assertion, nowSeconds),
    ...more,
  }),
  ...(check ? { check } : {}),
  ...(explain ? { explain } : {}),
  ...(fixes ? { fixes } : {}),
})

const keyOf = ({ identity }: TokenSignIn): string => createHash('sha256').update(identity.join('\u001f')).digest('hex')

/** The token in use, or a new one where there is none, its life is nearly over, or it is the one that was refused. */
export async function tokenFor(
  access: Access,
  signIn: TokenSignIn,
  signal: AbortSignal,
  refused?: Token,
): Promise<Token> {
  const key = keyOf(signIn)
  const kept = access.tokens.get(key)
  if (kept) {
    const token = await kept.catch(() => null)
    if (token && token !== refused && access.now() < token.renewAt) return token
    // Somebody else may have fetched a new one meanwhile.
    const newer = access.tokens.get(key)
    if (newer && newer !== kept) return newer
  }
  const fetching = retrying(access, signal, () => fetchToken(access, signIn, signal))
  access.tokens.set(key, fetching)
  fetching.catch(() => access.tokens.get(key) === fetching && access.tokens.delete(key))
  return fetching
}

async function fetchToken(access: Access, signIn: TokenSignIn, signal: AbortSignal): Promise<Token> {
  try {
    return await askForToken(access, signIn, signal)
  } catch (error) {
    // A statement is valid for a minute: a clock that is off makes it look expired, or not yet valid.
    const offset = error instanceof Refusal && error.code === 'credential_refused' ? error.clockOffsetMs : undefined
    if (offset === undefined || Math.abs(offset - access.clockOffsetMs) < SKEW_MS) throw error
    access.clockOffsetMs = offset
    return askForToken(access, signIn, signal)
  }
}

async function askForToken(access: Access, signIn: TokenSignIn, signal: AbortSignal): Promise<Token> {
  const askedAt = access.now()
  const form = await signIn.form(Math.floor((askedAt + access.clockOffsetMs) / 1000))
  const answer = await exchange(
    access,
    {
      doing: DOING,
      url: new URL(signIn.url),
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json', ...signIn.headers },
      body: new URLSearchParams(form).toString(),
    },
    signal,
  )
  if (answer.status !== 200) {
    throw refusalOf(DOING, answer, access.now(), { explain: signIn.explain ?? explainGrant, fixes: signIn.fixes })
  }
  const reply = object(parseJson(answer.text))
  const value = text(reply['access_token'])
  if (value === undefined) throw unreadable(DOING, 'a token')
  signIn.check?.(reply)
  const seconds = number(reply['expires_in']) ?? Number(text(reply['expires_in']) ?? Number.NaN)
  return {
    value,
    type: text(reply['token_type'])?.toLowerCase() === 'bearer' ? 'Bearer' : (text(reply['token_type']) ?? 'Bearer'),
    renewAt: Number.isFinite(seconds) ? askedAt + seconds * 1000 * RENEW_AT : Number.POSITIVE_INFINITY,
    reply,
  }
}

/** Errors of a token endpoint (RFC 6749, 5.2): whatever is wrong with a grant, somebody has to mend it. */
export const explainGrant: Explain = (body, { status }) => {
  const reason = text(object(body)['error'])
  if (status >= 500 || status === 429) return reason === undefined ? {} : { reason }
  return { code: 'credential_refused', ...(reason === undefined ? {} : { reason }) }
}
