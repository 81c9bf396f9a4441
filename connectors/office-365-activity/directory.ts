import type { Fact, Mapped, Verb } from '../../domain/signal.ts'
import { isAddress, type Json, list, object, text } from '../values.ts'
import { plainName } from './records.ts'
import { present, type Told } from './told.ts'

/** What Entra ID records of sign-ins and of the directory; that an account is deleted is no deletion of data. https://learn.microsoft.com/entra/identity/monitoring-health/reference-audit-activities */
const VERBS: Record<string, Verb> = {
  userloggedin: 'login',
  userloginfailed: 'login_failed',
  userloggedoff: 'logout',
  'consent to application': 'app_authorize',
  'add oauth2permissiongrant': 'app_authorize',
  'add delegated permission grant': 'app_authorize',
  'add app role assignment grant to user': 'app_authorize',
  'add registered owner to device': 'device_link',
  'add registered users to device': 'device_link',
  'register device': 'device_link',
  'add member to role': 'permission_policy_change',
  'add eligible member to role': 'permission_policy_change',
  'add owner to application': 'permission_policy_change',
  'add owner to service principal': 'permission_policy_change',
  'update policy': 'permission_policy_change',
  'update conditional access policy': 'permission_policy_change',
  'delete conditional access policy': 'permission_policy_change',
}

export function directoryTold(record: Json, operation: string): Told {
  const verb = VERBS[plainName(operation)] ?? 'other'
  return {
    verb,
    ...present({ object: text(record['ObjectId']) }),
    ...(verb === 'login_failed' ? { outcome: 'failure' as const } : {}),
  }
}

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** Entra puts the object id, without hyphens, before the UPN of a deleted account. */
const DELETED = /^([0-9a-f]{32})(.+@.+)$/i

/** A deleted account, as what is true of its owner from then on; a restored one takes that back. */
export function accountFact(record: Json, operation: string, at: Date): Mapped {
  const targets = list(record['Target']).flatMap((target) => text(object(target)['ID']) ?? [])
  const [upn] = [text(record['ObjectId']), ...targets].flatMap((name) => {
    const plain = DELETED.exec(name ?? '')?.[2] ?? name
    return plain !== undefined && isAddress(plain) ? plain.toLowerCase() : []
  })
  const objectId = targets.find((target) => GUID.test(target))?.toLowerCase()
  const entra = objectId === undefined ? undefined : { scheme: 'vendor_id' as const, value: `entra:${objectId}` }
  const person = upn === undefined ? entra : { scheme: 'address' as const, value: upn }
  if (!person)
    return { type: 'rejected', code: 'identifier_invalid', cell: 'ObjectId', expected: 'the UPN of an account' }
  return {
    type: 'fact',
    kind: 'account_deleted',
    person,
    ...(upn !== undefined && entra ? { aliases: [entra] } : {}),
    naturalKey: 'account_deleted',
    effectiveAt: at,
    withdrawn: plainName(operation) === 'restore user',
    newestCounts: true,
    attributes: {},
  } satisfies Fact
}
