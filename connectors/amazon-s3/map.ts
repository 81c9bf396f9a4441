import { isIP } from 'node:net'
import type { Activity, ActorKind, Audience, Identifier, Mapped, Rejected, Verb } from '../../domain/signal.ts'
import { isAddress, type Json, list, number, object, text } from '../values.ts'
import type { S3Config } from './config.ts'

/** Event names to verbs. Source: sources.md of CloudTrail's S3 events; names not listed are kept as `other`. */
const VERBS: Record<string, Verb> = {
  GetObject: 'download',
  SelectObjectContent: 'download',
  HeadObject: 'view',
  GetObjectAcl: 'view',
  GetObjectTagging: 'view',
  GetObjectAttributes: 'view',
  ListObjects: 'list',
  ListObjectsV2: 'list',
  ListObjectVersions: 'list',
  ListParts: 'list',
  ListBuckets: 'list',
  PutObject: 'upload',
  PostObject: 'upload',
  CompleteMultipartUpload: 'upload',
  CreateMultipartUpload: 'other',
  UploadPart: 'upload',
  AbortMultipartUpload: 'other',
  CopyObject: 'copy',
  UploadPartCopy: 'copy',
  DeleteObject: 'delete',
  DeleteObjects: 'delete',
  DeleteBucket: 'delete',
  PutObjectAcl: 'permission_policy_change',
  PutBucketAcl: 'permission_policy_change',
  PutBucketPolicy: 'permission_policy_change',
  DeleteBucketPolicy: 'permission_policy_change',
  PutBucketPublicAccessBlock: 'permission_policy_change',
  DeleteBucketPublicAccessBlock: 'permission_policy_change',
  DeletePublicAccessBlock: 'permission_policy_change',
  PutPublicAccessBlock: 'permission_policy_change',
  PutBucketReplication: 'permission_policy_change',
  StopLogging: 'logging_change',
  StartLogging: 'logging_change',
  CreateTrail: 'logging_change',
  DeleteTrail: 'logging_change',
  UpdateTrail: 'logging_change',
  PutEventSelectors: 'logging_change',
  PutBucketLogging: 'logging_change',
  DeleteFlowLogs: 'logging_change',
  DeleteResolverQueryLogConfig: 'logging_change',
  DeleteDetector: 'logging_change',
  GetSecretValue: 'secret_read',
  BatchGetSecretValue: 'secret_read',
  GetParameter: 'secret_read',
  GetParameters: 'secret_read',
  GetPasswordData: 'secret_read',
  ModifySnapshotAttribute: 'snapshot_share',
  ModifyImageAttribute: 'snapshot_share',
  ModifyDBSnapshotAttribute: 'snapshot_share',
  ModifyDBClusterSnapshotAttribute: 'snapshot_share',
  ConsoleLogin: 'login',
  AssumeRole: 'login',
  AssumeRoleWithSAML: 'login',
  AssumeRoleWithWebIdentity: 'login',
  GetFederationToken: 'login',
}

const LOGGING_OFF = new Set([
  'StopLogging',
  'DeleteTrail',
  'DeleteFlowLogs',
  'DeleteResolverQueryLogConfig',
  'DeleteDetector',
])
const PARTS = new Set(['UploadPart', 'UploadPartCopy', 'CreateMultipartUpload', 'AbortMultipartUpload'])

