import type { Activity, Audience, Verb } from '../../domain/signal.ts'
import { type Json, list, text } from '../values.ts'

/** Events that change who can reach something. */
const SHARING = new Set([
  'change_user_access',
  'change_document_visibility',
  'change_document_access_scope',
  'change_acl_editors',
  'publish_change',
  'shared_drive_membership_change',
])

/** Acts by which somebody else gains access: where the data goes is then told. */
const GIVES_ACCESS = new Set<Verb>(['share_add', 'share_change', 'owner_change'])

/** Visibility of a document after the event. */
const AUDIENCES: Record<string, Audience> = {
  private: 'private',
  shared_internally: 'specific_internal',
  people_within_domain_with_link: 'domain',
  public_in_the_domain: 'domain',
  shared_externally: 'specific_external',
  people_with_link: 'anyone_with_link',
  public_on_the_web: 'public',
}

const OUTSIDE = new Set<Audience>(['specific_external', 'anyone_with_link', 'public'])
/** As a target domain: anybody at all. */
const ANYONE = 'all'

const words = (value: unknown): string[] => (Array.isArray(value) ? list(value) : [value]).filter(text) as string[]

/** Roles and visibilities that leave nobody but the owner. */
const isNothing = (given: readonly string[]): boolean => given.every((word) => word === 'none' || word === 'private')

export const isSharing = (name: string): boolean => SHARING.has(name)

/** Given, taken away, or changed: by what stood before and what stands after. */
export function sharingVerb(parameters: Json): Verb {
  const before = words(parameters['old_value'] ?? parameters['removed_role'])
  const after = words(parameters['new_value'] ?? parameters['added_role'])
  if (before.length === 0 && after.length === 0) return 'share_change'
  if (isNothing(after)) return 'share_remove'
  return isNothing(before) ? 'share_add' : 'share_change'
}

/** Who can reach the document afterwards, and whether what was given went outside. Nothing where nothing was shared. */
export function reachOf(
  verb: Verb,
  parameters: Json,
  internal: (addressOrDomain: string) => boolean,
): Pick<Activity, 'audienceAfter' | 'destinationIsExternal'> {
  if (!GIVES_ACCESS.has(verb) && verb !== 'share_remove') return {}
  const visible = AUDIENCES[text(parameters['visibility']) ?? '']
  if (!GIVES_ACCESS.has(verb)) return visible ? { audienceAfter: visible } : {}
  const external = isExternal(parameters, visible, internal)
  const audience =
    visible ?? (external === undefined ? undefined : external ? 'specific_external' : 'specific_internal')
  return {
    ...(audience ? { audienceAfter: audience } : {}),
    ...(external === undefined ? {} : { destinationIsExternal: external }),
  }
}

/** By whom it was shared with, where the source names somebody; else by how visible it has become. */
function isExternal(
  parameters: Json,
  visible: Audience | undefined,
  internal: (addressOrDomain: string) => boolean,
): boolean | undefined {
  const target = text(parameters['new_owner']) ?? text(parameters['target_user']) ?? text(parameters['target_domain'])
  if (target !== undefined) return target === ANYONE || !internal(target)
  if (parameters['visibility_change'] === 'external') return true
  return visible && OUTSIDE.has(visible)
}
