import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const bySeq = sortedBy([['audit_entry.seq', 'bigint']], 'desc')

export interface AuditFilter {
  action?: string
  staffId?: string
  subjectKind?: string
  subjectId?: string
  from?: Date
  to?: Date
}

/** Newest first. */
export async function listAuditEntries(db: Connection, page: PageRequest, filter: AuditFilter) {
  let query = db.selectFrom('audit_entry').selectAll().where(bySeq.behind(page.after))
  if (filter.action !== undefined) query = query.where('action', '=', filter.action)
  if (filter.staffId !== undefined) query = query.where('staff_id', '=', filter.staffId)
  if (filter.subjectKind !== undefined) query = query.where('subject_kind', '=', filter.subjectKind)
  if (filter.subjectId !== undefined) query = query.where('subject_id', '=', filter.subjectId)
  if (filter.from !== undefined) query = query.where('at', '>=', filter.from)
  if (filter.to !== undefined) query = query.where('at', '<', filter.to)
  const rows = await query
    .orderBy(bySeq.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.seq])
}
