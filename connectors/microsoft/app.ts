import type { CheckResult } from '../../domain/prerequisite.ts'
import { list, object, text } from '../values.ts'

/**
 * What an access token of Entra allows, by its `roles`. The token is read and not verified: it came from Entra itself,
 * and nobody is let in by it. Null where it is none that can be read.
 * Source: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 */
export function rolesOf(token: string): string[] | null {
  const [, claims] = token.split('.')
  try {
    const { roles } = object(JSON.parse(Buffer.from(claims ?? '', 'base64url').toString()))
    return list(roles).flatMap((role) => text(role) ?? [])
  } catch {
    return null
  }
}

/**
 * Every one of `needed`, given and consented to; `useful` ones may be there for the checks. More than that is a warning:
 * the app can read what it need not.
 */
export function rolesVerdict(
  roles: readonly string[] | null,
  needed: readonly string[],
  useful: readonly string[] = [],
): CheckResult {
  if (roles === null)
    return { state: 'unknown', code: 'roles_unreadable', detail: 'The token does not tell its roles.' }
  const missing = needed.filter((role) => !roles.includes(role))
  if (missing.length > 0) {
    return {
      state: 'unmet',
      code: 'consent_missing',
      detail: `The app lacks ${missing.join(', ')}: add it and grant admin consent.`,
    }
  }
  const more = roles.filter((role) => !needed.includes(role) && !useful.includes(role))
  return more.length > 0
    ? { state: 'warning', code: 'more_than_needed', detail: `The app also has ${more.join(', ')}: take it away.` }
    : { state: 'met', code: 'consented', detail: `The app has ${needed.join(', ')}.` }
}

/**
 * When a client secret ends, from the body of `GET /v1.0/applications(appId='…')`; Entra tells the first characters of
 * each secret as its hint. Null where none of them is this one.
 * Source: https://learn.microsoft.com/graph/api/resources/passwordcredential
 */
export function secretEnd(body: unknown, secret: string): Date | null {
  const ends = list(object(body)['passwordCredentials']).flatMap((each) => {
    const { hint, endDateTime } = object(each)
    const start = text(hint)
    const end = new Date(text(endDateTime) ?? Number.NaN)
    return start && secret.startsWith(start) && !Number.isNaN(end.getTime()) ? [end] : []
  })
  return ends.length === 0 ? null : new Date(Math.max(...ends.map((end) => end.getTime())))
}
