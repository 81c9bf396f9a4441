import type { Answer } from '../faults.ts'
import { json, TokenOffice } from './tokens.ts'
import type { Vendor, VendorRequestIn } from './vendor.ts'

/** The app registration by which a connector signs in, at whichever API of the tenant. */
export const ENTRA_APP = {
  tenantId: '00000000-0000-4000-8000-0000000000aa',
  clientId: '00000000-0000-4000-8000-0000000000bb',
  clientSecret: 'sandbox-client-secret',
}

/** The operation `token` of a stand-in that has Entra beside it. */
export const ENTRA_OPERATIONS = { [`POST /${ENTRA_APP.tenantId}/oauth2/v2.0/token`]: 'token' }

/** Errors that Entra answers with 401; all others with 400. */
const INVALID_CLIENT = 7000215
const EXPIRED_SECRET = 7000222
const PASSING = 90033

export interface EntraOptions {
  /** Default an hour. */
  tokenSeconds?: number
  /** Application permissions of the app that were consented to, as the token tells them. */
  roles(): readonly string[]
}

/**
 * The sign-in of Entra beside an API that takes its tokens, by client credentials.
 * Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 */
export class Entra {
  readonly tokens: TokenOffice
  /** What a sign-in is refused with, as Entra words it: 7000222. */
  refusesSignInWith: number | null = null

  constructor(vendor: Pick<Vendor, 'clock' | 'url'>, { tokenSeconds = 3600, roles }: EntraOptions) {
    this.tokens = new TokenOffice({
      clock: vendor.clock,
      lifetimeSeconds: tokenSeconds,
      more: { token_type: 'Bearer', ext_expires_in: tokenSeconds },
      claims: () => ({ aud: vendor.url, roles: [...roles()] }),
      grants: (form) =>
        form.get('grant_type') === 'client_credentials' &&
        form.get('client_id') === ENTRA_APP.clientId &&
        form.get('client_secret') === ENTRA_APP.clientSecret &&
        form.get('scope') === `${vendor.url}/.default`,
    })
  }

  async signIn({ body, headers }: Pick<VendorRequestIn, 'body' | 'headers'>): Promise<Answer> {
    if (this.refusesSignInWith !== null) return refused(this.refusesSignInWith)
    const answer = await this.tokens.answer(body, headers)
    return answer.status === 200 ? answer : refused(INVALID_CLIENT)
  }
}

const refused = (code: number): Answer =>
  json(code === INVALID_CLIENT || code === EXPIRED_SECRET ? 401 : 400, {
    error: code === PASSING ? 'temporarily_unavailable' : 'invalid_client',
    error_description: `AADSTS${code}: refused`,
    error_codes: [code],
  })
