import { isIP } from 'node:net'
import type { Activity, ActorKind, Identifier, Mapped, Rejected, Verb } from '../../domain/signal.ts'
import { instantOf } from '../instants.ts'
import { idText, isAddress, isObject, type Json, list, object, text } from '../values.ts'
import type { GoogleDriveConfig } from './config.ts'
import { domainOf, isInternal } from './domains.ts'
import { parametersOf } from './parameters.ts'
import { isSharing, reachOf, sharingVerb } from './sharing.ts'

/** Event names to verbs; what is not listed is kept as `other`. https://developers.google.com/workspace/admin/reports/v1/appendix/activity/drive */
const VERBS: Record<string, Verb> = {
  view: 'view',
  access_item_content: 'view',
  access_url: 'view',
  preview: 'preview',
  download: 'download',
  email_as_attachment: 'download',
  upload: 'upload',
  create: 'create',
  edit: 'edit',
  print: 'print',
  copy: 'copy',
  source_copy: 'copy',
  move: 'move',
  add_to_folder: 'move',
  remove_from_folder: 'move',
  rename: 'rename',
  trash: 'delete',
  delete: 'purge',
  untrash: 'restore',
  search: 'search',
  connected_sheets_query: 'query_data',
  change_owner: 'owner_change',
}

/** Stands where there is no account of Google Workspace to name. */
const PLACEHOLDER_PROFILE = '105250506097979753968'
/** The accounts of apps. */
const SERVICE_DOMAIN = 'gserviceaccount.com'
/** Side-effects of a parent folder's change. */
const RECONCILED = '_hierarchy_reconciled'

/** One event of an item (see `eventsOf`) to one activity. Never throws: what does not fit is rejected with its path. */
export function map(record: unknown, config: Pick<GoogleDriveConfig, 'admin' | 'internalDomains'>): Mapped {
  if (!isObject(record)) return reject('field_invalid', '', 'an activity item')
  const id = object(record['id'])
  const qualifier = idText(id['uniqueQualifier'])
  if (!qualifier) return reject('event_id_missing', 'id.uniqueQualifier')
  const at = instantOf(id['time'])
  if (!at) return reject('date_invalid', 'id.time', 'ISO 8601')
  const event = object(list(record['events'])[0])
  const name = text(event['name'])
  if (!name) return reject('field_invalid', 'events[0].name', 'a name')

  const parameters = parametersOf(event)
  const internal = isInternal(config)
  const verb = isSharing(name) ? sharingVerb(parameters) : (VERBS[name] ?? 'other')
  const owner = text(parameters['owner'])
  const item = text(parameters['doc_title']) ?? text(parameters['doc_id'])
  const container = text(parameters['shared_drive_id']) ?? owner
  const ip = text(record['ipAddress'])
  const flags = flagsOf(record, name, parameters, owner !== undefined && isAddress(owner) && !internal(owner))
  return {
    type: 'activity',
    sourceId: [text(id['customerId']) ?? '', 'drive', at.toISOString(), qualifier, record['eventIndex'] ?? 0].join('|'),
    ...actorOf(object(record['actor']), internal),
    at,
    verb,
    nativeEvent: name,
    outcome: object(event['status'])['eventStatus'] === 'FAILED' ? 'failure' : 'success',
    ...(item ? { object: item } : {}),
    ...(container ? { container } : {}),
    ...(ip && isIP(ip) > 0 ? { originIp: ip } : {}),
    ...reachOf(verb, parameters, internal),
    ...(flags.length > 0 ? { flags } : {}),
    raw: record,
  } satisfies Activity
}

const reject = (code: Rejected['code'], cell: string, expected?: string): Rejected => ({
  type: 'rejected',
  code,
  cell,
  ...(expected ? { expected } : {}),
})

function actorOf(actor: Json, internal: (address: string) => boolean): { actor: Identifier; actorKind: ActorKind } {
  const email = text(actor['email'])
  const profile = idText(actor['profileId'])
  if (email && isAddress(email)) {
    const value = email.toLowerCase()
    const isService = domainOf(value) === SERVICE_DOMAIN || domainOf(value).endsWith(`.${SERVICE_DOMAIN}`)
    return {
      actor: { scheme: 'address', value },
      actorKind: isService ? 'service' : internal(value) ? 'user' : 'external',
    }
  }
  if (actor['callerType'] === 'KEY') return unnamed(`key:${text(actor['key']) ?? 'unknown'}`, 'service')
  if (profile && profile !== PLACEHOLDER_PROFILE) return unnamed(profile, 'user')
  return unnamed('anonymous', 'anonymous')
}

const unnamed = (who: string, actorKind: ActorKind) => ({
  actor: { scheme: 'vendor_id' as const, value: `google:${who}` },
  actorKind,
})

/** `secondary`: a consequence of another event of the same act, which counts alone. */
function flagsOf(record: Json, name: string, parameters: Json, isOwnerExternal: boolean): string[] {
  const change = parameters['visibility_change']
  return [
    ...(parameters['primary_event'] === false || name.endsWith(RECONCILED) ? ['secondary'] : []),
    ...(change === 'external' || change === 'internal' ? [`visibility_${change}`] : []),
    ...(isOwnerExternal ? ['owner_external'] : []),
    ...(parameters['owner_is_shared_drive'] === true ? ['shared_drive'] : []),
    ...(record['isAgenticAction'] === true ? ['by_agent'] : []),
  ]
}
