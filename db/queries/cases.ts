import { AppError } from '../../domain/errors.ts'
import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const byId = sortedBy([['case_file.id', 'uuid']], 'desc')

const select = (db: Connection) =>
  db
    .selectFrom('case_file')
    .innerJoin('person', 'person.id', 'case_file.person_id')
    .selectAll('case_file')
    .select(['person.uid', 'person.pseudonym'])

async function withAlerts<Row extends { id: string }>(db: Connection, rows: Row[]) {
  if (rows.length === 0) return []
  const alerts = await db
    .selectFrom('alert')
    .select(['id', 'case_id'])
    .where(
      'case_id',
      'in',
      rows.map(({ id }) => id),
    )
    .orderBy('id')
    .execute()
  return rows.map((row) => ({
    ...row,
    alertIds: alerts.filter(({ case_id }) => case_id === row.id).map(({ id }) => id),
  }))
}

/** Newest first. */
export async function listCases(db: Connection, page: PageRequest, filter: { state?: string; assigneeId?: string }) {
  let query = select(db).where(byId.behind(page.after))
  if (filter.state !== undefined) query = query.where('case_file.state', '=', filter.state)
  if (filter.assigneeId !== undefined) query = query.where('case_file.assignee_id', '=', filter.assigneeId)
  const rows = await query
    .orderBy(byId.order)
    .limit(page.limit + 1)
    .execute()
  const { rows: kept, next } = pageOf(rows, page.limit, (row) => [row.id])
  return { rows: await withAlerts(db, kept), next }
}

/** Throws not_found. */
export async function readCase(db: Connection, caseId: string) {
  const row = await select(db).where('case_file.id', '=', caseId).executeTakeFirst()
  const [file] = row ? await withAlerts(db, [row]) : []
  if (!file) throw new AppError('not_found', `there is no case ${caseId}`)
  return file
}
export type CaseRow = Awaited<ReturnType<typeof readCase>>
