import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import type { VirtualClock } from '../clock.ts'
import type { Answer } from '../faults.ts'

export interface TokenRules {
  clock: VirtualClock
  /** Seconds that a token lives. */
  lifetimeSeconds: number
  /** Vendors that do not announce how long a token lives. */
  announcesLife?: boolean
  /** True when the posted form is a grant of this vendor. Client id and secret may also come by basic authentication. */
  grants(form: URLSearchParams): boolean | Promise<boolean>
  /** Further members of the reply. */
  more?: Record<string, unknown>
  /** What a JWT says; without it tokens are opaque. */
  claims?(): Record<string, unknown>
}

export type TokenVerdict = 'valid' | 'expired' | 'unknown' | 'missing'

/** A vendor's token endpoint: hands out tokens for its grants and says which of them are still good. */
export class TokenOffice {
  /** Tokens handed out. */
  issued = 0
  /** Grants that were refused. */
  refused = 0
  readonly #rules: TokenRules
  readonly #expiry = new Map<string, number>()

  constructor(rules: TokenRules) {
    this.#rules = rules
  }

  get lifetimeSeconds(): number {
    return this.#rules.lifetimeSeconds
  }

  get announcesLife(): boolean {
    return this.#rules.announcesLife ?? true
  }

  /** Answers a posted form (RFC 6749, 5.1 and 5.2). */
  async answer(body: Buffer, headers: IncomingHttpHeaders): Promise<Answer> {
    const form = new URLSearchParams(body.toString())
    const basic = /^Basic (.+)$/i.exec(headers.authorization ?? '')?.[1]
    if (basic !== undefined) {
      const [id = '', ...secret] = Buffer.from(basic, 'base64').toString().split(':')
      form.set('client_id', id)
      form.set('client_secret', secret.join(':'))
    }
    const typed = headers['content-type']?.startsWith('application/x-www-form-urlencoded')
    if (!typed || !(await this.#rules.grants(form))) {
      this.refused += 1
      return json(400, { error: 'invalid_grant', error_description: 'The grant is not valid.' })
    }
    const { lifetimeSeconds, announcesLife = true, more = {}, claims } = this.#rules
    const opaque = `sandbox-token-${randomBytes(12).toString('hex')}`
    // Nobody but this office checks it, so no signature is needed.
    const token = claims ? `e30.${Buffer.from(JSON.stringify(claims())).toString('base64url')}.${opaque}` : opaque
    this.#expiry.set(token, this.#rules.clock.now().getTime() + lifetimeSeconds * 1000)
    this.issued += 1
    return json(200, {
      access_token: token,
      token_type: 'bearer',
      ...(announcesLife ? { expires_in: lifetimeSeconds } : {}),
      ...more,
    })
  }

  verdict(headers: IncomingHttpHeaders): TokenVerdict {
    const token = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1]
    if (token === undefined) return 'missing'
    const expiry = this.#expiry.get(token)
    if (expiry === undefined) return 'unknown'
    return this.#rules.clock.now().getTime() < expiry ? 'valid' : 'expired'
  }

  /** Takes back every token that is out. */
  revokeAll(): void {
    for (const token of this.#expiry.keys()) this.#expiry.set(token, 0)
  }

  /** Every token that was ever handed out: none of them may show up in a log. */
  get tokens(): string[] {
    return [...this.#expiry.keys()]
  }
}

export interface AssertionRules {
  clock: VirtualClock
  keys: JSONWebKeySet
  issuer: string
  /** Default: whoever. */
  subject?: string
  audience: string
  /** Longest life that a statement may claim. */
  maxLifetimeSeconds: number
  /** How far the vendor's clock is ahead, milliseconds. */
  clockOffsetMs?: number
}

/** True when the statement is signed by a registered key, meant for this endpoint, and neither too old nor too long-lived. */
export async function isValidAssertion(assertion: string | null, rules: AssertionRules): Promise<boolean> {
  if (assertion === null) return false
  const now = new Date(rules.clock.now().getTime() + (rules.clockOffsetMs ?? 0))
  try {
    const { payload } = await jwtVerify(assertion, createLocalJWKSet(rules.keys), {
      issuer: rules.issuer,
      audience: rules.audience,
      ...(rules.subject === undefined ? {} : { subject: rules.subject }),
      currentDate: now,
      requiredClaims: ['exp'],
    })
    return (payload.exp as number) - now.getTime() / 1000 <= rules.maxLifetimeSeconds + 1
  } catch {
    return false
  }
}

export const json = (status: number, body: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
})
