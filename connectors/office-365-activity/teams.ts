import type { Verb } from '../../domain/signal.ts'
import { type Json, list, object, text } from '../values.ts'
import { anyOutside, type Outside } from './domains.ts'
import { present, type Told } from './told.ts'

/** What Teams records. https://learn.microsoft.com/purview/audit-teams-audit-log-events */
const VERBS: Record<string, Verb> = {
  teamssessionstarted: 'login',
  messagesent: 'send',
  messagecreatedhaslink: 'send',
  messagesexported: 'export_report',
  recordingexported: 'export_report',
  transcriptsexported: 'export_report',
  memberadded: 'share_add',
  memberremoved: 'share_remove',
  memberrolechanged: 'permission_policy_change',
  appinstalled: 'app_authorize',
  teamdeleted: 'delete',
  channeldeleted: 'delete',
}

export function teamsTold(record: Json, operation: string, outside: Outside): Told {
  const verb = VERBS[operation.toLowerCase()] ?? 'other'
  const members = list(record['Members']).flatMap((member) => text(object(member)['UPN']) ?? [])
  const isOutside = verb === 'share_add' ? anyOutside(members, outside) : undefined
  return {
    verb,
    ...present({
      object: text(record['ChannelName']) ?? text(record['ObjectId']),
      container: text(record['TeamName']),
      itemCount: members.length > 0 ? members.length : undefined,
      destinationIsExternal: isOutside,
      audienceAfter: isOutside === undefined ? undefined : isOutside ? 'specific_external' : 'specific_internal',
    }),
  } as Told
}
