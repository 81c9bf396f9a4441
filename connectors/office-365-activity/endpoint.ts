import type { Outcome, Verb } from '../../domain/signal.ts'
import { isObject, type Json, list, text } from '../values.ts'
import type { Outside } from './domains.ts'
import { count, present, type Told } from './told.ts'

/** What devices record that endpoint DLP watches. https://learn.microsoft.com/purview/endpoint-dlp-learn-about */
const VERBS: Record<string, Verb> = {
  filecopiedtoremovablemedia: 'copy_to_removable',
  filecreatedonremovablemedia: 'copy_to_removable',
  filemovedtoremovablemedia: 'copy_to_removable',
  filecopiedtonetworkshare: 'copy_to_network_share',
  filecreatedonnetworkshare: 'copy_to_network_share',
  fileuploadedtocloud: 'upload_to_cloud',
  filecopiedtoclipboard: 'copy_to_clipboard',
  fileprinted: 'print',
  filecopiedtoremotedesktopsession: 'copy',
  filecopied: 'copy',
  fileaccessedbyunallowedapp: 'view',
  fileread: 'view',
  filerenamed: 'rename',
  filecreated: 'create',
  filemodified: 'edit',
  filedeleted: 'delete',
  archivecreated: 'create',
  filedownloadedfrombrowser: 'download',
}
/** 0 none, 1 audit, 2 warn, 3 warn and go on, 4 block, 5 allow. */
const OUTCOMES: Record<number, Outcome> = { 2: 'unknown', 3: 'warned_overridden', 4: 'blocked' }

export function endpointTold(record: Json, operation: string, outside: Outside): Told {
  const name = operation.toLowerCase()
  const domain = text(record['TargetDomain'])
  const outcome = OUTCOMES[count(record['EnforcementMode']) ?? 0]
  return {
    verb: VERBS[name] ?? 'other',
    ...present({
      object: text(record['ObjectId']),
      container: domain ?? text(record['DeviceName']),
      sizeBytes: count(record['FileSize']),
      destinationIsExternal: domain === undefined ? undefined : outside(domain),
      outcome,
    }),
    flags: [
      ...(list(record['SensitiveInfoTypeData']).length > 0 ? ['sensitive_info'] : []),
      ...(isObject(record['PolicyMatchInfo']) ? ['dlp_rule_matched'] : []),
      ...(name === 'fileaccessedbyunallowedapp' ? ['unallowed_app'] : []),
    ],
  }
}
