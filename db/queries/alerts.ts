import { AppError } from '../../domain/errors.ts'
import { readContributions } from '../alerts.ts'
import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const byOpening = sortedBy(
  [
    ['alert.opened_at', 'timestamptz'],
    ['alert.id', 'uuid'],
  ],
  'desc',
)
const byVersion = sortedBy([['alert_version.version', 'int']], 'desc')

const select = (db: Connection) =>
  db
    .selectFrom('alert')
    .innerJoin('person', 'person.id', 'alert.person_id')
    .innerJoin('policy', 'policy.id', 'alert.policy_id')
    .leftJoin('approval', (join) =>
      join.onRef('approval.alert_id', '=', 'alert.id').on('approval.state', '=', 'pending'),
    )
    .selectAll('alert')
    .select(['person.uid', 'person.pseudonym', 'policy.name as policy_name', 'approval.id as approval_id'])

export interface AlertFilter {
  state?: string
  severity?: string
  policyId?: string
  assigneeId?: string
  personUid?: string
  attention?: string
  from?: Date
  to?: Date
}

/** Newest first. */
export async function listAlerts(db: Connection, page: PageRequest, filter: AlertFilter) {
  let query = select(db).where(byOpening.behind(page.after))
  if (filter.state !== undefined) query = query.where('alert.state', '=', filter.state)
  if (filter.severity !== undefined) query = query.where('alert.severity', '=', filter.severity)
  if (filter.policyId !== undefined) query = query.where('alert.policy_id', '=', filter.policyId)
  if (filter.assigneeId !== undefined) query = query.where('alert.assignee_id', '=', filter.assigneeId)
  if (filter.personUid !== undefined) query = query.where('person.uid', '=', filter.personUid)
  if (filter.attention !== undefined) query = query.where('alert.attention', '=', filter.attention)
  if (filter.from !== undefined) query = query.where('alert.opened_at', '>=', filter.from)
  if (filter.to !== undefined) query = query.where('alert.opened_at', '<', filter.to)
  const rows = await query
    .orderBy(byOpening.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.opened_at, row.id])
}

/** Throws not_found. */
export async function readAlert(db: Connection, alertId: string) {
  const row = await select(db).where('alert.id', '=', alertId).executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no alert ${alertId}`)
  return row
}
export type AlertRow = Awaited<ReturnType<typeof readAlert>>

/** All alerts of a person, newest first. */
export const alertsOfPerson = (db: Connection, personId: number) =>
  select(db).where('alert.person_id', '=', personId).orderBy('alert.opened_at', 'desc').orderBy('alert.id').execute()

/** Newest first. */
export async function listAlertVersions(db: Connection, page: PageRequest, alertId: string) {
  const rows = await db
    .selectFrom('alert_version')
    .selectAll()
    .where('alert_id', '=', alertId)
    .where(byVersion.behind(page.after))
    .orderBy(byVersion.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.version])
}

/** The receipt of a version of an alert, the newest unless told. Throws not_found. */
export async function readReceipt(db: Connection, alertId: string, version?: number) {
  let query = db
    .selectFrom('alert_version')
    .innerJoin('receipt', 'receipt.id', 'alert_version.receipt_id')
    .selectAll('receipt')
    .select('alert_version.version as alert_version')
    .where('alert_version.alert_id', '=', alertId)
  if (version !== undefined) query = query.where('alert_version.version', '=', version)
  const row = await query.orderBy('alert_version.version', 'desc').limit(1).executeTakeFirst()
  if (!row) throw new AppError('not_found', `alert ${alertId} has no such version`)
  return { ...row, contributions: await readContributions(db, row.id) }
}
