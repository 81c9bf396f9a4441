import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import type { Severity } from '../../domain/alert.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import type { Activity, ActorKind, Audience, Finding, Identifier, Mapped, Rejected, Verb } from '../../domain/signal.ts'
import { instantOf } from '../instants.ts'
import { isAddress, isObject, type Json, list, number, object, text } from '../values.ts'

/** Event types to verbs; what is not listed is kept as `other`. https://github.com/dropbox/dropbox-api-spec team_log (read 2026-11-22) */
const VERBS: Record<string, Verb> = {
  file_download: 'download',
  shared_link_download: 'download',
  shared_content_download: 'download',
  file_transfers_transfer_download: 'download',
  file_add: 'upload',
  file_edit: 'edit',
  file_preview: 'preview',
  shared_link_view: 'preview',
  shared_content_view: 'preview',
  file_copy: 'copy',
  shared_content_copy: 'copy',
  shared_link_copy: 'copy',
  file_move: 'move',
  file_rename: 'rename',
  file_delete: 'delete',
  file_permanently_delete: 'purge',
  file_restore: 'restore',
  create_folder: 'create',
  shared_link_create: 'link_create',
  shared_link_share: 'link_create',
  shared_link_disable: 'link_remove',
  shared_link_remove_expiry: 'share_change',
  shared_content_add_member: 'share_add',
  shared_content_add_invitees: 'share_add',
  shared_content_remove_member: 'share_remove',
  shared_content_remove_invitees: 'share_remove',
  shared_content_unshare: 'share_remove',
  shared_content_change_member_role: 'share_change',
  shared_link_change_visibility: 'share_change',
  shared_link_settings_change_audience: 'share_change',
  shared_folder_create: 'share_add',
  shared_folder_transfer_ownership: 'owner_change',
  member_transfer_account_contents: 'owner_change',
  file_transfers_transfer_send: 'share_add',
  object_label_added: 'label_apply',
  object_label_updated_value: 'label_change',
  object_label_removed: 'label_remove',
  login_success: 'login',
  sso_login: 'login',
  sign_in_as_session_start: 'login',
  login_fail: 'login_failed',
  logout: 'logout',
  device_link_success: 'device_link',
  app_link_user: 'app_authorize',
  app_link_team: 'app_authorize',
}

/** Acts by which somebody else gains access: whether a stranger takes part is then where the data goes. */
const GIVES_ACCESS = new Set<Verb>(['share_add', 'share_change', 'link_create', 'owner_change'])

/** Visibility and audience of links. Behind a password it is still anyone who has the link and the word. */
const AUDIENCES: Record<string, Audience> = {
  public: 'anyone_with_link',
  password: 'anyone_with_link',
  team_only: 'domain',
  team: 'domain',
  members: 'private',
  no_one: 'private',
}

const SEVERITIES: Record<string, 'informational' | Severity> = {
  info: 'informational',
  low: 'low',
  medium: 'medium',
  high: 'high',
}

const tagOf = (value: unknown): string | undefined => text(object(value)['.tag'])

/** One event of the team log to one signal. Never throws: what does not fit is rejected with its path. */
export function map(record: unknown): Mapped {
  if (!isObject(record)) return reject('field_invalid', '', 'an event of the team log')
  const name = tagOf(record['event_type'])
  if (!name) return reject('field_invalid', 'event_type..tag', 'a name')
  const at = instantOf(record['timestamp'])
  if (!at) return reject('date_invalid', 'timestamp', 'ISO 8601')
  if (name === 'admin_alerting_triggered_alert') return alertOf(record, name, at)

  const details = object(record['details'])
  const verb = VERBS[name] ?? 'other'
  const external = record['involve_non_team_member'] === true
  const audience =
    AUDIENCES[tagOf(details['new_value']) ?? tagOf(details['audience']) ?? ''] ??
    (verb === 'share_add' && external ? 'specific_external' : undefined)
  const origin = object(record['origin'])
  const access = object(origin['access_method'])
  const ip = text(object(origin['geo_location'])['ip_address'])
  const flags = [
    ...(tagOf(access) === 'sign_in_as' ? ['impersonated'] : []),
    ...(tagOf(access) === 'api' ? ['via_api'] : []),
    ...(tagOf(access['end_user']) === 'desktop' ? ['via_desktop'] : []),
  ]
  return {
    type: 'activity',
    sourceId: contentId(record),
    ...actorOf(record),
    at,
    verb,
    nativeEvent: name,
    outcome: verb === 'login_failed' ? 'failure' : 'success',
    ...touched(list(record['assets']).map(object)),
    ...(ip && isIP(ip) > 0 ? { originIp: ip } : {}),
    ...(audience ? { audienceAfter: audience } : {}),
    ...(GIVES_ACCESS.has(verb) ? { destinationIsExternal: external || audience === 'anyone_with_link' } : {}),
    ...(flags.length > 0 ? { flags } : {}),
    raw: record,
  } satisfies Activity
}

