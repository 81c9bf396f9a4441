import { isIP } from 'node:net'
import type { Severity } from '../../domain/alert.ts'
import type {
  Activity,
  ActorKind,
  Audience,
  Finding,
  Identifier,
  Mapped,
  Outcome,
  Rejected,
  Verb,
} from '../../domain/signal.ts'
import { instantOf } from '../instants.ts'
import { idText, isAddress, isObject, type Json, number, object, text } from '../values.ts'

/** Event types to verbs; what is not listed is kept as `other`. https://developer.box.com/reference/get-events (read 2026-11-22) */
const VERBS: Record<string, Verb> = {
  DOWNLOAD: 'download',
  FILE_WATERMARKED_DOWNLOAD: 'download',
  SHIELD_DOWNLOAD_BLOCKED: 'download',
  UPLOAD: 'upload',
  PREVIEW: 'preview',
  CONTENT_ACCESS: 'view',
  EDIT: 'edit',
  COPY: 'copy',
  MOVE: 'move',
  RENAME: 'rename',
  DELETE: 'delete',
  UNDELETE: 'restore',
  ITEM_SYNC: 'sync_download',
  SHARE: 'link_create',
  SHARED_LINK_SEND: 'link_create',
  ITEM_SHARED_UPDATE: 'share_change',
  UNSHARE: 'link_remove',
  COLLABORATION_INVITE: 'share_add',
  COLLABORATION_ACCEPT: 'share_add',
  SHIELD_EXTERNAL_COLLAB_INVITE_BLOCKED: 'share_add',
  SHIELD_EXTERNAL_COLLAB_INVITE_JUSTIFIED: 'share_add',
  COLLABORATION_ROLE_CHANGE: 'share_change',
  COLLABORATION_REMOVE: 'share_remove',
  COLLABORATION_EXPIRATION: 'share_remove',
  SHIELD_EXTERNAL_COLLAB_ACCESS_BLOCKED: 'link_access',
  SHIELD_SHARED_LINK_ACCESS_BLOCKED: 'link_access',
  LOGIN: 'login',
  ADMIN_LOGIN: 'login',
  FAILED_LOGIN: 'login_failed',
  ADD_LOGIN_ACTIVITY_DEVICE: 'device_link',
  DEVICE_TRUST_CHECK_FAILED: 'detection',
  FILE_MARKED_MALICIOUS: 'detection',
  AI_SECURITY_DETECTION: 'detection',
  CONTENT_WORKFLOW_ABNORMAL_DOWNLOAD_ACTIVITY: 'detection',
  CONTENT_WORKFLOW_SHARING_POLICY_VIOLATION: 'detection',
  CONTENT_WORKFLOW_UPLOAD_POLICY_VIOLATION: 'detection',
}

/** Access of a shared link. */
const AUDIENCES: Record<string, Audience> = {
  open: 'anyone_with_link',
  company: 'domain',
  collaborators: 'specific_internal',
}

/** Who acts where nobody is signed in. */
const ANONYMOUS_ID = '2'
/** The accounts of apps. */
const SERVICE_DOMAIN = 'boxdevedition.com'

/** One enterprise event to one signal. Never throws: what does not fit is rejected with its path. */
export function map(record: unknown): Mapped {
  if (!isObject(record)) return reject('field_invalid', '', 'an enterprise event')
  const id = idText(record['event_id'])
  if (!id) return reject('event_id_missing', 'event_id')
  const name = text(record['event_type'])
  if (!name) return reject('field_invalid', 'event_type', 'a name')
  const at = instantOf(record['created_at'])
  if (!at) return reject('date_invalid', 'created_at', 'ISO 8601 with an offset')
  const details = object(record['additional_details'])
  if (name === 'SHIELD_ALERT') return alertOf(record, object(details['shield_alert']), id, at)

  const source = object(record['source'])
  const { actor, actorKind } = accountOf(record['created_by'])
  const verb = VERBS[name] ?? 'other'
  const ip = text(record['ip_address'])
  const size = number(details['size'])
  const item = text(source['item_name']) ?? (source['type'] === 'user' ? undefined : text(source['name']))
  const folder = idText(object(source['parent'])['id'])
  const reach = reachOf(record, verb)
  return {
    type: 'activity',
    sourceId: id,
    actor,
    actorKind,
    at,
    verb,
    nativeEvent: name,
    outcome: outcomeOf(name),
    ...(item ? { object: item } : {}),
    ...(folder ? { container: folder } : {}),
    ...(size !== undefined && size >= 0 ? { sizeBytes: size } : {}),
    ...(ip && isIP(ip) > 0 ? { originIp: ip } : {}),
    ...reach,
    ...(isObject(record['action_by']) ? { flags: ['impersonated'] } : {}),
    raw: record,
  } satisfies Activity
}

