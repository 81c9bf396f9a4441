import { listAuditEntries as entries } from '../db/queries/audit.ts'
import { dateOf, iso, read } from './route.ts'

export const listAuditEntries = read('listAuditEntries', async ({ db, page, query, paged }) => {
  const { from, to, ...filter } = query
  const found = await entries(db, page, { ...filter, from: dateOf(from), to: dateOf(to) })
  return {
    status: 200,
    body: paged(found, (row) => ({
      seq: row.seq,
      at: iso(row.at),
      staffId: row.staff_id,
      action: row.action,
      subjectKind: row.subject_kind,
      subjectId: row.subject_id,
      detail: row.detail as Record<string, unknown>,
      previousHash: row.previous_hash,
      hash: row.hash,
    })),
  }
})
