import type { Fact, Identifier, Mapped } from '../../domain/signal.ts'
import { instantOf } from '../instants.ts'
import { idText, isAddress, type Json, list, object, text } from '../values.ts'

/** Profiles have no date of their own: they are true until another says otherwise. */
const PROFILE_SINCE = new Date(0)

/** One thing that the directory tells of a user. */
export function map(record: unknown): Mapped {
  const { tells, user: told, readAt } = object(record)
  const user = object(told)
  const id = text(user['id'])
  if (id === undefined) return { type: 'rejected', code: 'identifier_invalid', cell: 'id', expected: 'an object id' }
  const account: Identifier = { scheme: 'vendor_id', value: `entra:${id.toLowerCase()}` }
  const at = instantOf(readAt)
  if (!at) return { type: 'rejected', code: 'date_invalid', cell: 'readAt', expected: 'ISO 8601' }
  if (tells === 'account') return accountFact(user, account, at)
  const guest = text(user['userType'])?.toLowerCase() === 'guest'
  const addresses = guest ? [] : addressesOf(user)
  if (!guest && addresses.length === 0)
    return { type: 'rejected', code: 'identifier_invalid', cell: 'userPrincipalName', expected: 'name@example.com' }
  return tells === 'leave' ? leaveFact(user, account, addresses) : profileFact(user, account, addresses, guest)
}

function profileFact(user: Json, person: Identifier, addresses: Identifier[], guest: boolean): Fact {
  const [number, name] = [idText(user['employeeId'])?.trim(), text(user['onPremisesSamAccountName'])?.trim()]
  const aliases: Identifier[] = guest
    ? []
    : [
        ...addresses,
        ...(number ? [{ scheme: 'employee_number' as const, value: number }] : []),
        ...(name ? [{ scheme: 'user_name' as const, value: name }] : []),
      ]
  const manager = list(user['manager@delta']).find((each) => !('@removed' in object(each)))
  return {
    type: 'fact',
    kind: 'employee_profile',
    person,
    ...(aliases.length > 0 ? { aliases } : {}),
    ...(guest ? { personKind: 'guest' as const } : {}),
    naturalKey: 'employee_profile',
    effectiveAt: PROFILE_SINCE,
    attributes: present({
      department: text(user['department']),
      userType: guest ? 'guest' : undefined,
      accountEnabled: typeof user['accountEnabled'] === 'boolean' ? String(user['accountEnabled']) : undefined,
    }),
    personal: present({
      givenName: text(user['givenName']),
      surname: text(user['surname']),
      managerId: text(object(manager)['id']),
    }),
  }
}

/** The leave of the account by which an HR system names the person as well: the newer word counts. */
function leaveFact(user: Json, account: Identifier, [first]: Identifier[]): Mapped {
  const person = first ?? account
  const fact = {
    type: 'fact' as const,
    kind: 'resignation' as const,
    person,
    naturalKey: 'resignation',
    attributes: {},
  }
  const leave = user['employeeLeaveDateTime']
  if (leave === null) return { ...fact, effectiveAt: PROFILE_SINCE, withdrawn: true, takesBack: true }
  const lastWorkingAt = instantOf(leave)
  if (!lastWorkingAt)
    return { type: 'rejected', code: 'date_invalid', cell: 'employeeLeaveDateTime', expected: 'ISO 8601' }
  return { ...fact, effectiveAt: lastWorkingAt, lastWorkingAt }
}

/** A user who is told of again is no longer removed; of one that never was this says nothing. */
const accountFact = (user: Json, person: Identifier, at: Date): Fact => ({
  type: 'fact',
  kind: 'account_deleted',
  person,
  naturalKey: 'account_deleted',
  effectiveAt: at,
  ...('@removed' in user ? {} : { withdrawn: true, takesBack: true }),
  newestCounts: true,
  attributes: {},
})

/** The UPN first, then the addresses, each once. */
function addressesOf(user: Json): Identifier[] {
  const proxies = list(user['proxyAddresses']).flatMap((each) => /^smtp:(.+)$/i.exec(text(each) ?? '')?.[1] ?? [])
  const named = [text(user['userPrincipalName']), text(user['mail']), ...proxies]
  const values = new Set(named.flatMap((value) => (value && isAddress(value) ? value.toLowerCase() : [])))
  return [...values].map((value) => ({ scheme: 'address', value }))
}

const present = (values: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined))
