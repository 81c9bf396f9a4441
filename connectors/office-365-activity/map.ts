import { isIP } from 'node:net'
import type { Activity, Mapped, Outcome, Rejected, Verb } from '../../domain/signal.ts'
import { instantOf } from '../instants.ts'
import { isObject, type Json, text } from '../values.ts'
import { actorOf } from './actor.ts'
import type { OfficeConfig } from './config.ts'
import { accountFact, directoryTold } from './directory.ts'
import { type Outside, outsideOf } from './domains.ts'
import { endpointTold } from './endpoint.ts'
import { filesTold } from './files.ts'
import { alertFinding, dlpFinding, isAlert, isDlp } from './findings.ts'
import { mailTold } from './mail.ts'
import { TELLS } from './records.ts'
import { teamsTold } from './teams.ts'
import { count, pairsOf, present, type Told } from './told.ts'

type Telling = (record: Json, operation: string, outside: Outside) => Told

/** By the kind of record, else by the workload: https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-schema#auditlogrecordtype */
const BY_TYPE: Record<number, Telling> = {
  1: mailTold,
  2: mailTold,
  3: mailTold,
  4: filesTold,
  6: filesTold,
  8: directoryTold,
  14: filesTold,
  15: directoryTold,
  25: teamsTold,
  50: mailTold,
  63: endpointTold,
}
const BY_WORKLOAD: Record<string, Telling> = {
  exchange: mailTold,
  sharepoint: filesTold,
  onedrive: filesTold,
  azureactivedirectory: directoryTold,
  microsoftteams: teamsTold,
  endpoint: endpointTold,
}
/** Of whatever workload: labels of documents and messages. */
const LABELS: Record<string, Verb> = {
  sensitivitylabelapplied: 'label_apply',
  sensitivitylabelupdated: 'label_change',
  sensitivitylabelchanged: 'label_change',
  sensitivitylabelremoved: 'label_remove',
}

/** One record of the unified audit log. Never throws: what does not fit is rejected with its path. */
export function map(record: unknown, config: Pick<OfficeConfig, 'internalDomains'>): Mapped {
  if (!isObject(record)) return reject('field_invalid', '', 'a record')
  const id = text(record['Id'])
  if (!id) return reject('event_id_missing', 'Id')
  // Written without a zone, and always UTC.
  const at = instantOf(record['CreationTime'], { assume: 'UTC' })
  if (!at) return reject('date_invalid', 'CreationTime', 'ISO 8601')
  const operation = text(record['Operation'])
  if (!operation) return reject('field_invalid', 'Operation', 'a name')

  if (record[TELLS] === 'account') return accountFact(record, operation, at)
  if (isDlp(operation)) return dlpFinding(record, { id, operation, at })
  if (isAlert(record)) return alertFinding(record, { id, operation, at })
  const workload = (text(record['Workload']) ?? 'unknown').toLowerCase().replaceAll(/[^a-z0-9]+/g, '_')
  const telling = BY_TYPE[count(record['RecordType']) ?? -1] ?? BY_WORKLOAD[workload] ?? elsewhere
  const { outcome, flags = [], ...told } = telling(record, operation, outsideOf(config))
  return {
    type: 'activity',
    sourceId: `${text(record['OrganizationId']) ?? ''}|${id}`,
    ...actorOf(record),
    at,
    nativeEvent: operation,
    outcome: outcome ?? outcomeOf(record),
    ...told,
    ...present({
      originIp: ipOf(record['ClientIP'] ?? record['ClientIPAddress'] ?? record['ActorIpAddress']),
      userAgent: agentOf(record),
    }),
    flags: [`workload_${workload}`, ...flags],
    raw: record,
  } satisfies Activity
}

const reject = (code: Rejected['code'], cell: string, expected?: string): Rejected => ({
  type: 'rejected',
  code,
  cell,
  ...(expected ? { expected } : {}),
})

const elsewhere: Telling = (record, operation) => ({
  verb: LABELS[operation.toLowerCase()] ?? 'other',
  ...present({ object: text(record['ObjectId']) }),
})

/** Workloads word it differently; most say nothing where an act succeeded. */
function outcomeOf(record: Json): Outcome {
  const status = text(record['ResultStatus'])?.toLowerCase()
  return status === 'failed' || status === 'failure' || status === 'false' ? 'failure' : 'success'
}

/** Files and mail have a member for it, sign-ins a pair. */
const agentOf = (record: Json): string | undefined =>
  text(record['UserAgent']) ??
  text(record['ClientInfoString']) ??
  text(pairsOf(record['ExtendedProperties']).find(([name]) => name === 'UserAgent')?.[1])

/** `203.0.113.24:50001`, `[2001:db8::1]:50001`, or the address alone. */
function ipOf(value: unknown): string | undefined {
  const written = text(value)?.trim() ?? ''
  const address = /^\[([^\]]+)\](?::\d+)?$/.exec(written)?.[1] ?? /^([\d.]+):\d+$/.exec(written)?.[1] ?? written
  return isIP(address) > 0 ? address : undefined
}
