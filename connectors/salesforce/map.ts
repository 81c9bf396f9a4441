import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import type { Activity, ActorKind, Identifier, Mapped, Outcome, Rejected } from '../../domain/signal.ts'
import { instantOf } from '../instants.ts'
import { isAddress, isObject, object, text } from '../values.ts'
import type { SalesforceConfig } from './config.ts'
import { type EventRule, type Row, RULES } from './events.ts'
import { idIn } from './ids.ts'
import { actorId } from './log-file.ts'

/** How long something took tells no event from another, and may differ where a row is delivered again. */
const TIMINGS = new Set(['run_time', 'cpu_time', 'db_time', 'db_total_time', 'db_cpu_time'])
const REPORT_PREFIX = '00O'
/** Renderings of a report that leave the page. */
const EXPORTS = /^(export|excel|xlsx?|csv)/i

/** One row of a log file to one activity. Never throws: what does not fit is rejected with its column. */
export function map(record: unknown, config: Pick<SalesforceConfig, 'personBy'>): Mapped {
  const row = rowOf(record)
  if (!row) return reject('field_invalid', '', 'a row of a log file')
  if ('cells' in row) return reject('column_count')
  const type = row['event_type']
  if (!type) return reject('field_invalid', 'EVENT_TYPE', 'a type')
  const at = instantOf(row['timestamp_derived']) ?? instantOf(row['timestamp'])
  if (!at) return reject('date_invalid', 'TIMESTAMP_DERIVED', 'ISO 8601')

  const rule = RULES[type] ?? { verb: 'other' }
  const verb = typeof rule.verb === 'string' ? rule.verb : rule.verb(row)
  const [items, bytes] = [amount(row, rule.items), verb === 'other' ? undefined : amount(row, rule.bytes)]
  const container = firstOf(row, rule.container)
  const what = firstOf(row, rule.object) ?? idIn(row['uri'], REPORT_PREFIX)
  const ip = [row['source_ip'], row['client_ip'], row['ip_address']].find((each) => each && isIP(each) > 0)
  const program = firstOf(row, ['user_agent', 'client_info', 'browser_type', 'client_name'])
  const audience = rule.audience?.(verb)
  const flags = flagsOf(row, rule)
  return {
    type: 'activity',
    sourceId: contentId(row),
    ...actorOf(record, row, config),
    at,
    verb,
    nativeEvent: type,
    outcome: outcomeOf(row),
    ...(what ? { object: what } : {}),
    ...(container ? { container } : {}),
    ...(items === undefined ? {} : { itemCount: items }),
    ...(bytes === undefined ? {} : { sizeBytes: bytes }),
    ...(ip ? { originIp: ip } : {}),
    ...(program ? { userAgent: program } : {}),
    ...(audience ? { audienceAfter: audience, destinationIsExternal: true } : {}),
    ...(flags.length > 0 ? { flags } : {}),
    raw: record,
  } satisfies Activity
}

const reject = (code: Rejected['code'], cell?: string, expected?: string): Rejected => ({
  type: 'rejected',
  code,
  ...(cell === undefined ? {} : { cell }),
  ...(expected ? { expected } : {}),
})

/** Cells are texts; anything else is no row. */
function rowOf(record: unknown): Row | undefined {
  const row = isObject(record) ? record['row'] : undefined
  if (!isObject(row)) return undefined
  if (Array.isArray(row['cells'])) return row as Row
  return Object.values(row).every((cell) => typeof cell === 'string') ? (row as Row) : undefined
}

const firstOf = (row: Row, columns: readonly string[] = []): string | undefined =>
  columns.map((column) => row[column]).find((cell) => cell !== undefined && cell !== '')

/** Whole and not negative; what is no such number is not reported. */
function amount(row: Row, column: string | undefined): number | undefined {
  const cell = column === undefined ? '' : (row[column] ?? '')
  return /^\d{1,15}(\.0*)?$/.test(cell) ? Number(cell) : undefined
}

/**
 * A row has no id of its own. Two are the same when all that they say is: over deliveries in a later file, in the daily
 * file after the hourly one, and with columns in another order or new ones that are empty.
 */
function contentId(row: Row): string {
  const hash = createHash('sha256')
  for (const column of Object.keys(row).sort()) {
    const cell = row[column] as string
    if (cell !== '' && !TIMINGS.has(column)) hash.update(`${column}\u001f${cell}\u001e`)
  }
  return hash.digest('hex')
}

function outcomeOf(row: Row): Outcome {
  if (row['event_type'] === 'InsufficientAccess') return 'blocked'
  const login = row['login_status']
  if (login !== undefined && login !== '') return login === 'LOGIN_NO_ERROR' ? 'success' : 'failure'
  const success = row['success'] || row['is_success'] || row['is_successful']
  if (success) return /^(1|true)$/i.test(success) ? 'success' : 'failure'
  if (/^(failed|aborted)$/i.test(row['job_status'] ?? '')) return 'failure'
  if (/^[45]\d\d$/.test(row['status_code'] ?? '')) return 'failure'
  // Failed, not authorised, not found.
  return /^[FAN]$/.test(row['request_status'] ?? '') ? 'failure' : 'success'
}

function flagsOf(row: Row, rule: EventRule): string[] {
  return [
    ...(rule.flags ?? []),
    ...(/api$/i.test(row['transaction_type'] ?? '') ? ['by_api'] : []),
    ...(EXPORTS.test(row['rendering_type'] ?? '') ? ['rendered_for_export'] : []),
    ...(rule.secondary?.(row) ? ['secondary'] : []),
  ]
}

/** Categories of licences, as words and, in older files, as letters. */
const KINDS: Record<string, ActorKind> = {
  Guest: 'anonymous',
  G: 'anonymous',
  AutomatedProcess: 'service',
  A: 'service',
  CloudIntegrationUser: 'service',
  PowerPartner: 'external',
  PowerCustomerSuccess: 'external',
  CustomerSuccess: 'external',
  CspLitePortal: 'external',
  SelfService: 'external',
  P: 'external',
  p: 'external',
  C: 'external',
  b: 'external',
  F: 'external',
}

function actorOf(
  record: unknown,
  row: Row,
  { personBy }: Pick<SalesforceConfig, 'personBy'>,
): { actor: Identifier; actorKind: ActorKind } {
  const user = object(object(record)['user'])
  const category = text(user['UserType']) ?? row['user_type'] ?? ''
  const actorKind: ActorKind = row['event_type'] === 'SalesforceLoginAs' ? 'external' : (KINDS[category] ?? 'user')
  const named = {
    email: [user['Email'], user['Username']],
    username: [user['Username']],
    federation_id: [user['FederationIdentifier'], user['Email'], user['Username']],
  }[personBy]
  // Only sign-ins name the user themselves.
  const value = [...named, row['delegated_user_name'] ?? row['user_name']]
    .map(text)
    .find((each) => each !== undefined && isAddress(each))
  if (value !== undefined) return { actor: { scheme: 'address', value: value.toLowerCase() }, actorKind }
  const id = actorId(row)
  return id === undefined
    ? { actor: { scheme: 'vendor_id', value: 'salesforce:nobody' }, actorKind: 'anonymous' }
    : { actor: { scheme: 'vendor_id', value: `salesforce:${id}` }, actorKind }
}
