import type { Bucket } from './estate.ts'
import type { Person } from './people.ts'
import { hashOf, Random, UPPER } from './random.ts'

/** Who calls: a person or a service of Amazon. */
export interface Caller {
  identity: Record<string, unknown>
  address: string
  agent: string
}

export interface Call {
  at: number
  region: string
  caller: Caller
  /** Account in whose log the record is. */
  recipient: string
  name: string
  source?: string
  bucket?: Bucket
  key?: string
  bytesOut?: number
  bytesIn?: number
  readOnly: boolean
  management?: boolean
  /** Added to, or replacing, the request's parameters. */
  parameters?: Record<string, unknown>
  response?: Record<string, unknown>
  error?: { code: string; message: string }
  resources?: Record<string, unknown>[]
  /** Members of the record itself that win over the ordinary ones. */
  more?: Record<string, unknown>
}

/**
 * One record as CloudTrail writes it. Source: docs.aws.amazon.com, CloudTrail user guide, record contents and S3 data
 * events; whole seconds, no milliseconds.
 */
export function cloudTrailRecord(call: Call, accounts: readonly string[], random: Random): Record<string, unknown> {
  const { bucket, caller, region } = call
  const host = bucket ? `${bucket.name}.s3.${region}.amazonaws.com` : `s3.${region}.amazonaws.com`
  const arn = bucket ? `arn:aws:s3:::${bucket.name}` : undefined
  const moves = bucket !== undefined && !call.management
  return {
    eventVersion: '1.11',
    userIdentity: caller.identity,
    eventTime: `${new Date(call.at).toISOString().slice(0, 19)}Z`,
    eventSource: call.source ?? 's3.amazonaws.com',
    eventName: call.name,
    awsRegion: region,
    sourceIPAddress: caller.address,
    userAgent: caller.agent,
    ...(call.error ? { errorCode: call.error.code, errorMessage: call.error.message } : {}),
    requestParameters: {
      ...(bucket ? { bucketName: bucket.name } : {}),
      Host: host,
      ...(call.key === undefined ? {} : { key: call.key }),
      ...call.parameters,
    },
    responseElements: call.response ?? null,
    ...(moves
      ? {
          additionalEventData: {
            SignatureVersion: 'SigV4',
            CipherSuite: 'TLS_AES_128_GCM_SHA256',
            bytesTransferredIn: call.bytesIn ?? 0,
            AuthenticationMethod: 'AuthHeader',
            'x-amz-id-2': random.text(24, UPPER),
            bytesTransferredOut: call.bytesOut ?? 0,
          },
        }
      : {}),
    requestID: random.text(16, UPPER),
    eventID: random.uuid(),
    readOnly: call.readOnly,
    ...(arn
      ? {
          resources: call.resources ?? [
            ...(call.key === undefined ? [] : [{ type: 'AWS::S3::Object', ARN: `${arn}/${call.key}` }]),
            { accountId: accounts[bucket?.account ?? 0], type: 'AWS::S3::Bucket', ARN: arn },
          ],
        }
      : {}),
    eventType: 'AwsApiCall',
    managementEvent: call.management === true,
    recipientAccountId: call.recipient,
    eventCategory: call.management ? 'Management' : 'Data',
    tlsDetails: { tlsVersion: 'TLSv1.3', cipherSuite: 'TLS_AES_128_GCM_SHA256', clientProvidedHostHeader: host },
    ...call.more,
  }
}

const AGENTS = [
  '[aws-cli/2.22.1 md/awscrt#0.22.0 ua/2.0 os/linux#6.8 lang/python#3.12]',
  '[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12 Linux/5.10]',
  '[Boto3/1.35.60 md/Botocore#1.35.60 os/macos#24.1 lang/python#3.11]',
  '[aws-sdk-js/3.690.0 os/win32#10.0 lang/js md/nodejs#20.18]',
] as const

/** A person as CloudTrail names them: mostly a role session under their address, with or without a source identity. */
export function personAsCaller(seed: number, person: Person, account: string, address: string, at: number): Caller {
  const random = new Random(seed, hashOf('caller'), person.index)
  const agent = random.pick(AGENTS)
  const [roleKey, userKey] = [random.text(17, UPPER), random.text(17, UPPER)]
  if (person.iamUser) {
    const userName = person.address.slice(0, person.address.indexOf('@'))
    const arn = `arn:aws:iam::${account}:user/${userName}`
    const identity = {
      type: 'IAMUser',
      principalId: `AIDA${userKey}`,
      arn,
      accountId: account,
      accessKeyId: `AKIA${roleKey.slice(1)}`,
      userName,
    }
    return { identity, address, agent }
  }
  const role = `${person.department}Access`
  const principal = `AROA${String(hashOf(role)).padStart(17, 'Z')}`
  // A session lasts a day: it began at the day's first call, or so.
  const creationDate = `${new Date(Math.floor(at / 86_400_000) * 86_400_000).toISOString().slice(0, 10)}T00:00:07Z`
  const named = random.chance(0.7)
  return {
    identity: {
      type: 'AssumedRole',
      principalId: `${principal}:${person.address}`,
      arn: `arn:aws:sts::${account}:assumed-role/${role}/${person.address}`,
      accountId: account,
      accessKeyId: `ASIA${roleKey.slice(1)}`,
      sessionContext: {
        sessionIssuer: {
          type: 'Role',
          principalId: principal,
          arn: `arn:aws:iam::${account}:role/${role}`,
          accountId: account,
          userName: role,
        },
        attributes: { creationDate, mfaAuthenticated: 'true' },
        ...(named ? { sourceIdentity: person.address } : {}),
      },
    },
    address,
    agent,
  }
}

/** The nightly backup: a service-linked role that AWS Backup assumes. */
export function backupAsCaller(account: string): Caller {
  const [role, service] = ['AWSServiceRoleForBackup', 'backup.amazonaws.com']
  const principalId = 'AROAQX7BACKUPROLE0001'
  return {
    identity: {
      type: 'AssumedRole',
      principalId: `${principalId}:AWSBackup-AWSServiceRoleForBackup`,
      arn: `arn:aws:sts::${account}:assumed-role/${role}/AWSBackup-AWSServiceRoleForBackup`,
      accountId: account,
      sessionContext: {
        sessionIssuer: {
          type: 'Role',
          principalId,
          arn: `arn:aws:iam::${account}:role/aws-service-role/${service}/${role}`,
          accountId: account,
          userName: role,
        },
        attributes: { mfaAuthenticated: 'false' },
      },
      invokedBy: service,
    },
    address: service,
    agent: service,
  }
}

/** S3's own delivery of access logs. */
export const LOG_DELIVERY: Caller = {
  identity: { type: 'AWSService', invokedBy: 'logging.s3.amazonaws.com' },
  address: 'logging.s3.amazonaws.com',
  agent: 'logging.s3.amazonaws.com',
}
