import type { Verb } from '../../domain/signal.ts'
import { parseJson } from '../http/json.ts'
import { isAddress, type Json, list, object, text } from '../values.ts'
import { anyOutside, type Outside } from './domains.ts'
import { count, isTrue, pairsOf, present, type Told } from './told.ts'

/** What Exchange records of mailboxes and of admins. https://learn.microsoft.com/purview/audit-mailboxes */
const VERBS: Record<string, Verb> = {
  send: 'send',
  sendas: 'send',
  sendonbehalf: 'send',
  mailitemsaccessed: 'mailbox_access',
  folderbind: 'mailbox_access',
  messagebind: 'mailbox_access',
  create: 'create',
  update: 'edit',
  copy: 'copy',
  move: 'move',
  movetodeleteditems: 'delete',
  softdelete: 'delete',
  harddelete: 'purge',
  mailboxlogin: 'login',
  searchqueryinitiatedexchange: 'search',
  'new-mailboxexportrequest': 'export_report',
  'new-compliancesearchaction': 'export_report',
  'new-compliancesearch': 'search',
  'add-mailboxpermission': 'permission_policy_change',
  'add-recipientpermission': 'permission_policy_change',
  'add-mailboxfolderpermission': 'permission_policy_change',
  addfolderpermissions: 'permission_policy_change',
  modifyfolderpermissions: 'permission_policy_change',
  updatefolderpermissions: 'permission_policy_change',
  updatecalendardelegation: 'permission_policy_change',
  'set-mailboxauditbypassassociation': 'logging_change',
}
/** Rules and settings by which mail leaves on its own. */
const MAY_FORWARD = new Set([
  'new-inboxrule',
  'set-inboxrule',
  'updateinboxrules',
  'set-mailbox',
  'new-transportrule',
  'set-transportrule',
])
const FORWARDS = /^(?:forward\w*|redirect\w*|blindcopyto|copyto)$/i
/** Settings by which less is recorded, with the values that do so. */
const STOPS_LOGGING = new Map([
  ['auditenabled', /^(?:\$?false)$/i],
  ['unifiedauditlogingestionenabled', /^(?:\$?false)$/i],
])

export function mailTold(record: Json, operation: string, outside: Outside): Told {
  const name = operation.toLowerCase()
  const settings = pairsOf(record['Parameters'])
  const targets = MAY_FORWARD.has(name) ? forwardsTo(record, settings) : null
  const stops = settings.some(([key, value]) => STOPS_LOGGING.get(key.toLowerCase())?.test(String(value)))
  const isOutside = targets ? anyOutside(targets, outside) : undefined
  return {
    verb: targets ? 'forward_rule' : stops ? 'logging_change' : (VERBS[name] ?? 'other'),
    ...present({
      object: subjectOf(record) ?? text(record['ObjectId']),
      container: text(record['MailboxOwnerUPN']),
      sizeBytes: count(object(record['Item'])['SizeInBytes']),
      itemCount: itemsOf(record),
      destinationIsExternal: isOutside,
    }),
    flags: flagsOf(record, name),
  }
}

const subjectOf = (record: Json): string | undefined =>
  text(object(record['Item'])['Subject']) ?? text(object(listOf(record['AffectedItems'])[0])['Subject'])

/** Items touched: an aggregated record counts them, others list them. */
function itemsOf(record: Json): number | undefined {
  const affected = listOf(record['AffectedItems']).length
  const read = listOf(record['Folders']).flatMap((folder) => list(object(folder)['FolderItems'])).length
  const items = count(record['OperationCount']) ?? (affected || read)
  return items > 0 ? items : undefined
}

/** Lists that an export has turned into text are lists all the same. */
const listOf = (value: unknown): unknown[] => list(typeof value === 'string' ? parseJson(value) : value)

/** Where mail is made to go; null where nothing of it does. */
function forwardsTo(record: Json, settings: [string, unknown][]): string[] | null {
  const set = settings.filter(([key, value]) => FORWARDS.test(key) && text(value) && !/^\$?null$/i.test(String(value)))
  if (set.length > 0) return set.flatMap(([, value]) => addressesIn(String(value)))
  // `UpdateInboxRules` tells in its own form: { Name: 'RuleActions', Value: '[{"ActionType":"Forward","Recipients":[…]}]' }.
  const actions = pairsOf(record['OperationProperties']).find(([key]) => key === 'RuleActions')?.[1]
  const forwarding = listOf(actions).filter((action) =>
    /forward|redirect/i.test(text(object(action)['ActionType']) ?? ''),
  )
  return forwarding.length > 0 ? addressesIn(JSON.stringify(forwarding)) : null
}

const addressesIn = (words: string): string[] =>
  words
    .split(/[\s;,:<>"'[\](){}]+/)
    .map((word) => word.replace(/^smtp:/i, ''))
    .filter(isAddress)

/** Admin, delegate. Numbers, or their names in exported records. */
const NOT_OWNER = new Set(['1', '2', '6', 'admin', 'delegated', 'delegatedadmin'])

function flagsOf(record: Json, name: string): string[] {
  const [owner, user] = [record['MailboxOwnerUPN'], record['UserId']].map((each) => text(each)?.toLowerCase())
  const logon = String(record['LogonType'] ?? '').toLowerCase()
  return [
    ...(NOT_OWNER.has(logon) || (owner && user && isAddress(user) && owner !== user) ? ['mailbox_of_other'] : []),
    ...(isTrue(record['ExternalAccess']) ? ['external_access'] : []),
    ...(text(object(record['Item'])['Attachments']) ? ['has_attachment'] : []),
    ...(name === 'sendas' || name === 'sendonbehalf' ? ['on_behalf'] : []),
    ...(pairsOf(record['OperationProperties']).some(([key, value]) => key === 'MailAccessType' && value === 'Sync')
      ? ['mailbox_sync']
      : []),
  ]
}
