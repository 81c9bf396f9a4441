import type { ErrorCode } from '../../domain/errors.ts'
import type { Explain, Fixes } from '../http/refusal.ts'
import { clientCredentials, type TokenSignIn } from '../http/sign-in.ts'
import { list, number, object, text } from '../values.ts'

export interface EntraApp {
  /** `https://login.microsoftonline.com`, or the sign-in of a national cloud. */
  loginUrl: string
  /** Id or verified domain. */
  tenantId: string
  clientId: string
  clientSecret: string
  /** The API that is asked, `https://graph.microsoft.com`. */
  resource: string
}

/** Client credentials at Entra. https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow */
export const signInAtEntra = ({ loginUrl, tenantId, clientId, clientSecret, resource }: EntraApp): TokenSignIn =>
  clientCredentials({
    url: new URL(`/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`, loginUrl).href,
    clientId,
    clientSecret,
    more: { scope: `${new URL(resource).origin}/.default` },
    explain,
    fixes: FIXES,
  })

const FIXES: Fixes = {
  credential_refused: 'Check the tenant id, the client id and the value (not the id) of the client secret.',
  credential_expired: 'Make a new client secret at the app registration and enter its value.',
}

/** What is no matter of the credential, and the one refusal that has a word of its own. */
const CODES: Record<number, ErrorCode> = {
  // The secret has expired.
  7000222: 'credential_expired',
  // A passing trouble of Entra's own.
  90033: 'connector_unreachable',
  // The same sign-in too often: slow down.
  50196: 'source_throttled',
}

const explain: Explain = (body, { status }) => {
  const named = number(list(object(body)['error_codes'])[0])
  const reason = named === undefined ? text(object(body)['error']) : `AADSTS${named}`
  const code = CODES[named ?? 0] ?? (status >= 500 || status === 429 ? undefined : 'credential_refused')
  return { ...(code === undefined ? {} : { code }), ...(reason === undefined ? {} : { reason }) }
}
