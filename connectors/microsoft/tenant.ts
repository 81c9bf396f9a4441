import { isAppError } from '../../domain/errors.ts'
import type { Access } from '../access.ts'
import { openHttp } from '../http/client.ts'
import { tokenFor } from '../http/sign-in.ts'
import { rolesOf, secretEnd } from './app.ts'
import { type EntraApp, signInAtEntra } from './sign-in.ts'

export interface Tenant {
  /** The body of `subscribedSkus`; null where the app may not read it. */
  licences(): Promise<unknown>
  /** When the client secret in use ends; null where the app may not read its registration, or it is not told. */
  secretEnd(): Promise<Date | null>
}

/** What Graph tells of the tenant itself, as far as the app may ask. */
export function openTenant({
  config,
  access,
  signal,
}: {
  config: Omit<EntraApp, 'resource'> & { graphUrl: string }
  access: Access
  signal: AbortSignal
}): Tenant {
  const { graphUrl: base, clientId, clientSecret } = config
  const http = openHttp({ access, signal, base, signIn: signInAtEntra({ ...config, resource: base }) })
  return {
    licences: () =>
      permitted(async () => (await http.json({ doing: 'reading licences', to: 'v1.0/subscribedSkus' })).body),
    async secretEnd() {
      const registration = await permitted(() =>
        http.json({
          doing: 'reading the app registration',
          to: `v1.0/applications(appId='${encodeURIComponent(clientId)}')`,
          query: { $select: 'passwordCredentials' },
        }),
      )
      return registration && secretEnd(registration.body, clientSecret)
    },
  }
}

/** Null where the app may not ask: that says nothing about what it would have been told. */
async function permitted<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask()
  } catch (error) {
    if (isAppError(error) && error.code === 'permission_missing') return null
    throw error
  }
}

/** What an app may do at a resource, by its token; null where the token does not tell. */
export const rolesAt = async (app: EntraApp, access: Access, signal: AbortSignal): Promise<string[] | null> =>
  rolesOf((await tokenFor(access, signInAtEntra(app), signal)).value)
