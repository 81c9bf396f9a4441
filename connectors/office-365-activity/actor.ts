import type { ActorKind, Identifier } from '../../domain/signal.ts'
import { isAddress, type Json, text } from '../values.ts'
import { count } from './told.ts'

export interface Named {
  actor: Identifier
  actorKind: ActorKind
}

/** https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-schema#user-type */
const KINDS: Record<string, ActorKind> = {
  0: 'user',
  regular: 'user',
  2: 'user',
  admin: 'user',
  // Microsoft's own and partners' technicians.
  3: 'external',
  dcadmin: 'external',
  9: 'external',
  partnertechnician: 'external',
  4: 'service',
  system: 'service',
  5: 'service',
  application: 'service',
  6: 'service',
  serviceprincipal: 'service',
  7: 'service',
  custompolicy: 'service',
  8: 'service',
  systempolicy: 'service',
  10: 'guest',
  guest: 'guest',
}

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** How SharePoint writes whoever came by a link: `urn:spo:guest#somebody@other.example`, `urn:spo:anonymous#…`. */
const BY_LINK = /^urn:spo:(guest|anonymous|tenantanon)#(.*)$/i
/** Written into the UPN of a guest, whatever domain it ends in. */
export const isGuest = (upn: string): boolean => upn.toLowerCase().includes('#ext#')

/** Who did it: by UPN, else by the id or name that stands in its place. */
export function actorOf(record: Json): Named {
  const user = (text(record['UserId']) ?? text(record['UserKey']) ?? '').trim()
  const [, byLink, rest = ''] = BY_LINK.exec(user) ?? []
  if (byLink?.toLowerCase() === 'guest' && isAddress(rest)) return named('address', rest, 'guest')
  if (byLink !== undefined || user.toLowerCase() === 'anonymous')
    return named('vendor_id', 'microsoft:anonymous', 'anonymous')
  const kind = KINDS[String(count(record['UserType']) ?? text(record['UserType'])?.toLowerCase() ?? '')] ?? 'unknown'
  if (isAddress(user)) return named('address', user, isGuest(user) ? 'guest' : kind === 'unknown' ? 'user' : kind)
  if (GUID.test(user)) return named('vendor_id', `entra:${user}`, kind)
  // `app@sharepoint`, `NT AUTHORITY\SYSTEM`, `Not Available`: nobody who is a person.
  return named('vendor_id', `microsoft:${user || 'unknown'}`, kind === 'user' ? 'unknown' : kind)
}

const named = (scheme: Identifier['scheme'], value: string, actorKind: ActorKind): Named => ({
  actor: { scheme, value: value.toLowerCase() },
  actorKind,
})