/** One CloudTrail record to one activity. Never throws: what does not fit is rejected with its path. */
export function map(record: unknown, config: S3Config): Mapped {
  if (record === null || typeof record !== 'object' || Array.isArray(record))
    return reject('field_invalid', '', 'a CloudTrail record')
  const event = record as Json
  const eventId = text(event['eventID'])
  const name = text(event['eventName'])
  if (!eventId) return reject('event_id_missing', 'eventID')
  if (!name) return reject('field_invalid', 'eventName', 'a name')
  const version = text(event['eventVersion'])
  if (version && !version.startsWith('1.')) return reject('field_invalid', 'eventVersion', 'version 1.x')
  const at = new Date(text(event['eventTime']) ?? Number.NaN)
  if (Number.isNaN(at.getTime())) return reject('date_invalid', 'eventTime', 'ISO 8601')

  const recipient = text(event['recipientAccountId']) ?? ''
  const nativeId = (id: string) => text(event['sharedEventID']) ?? `${recipient}/${id}`
  const original = text(object(event['addendum'])['originalEventID'])
  const parameters = object(event['requestParameters'])
  const more = object(event['additionalEventData'])
  const { actor, actorKind } = actorOf(event, config)
  const effect = effectOf(name, event, config)
  const failed = text(event['errorCode'])
  const login = object(event['responseElements'])['ConsoleLogin']
  const outcome = failed
    ? /AccessDenied|Unauthorized/.test(failed)
      ? 'blocked'
      : 'failure'
    : login === 'Failure'
      ? 'failure'
      : 'success'
  const verb = name === 'ConsoleLogin' && outcome !== 'success' ? 'login_failed' : (VERBS[name] ?? 'other')
  const size = number(more[verb === 'upload' ? 'bytesTransferredIn' : 'bytesTransferredOut'])
  const ip = text(event['sourceIPAddress'])
  const flags = [...effect.flags]
  if (more['AuthenticationMethod'] === 'QueryString') flags.push('presigned')
  if (PARTS.has(name)) flags.push('secondary')
  const container = text(parameters['bucketName'])
  const key = text(parameters['key']) ?? otherObject(parameters)
  const userAgent = text(event['userAgent'])
  return {
    type: 'activity',
    sourceId: nativeId(eventId),
    ...(original && original !== eventId ? { supersedes: `${recipient}/${original}` } : {}),
    actor,
    actorKind,
    at,
    verb,
    nativeEvent: name,
    outcome,
    ...(container ? { container } : {}),
    ...(key ? { object: key } : {}),
    ...(size !== undefined && size >= 0 ? { sizeBytes: size } : {}),
    ...(ip && isIP(ip) > 0 ? { originIp: ip } : {}),
    ...(userAgent ? { userAgent } : {}),
    ...(effect.audience ? { audienceAfter: effect.audience } : {}),
    ...(effect.external === undefined ? {} : { destinationIsExternal: effect.external }),
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

const otherObject = (parameters: Json): string | undefined =>
  text(parameters['secretId']) ??
  text(parameters['snapshotId']) ??
  text(parameters['dBSnapshotIdentifier']) ??
  text(parameters['imageId']) ??
  text(parameters['name'])

/** Source identity, else the session's name, else the user's name, else the principal. A service is not a person. */
function actorOf(event: Json, config: S3Config): { actor: Identifier; actorKind: ActorKind } {
  const identity = object(event['userIdentity'])
  const type = text(identity['type'])
  const account = text(identity['accountId']) ?? text(event['recipientAccountId']) ?? ''
  const arn = text(identity['arn'])
  const session = object(identity['sessionContext'])
  const invokedBy = text(identity['invokedBy'])
  const principal = (name: string): Identifier => ({ scheme: 'aws_principal', value: `${account}/${name}` })
  if (type === 'AWSService' || (invokedBy?.endsWith('.amazonaws.com') && type === undefined)) {
    return { actor: principal(invokedBy ?? text(event['eventSource']) ?? 'service'), actorKind: 'service' }
  }
  if (account === 'ANONYMOUS_PRINCIPAL' || (type === 'AWSAccount' && !arn && !text(identity['principalId']))) {
    return { actor: principal('anonymous'), actorKind: 'anonymous' }
  }
  const sourceIdentity = text(session['sourceIdentity'])
  const sessionName =
    type === 'AssumedRole' ? (arn?.split('/').at(-1) ?? text(identity['principalId'])?.split(':').at(-1)) : undefined
  const userName = text(identity['userName'])
  const named = sourceIdentity ?? sessionName ?? (userName === 'HIDDEN_DUE_TO_SECURITY_REASONS' ? undefined : userName)
  const role = text(object(session['sessionIssuer'])['userName'])
  const actorKind: ActorKind =
    invokedBy?.endsWith('.amazonaws.com') || role?.startsWith('AWSServiceRole') ? 'service' : 'user'
  if (named && isAddress(named)) return { actor: { scheme: 'address', value: named.toLowerCase() }, actorKind }
  if (type === 'IAMUser' && userName && config.userDomain) {
    return { actor: { scheme: 'address', value: `${userName}@${config.userDomain}`.toLowerCase() }, actorKind }
  }
  return { actor: principal(named ?? arn ?? text(identity['principalId']) ?? type ?? 'unknown'), actorKind }
}

interface Effect {
  audience?: Audience
  external?: boolean
  flags: string[]
}

/** Who can reach the data afterwards, and whether a log was narrowed. */
function effectOf(name: string, event: Json, config: S3Config): Effect {
  const parameters = object(event['requestParameters'])
  const own = new Set([
    text(event['recipientAccountId']),
    text(object(event['userIdentity'])['accountId']),
    ...config.accounts,
    ...config.ownAccounts,
  ])
  const foreign = (account: string) => /^\d{12}$/.test(account) && !own.has(account)
  if (LOGGING_OFF.has(name)) return { flags: ['logging_off'] }
  if (name === 'PutEventSelectors') {
    const selectors = JSON.stringify([parameters['eventSelectors'], parameters['advancedEventSelectors']])
    return {
      flags:
        selectors.includes('"includeManagementEvents":false') || !selectors.includes('AWS::S3::Object')
          ? ['logging_off']
          : [],
    }
  }
  if (name === 'PutBucketLogging') {
    return {
      flags: object(object(parameters['BucketLoggingStatus'])['LoggingEnabled'])['TargetBucket'] ? [] : ['logging_off'],
    }
  }
  if (name === 'UpdateTrail')
    return {
      flags:
        parameters['isMultiRegionTrail'] === false || parameters['includeGlobalServiceEvents'] === false
          ? ['logging_off']
          : [],
    }
  if (name === 'PutBucketPolicy') return sharedWith(policyPrincipals(parameters['bucketPolicy']), foreign)
  if (name === 'PutObjectAcl' || name === 'PutBucketAcl' || name === 'PutObject' || name === 'CopyObject') {
    const effect = aclEffect(parameters, foreign)
    if (name !== 'CopyObject' || effect.external) return effect
    return copyEffect(event, foreign) ?? effect
  }
  if (/^Delete(Bucket)?PublicAccessBlock$/.test(name)) return { flags: ['public_access_block_off'] }
  if (/^Put(Bucket)?PublicAccessBlock$/.test(name)) {
    const block = Object.values(object(parameters['PublicAccessBlockConfiguration']))
    return { flags: block.includes(false) ? ['public_access_block_off'] : [] }
  }
  if (VERBS[name] === 'snapshot_share') return snapshotEffect(parameters, foreign)
  return { flags: [] }
}

function sharedWith(principals: readonly string[], foreign: (account: string) => boolean): Effect {
  if (principals.includes('*')) return { audience: 'public', external: true, flags: [] }
  const accounts = principals.map((principal) => /(\d{12})/.exec(principal)?.[1] ?? '')
  return accounts.some(foreign)
    ? { audience: 'specific_external', external: true, flags: [] }
    : { external: false, flags: [] }
}

/** Principals that a policy allows; a statement with a condition on the whole world is not public. */
function policyPrincipals(policy: unknown): string[] {
  let document = policy
  if (typeof policy === 'string') {
    try {
      document = JSON.parse(policy)
    } catch {
      return []
    }
  }
  const statements = [object(document)['Statement']].flat().map(object)
  return statements
    .filter((statement) => statement['Effect'] === 'Allow')
    .flatMap((statement) => {
      const principal = statement['Principal']
      const named =
        typeof principal === 'string'
          ? [principal]
          : [object(principal)['AWS']].flat().filter((each) => typeof each === 'string')
      return statement['Condition'] === undefined
        ? (named as string[])
        : (named as string[]).filter((each) => each !== '*')
    })
}

function aclEffect(parameters: Json, foreign: (account: string) => boolean): Effect {
  const canned =
    text(parameters['x-amz-acl']) ?? [parameters['x-amz-acl']].flat().find((each) => typeof each === 'string')
  const spelled = JSON.stringify([
    parameters['AccessControlPolicy'],
    parameters['x-amz-grant-read'],
    parameters['x-amz-grant-full-control'],
  ])
  if (
    canned === 'public-read' ||
    canned === 'public-read-write' ||
    canned === 'authenticated-read' ||
    /groups\/global\/(AllUsers|AuthenticatedUsers)/.test(spelled)
  ) {
    return { audience: 'public', external: true, flags: [] }
  }
  const accounts = spelled.match(/\b\d{12}\b/g) ?? []
  return accounts.some(foreign) ? { audience: 'specific_external', external: true, flags: [] } : { flags: [] }
}

/** A copy into a bucket of another account: its resources name the account. */
function copyEffect(event: Json, foreign: (account: string) => boolean): Effect | null {
  const accounts = list(event['resources']).map((resource) => text(object(resource)['accountId']) ?? '')
  return accounts.some(foreign) ? { audience: 'specific_external', external: true, flags: [] } : null
}

function snapshotEffect(parameters: Json, foreign: (account: string) => boolean): Effect {
  const added = JSON.stringify([
    object(parameters['createVolumePermission'])['add'],
    object(parameters['launchPermission'])['add'],
    parameters['valuesToAdd'],
  ])
  if (/"all"/.test(added)) return { audience: 'public', external: true, flags: [] }
  const accounts = added.match(/\d{12}/g) ?? []
  return accounts.some(foreign)
    ? { audience: 'specific_external', external: true, flags: [] }
    : { external: false, flags: [] }
}
