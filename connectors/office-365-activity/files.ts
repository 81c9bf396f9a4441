import type { Activity, Audience, Verb } from '../../domain/signal.ts'
import { type Json, text } from '../values.ts'
import { isGuest } from './actor.ts'
import type { Outside } from './domains.ts'
import { count, isTrue, present, type Told } from './told.ts'

/** What SharePoint and OneDrive record of files; folders alike. https://learn.microsoft.com/purview/audit-log-activities */
const ITEM_VERBS: Record<string, Verb> = {
  accessed: 'view',
  accessedextended: 'view',
  previewed: 'preview',
  downloaded: 'download',
  syncdownloadedfull: 'sync_download',
  syncdownloadedpartial: 'sync_download',
  syncuploadedfull: 'upload',
  syncuploadedpartial: 'upload',
  uploaded: 'upload',
  uploadedpartial: 'upload',
  created: 'create',
  modified: 'edit',
  modifiedextended: 'edit',
  copied: 'copy',
  moved: 'move',
  renamed: 'rename',
  deleted: 'delete',
  recycled: 'delete',
  deletedfirststagerecyclebin: 'delete',
  deletedsecondstagerecyclebin: 'purge',
  versionsallrecycled: 'delete',
  versionsalldeleted: 'purge',
  restored: 'restore',
  sensitivitylabelapplied: 'label_apply',
  sensitivitylabelchanged: 'label_change',
  sensitivitylabelremoved: 'label_remove',
}
const ITEM = /^(?:file|folder|document)(.+)$/

const SHARE_VERBS: Record<string, Verb> = {
  sharingset: 'share_add',
  sharinginvitationcreated: 'share_add',
  sharinginvitationblocked: 'share_add',
  sharinginvitationupdated: 'share_change',
  sharinginvitationrevoked: 'share_remove',
  sharinginvitationaccepted: 'link_access',
  sharingrevoked: 'share_remove',
  sharinginheritancebroken: 'share_change',
  sharinginheritancereset: 'share_change',
  addedtogroup: 'share_add',
  removedfromgroup: 'share_remove',
  anonymouslinkcreated: 'link_create',
  anonymouslinkupdated: 'share_change',
  anonymouslinkremoved: 'link_remove',
  anonymouslinkused: 'link_access',
  companylinkcreated: 'link_create',
  companylinkremoved: 'link_remove',
  companylinkused: 'link_access',
  securelinkcreated: 'link_create',
  securelinkupdated: 'share_change',
  securelinkdeleted: 'link_remove',
  securelinkused: 'link_access',
  addedtosecurelink: 'share_add',
  removedfromsecurelink: 'share_remove',
  accessrequestcreated: 'other',
  accessrequestapproved: 'share_add',
  sitecollectionadminadded: 'permission_policy_change',
  permissionlevelmodified: 'permission_policy_change',
  sharingpolicychanged: 'permission_policy_change',
}

/** Acts by which somebody gains access: where the data goes is then told. */
const GIVES_ACCESS = new Set<Verb>(['share_add', 'share_change', 'link_create'])
/** A group that stands for everybody inside. */
const ALL_INSIDE = /^everyone except external users$/i

export function filesTold(record: Json, operation: string, outside: Outside): Told {
  const name = operation.toLowerCase()
  const item = ITEM.exec(name)?.[1]
  const verb = (item === undefined ? undefined : ITEM_VERBS[item]) ?? SHARE_VERBS[name] ?? 'other'
  return {
    verb,
    ...present({
      object: text(record['ObjectId']) ?? pathOf(record),
      container: text(record['SiteUrl']) ?? text(record['Site']),
      sizeBytes: count(record['FileSizeBytes']),
    }),
    ...(GIVES_ACCESS.has(verb) ? reachOf(name, record, outside) : {}),
    ...(name === 'sharinginvitationblocked' ? { outcome: 'blocked' as const } : {}),
    flags: [
      ...(record['ItemType'] === 'Folder' || name.startsWith('folder') ? ['folder'] : []),
      ...(text(record['SensitivityLabelId']) ? ['labelled'] : []),
      ...(record['IsManagedDevice'] !== undefined && !isTrue(record['IsManagedDevice']) ? ['unmanaged_device'] : []),
    ],
  }
}

const pathOf = (record: Json): string | undefined => {
  const parts = [text(record['SourceRelativeUrl']), text(record['SourceFileName'])].filter(Boolean)
  return parts.length > 0 ? parts.join('/') : undefined
}

/** By the kind of link, or by who was let in. */
function reachOf(
  name: string,
  record: Json,
  outside: Outside,
): Pick<Activity, 'audienceAfter' | 'destinationIsExternal'> {
  if (name.startsWith('anonymous')) return reach('anyone_with_link', true)
  if (name.startsWith('company')) return reach('domain', false)
  const target = text(record['TargetUserOrGroupName']) ?? text(record['UserSharedWith']) ?? ''
  if (ALL_INSIDE.test(target)) return reach('domain', false)
  const type = text(record['TargetUserOrGroupType'])?.toLowerCase()
  // A member of a group is whoever the group has: groups are not looked into.
  const isOutside =
    type === 'guest' || type === 'partner' || isGuest(target)
      ? true
      : target.includes('@')
        ? (outside(target) ?? (type === 'member' ? false : undefined))
        : type === 'member'
          ? false
          : undefined
  return isOutside === undefined ? {} : reach(isOutside ? 'specific_external' : 'specific_internal', isOutside)
}

const reach = (audienceAfter: Audience, destinationIsExternal: boolean) => ({ audienceAfter, destinationIsExternal })