const reject = (code: Rejected['code'], cell: string, expected?: string): Rejected => ({
  type: 'rejected',
  code,
  cell,
  ...(expected ? { expected } : {}),
})

function outcomeOf(name: string): Outcome {
  if (name.endsWith('_BLOCKED')) return 'blocked'
  if (name.endsWith('_JUSTIFIED')) return 'warned_overridden'
  return name === 'FAILED_LOGIN' ? 'failure' : 'success'
}

function accountOf(value: unknown): { actor: Identifier; actorKind: ActorKind } {
  const account = object(value)
  const login = text(account['login']) ?? text(account['email'])
  const id = idText(account['id'])
  if (id === ANONYMOUS_ID) return { actor: { scheme: 'vendor_id', value: 'box:anonymous' }, actorKind: 'anonymous' }
  if (login && isAddress(login)) {
    const value = login.toLowerCase()
    return { actor: { scheme: 'address', value }, actorKind: domainOf(value) === SERVICE_DOMAIN ? 'service' : 'user' }
  }
  return { actor: { scheme: 'vendor_id', value: `box:${id ?? 'unknown'}` }, actorKind: id ? 'user' : 'unknown' }
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

/** Who can reach the item afterwards: by the link's access, or by whom it was shared with. */
function reachOf(record: Json, verb: Verb): Pick<Activity, 'audienceAfter' | 'destinationIsExternal'> {
  if (verb !== 'share_add' && verb !== 'share_change' && verb !== 'link_create') return {}
  const source = object(record['source'])
  const link =
    AUDIENCES[
      text(object(source['shared_link'])['access']) ?? text(object(record['additional_details'])['access']) ?? ''
    ]
  if (link) return { audienceAfter: link, destinationIsExternal: link === 'anyone_with_link' }
  const target = text(object(record['accessible_by'])['login'])
  const own = text(object(source['owned_by'])['login']) ?? text(object(record['created_by'])['login'])
  if (!target || !own || !isAddress(target) || !isAddress(own)) return {}
  const external = domainOf(target) !== domainOf(own)
  return { audienceAfter: external ? 'specific_external' : 'specific_internal', destinationIsExternal: external }
}

/** An alert of Box Shield: told once. */
function alertOf(record: Json, alert: Json, id: string, at: Date): Finding {
  const about = isObject(alert['user']) ? accountOf(alert['user']) : accountOf(record['created_by'])
  const known = about.actorKind === 'user' || about.actorKind === 'service'
  return {
    type: 'finding',
    sourceId: id,
    versionAt: at,
    at,
    people: known ? [about.actor] : [],
    peopleKinds: known ? [about.actorKind] : [],
    nativeEvent: text(alert['rule_name']) ?? 'SHIELD_ALERT',
    product: 'box_shield',
    severity: severityOf(alert),
    category: (text(alert['rule_category']) ?? 'unknown').toLowerCase().replaceAll(/[^a-z0-9]+/g, '_'),
    state: 'open',
    raw: record,
  }
}

function severityOf(alert: Json): 'informational' | Severity {
  const priority = text(alert['priority'])?.toLowerCase()
  if (priority === 'low' || priority === 'medium' || priority === 'high') return priority
  const risk = number(alert['risk_score'])
  if (risk === undefined) return 'informational'
  return risk >= 70 ? 'high' : risk >= 40 ? 'medium' : 'low'
}