/** An alert of Dropbox's own: it is told once and does not change. */
function alertOf(record: Json, name: string, at: Date): Finding {
  const details = object(record['details'])
  const { actor, actorKind } = actorOf(record)
  const about = isObject(record['context']) ? userOf(record['context']) : undefined
  const people = about ? [about.actor] : actorKind === 'user' ? [actor] : []
  return {
    type: 'finding',
    sourceId: contentId(record),
    versionAt: at,
    at,
    people,
    peopleKinds: people.map(() => about?.actorKind ?? actorKind),
    nativeEvent: text(details['alert_name']) ?? name,
    product: 'dropbox',
    severity: SEVERITIES[tagOf(details['alert_severity']) ?? ''] ?? 'informational',
    category: tagOf(details['alert_category']) ?? 'unknown',
    state: 'open',
    raw: record,
  }
}

const reject = (code: Rejected['code'], cell: string, expected: string): Rejected => ({
  type: 'rejected',
  code,
  cell,
  expected,
})

interface Who {
  actor: Identifier
  actorKind: ActorKind
}

const unnamed = (who: string, actorKind: ActorKind): Who => ({
  actor: { scheme: 'vendor_id', value: `dropbox:${who}` },
  actorKind,
})

/** A case with sub-types nests under its own name; a plain one lies flat beside the tag. */
function actorOf(record: Json): Who {
  const actor = object(record['actor'])
  const tag = tagOf(actor)
  if (tag === 'user' || tag === 'admin') return userOf(actor[tag]) ?? unnamed('unknown', 'unknown')
  if (tag === 'app') return unnamed(`app:${text(object(actor['app'])['app_id']) ?? 'unknown'}`, 'service')
  if (tag === 'dropbox') return unnamed('dropbox', 'service')
  if (tag === 'reseller') return unnamed('reseller', 'external')
  if (tag === 'anonymous') return unnamed('anonymous', 'anonymous')
  // No actor at all: the member on whose behalf it happened. One of a kind that is not known yet is nobody we know.
  return (tag === undefined ? userOf(record['context']) : undefined) ?? unnamed('unknown', 'unknown')
}

function userOf(value: unknown): Who | undefined {
  const user = object(value)
  const email = text(user['email'])
  const account = text(user['account_id']) ?? text(user['team_member_id'])
  const tag = tagOf(user)
  const actorKind: ActorKind = tag === 'non_team_member' || tag === 'trusted_non_team_member' ? 'external' : 'user'
  if (email && isAddress(email)) return { actor: { scheme: 'address', value: email.toLowerCase() }, actorKind }
  return account ? unnamed(account, actorKind) : undefined
}

/** What was touched: the first asset gives the name, all of them the size and the count. */
function touched(assets: readonly Json[]): Pick<Activity, 'object' | 'container' | 'sizeBytes' | 'itemCount'> {
  const [first] = assets
  if (!first) return {}
  const path = object(first['path'])
  const relative = object(path['namespace_relative'])
  const name =
    text(path['contextual']) ??
    text(relative['relative_path']) ??
    text(first['display_name']) ??
    text(first['doc_title']) ??
    text(first['folder_name'])
  const space = text(relative['ns_id'])
  const sizes = assets.flatMap((asset) => number(asset['file_size']) ?? [])
  const items = assets.reduce((sum, asset) => sum + (number(asset['file_count']) ?? 1), 0)
  return {
    ...(name ? { object: name } : {}),
    ...(space ? { container: space } : {}),
    ...(sizes.length > 0 ? { sizeBytes: sizes.reduce((sum, size) => sum + size, 0) } : {}),
    ...(items > 1 ? { itemCount: items } : {}),
  }
}

/**
 * Events have no id: theirs is the hash of what they say, without what the vendor words anew (descriptions, names that
 * people give themselves, the city of an address). Two equal acts within one second are one.
 */
const contentId = (record: Json): string =>
  createHash('sha256')
    .update(canonicalJson(lasting(record)))
    .digest('hex')

function lasting(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lasting)
  if (!isObject(value)) return value
  const isThing = 'path' in value || 'file_id' in value || 'showcase_id' in value
  const kept = Object.entries(value).filter(
    ([name]) =>
      name !== 'description' &&
      !(name === 'display_name' && !isThing) &&
      !((name === 'city' || name === 'region') && 'ip_address' in value),
  )
  return Object.fromEntries(kept.map(([name, member]) => [name, lasting(member)]))
}
