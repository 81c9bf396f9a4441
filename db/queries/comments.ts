import type { Connection } from '../connection.ts'
import { type PageRequest, pageOf, sortedBy } from './paging.ts'

const byTime = sortedBy(
  [
    ['comment.created_at', 'timestamptz'],
    ['comment.id', 'uuid'],
  ],
  'asc',
)

/** What was said about something, oldest first. */
export async function listComments(
  db: Connection,
  page: PageRequest,
  subject: { kind: 'alert' | 'approval' | 'case'; id: string },
) {
  const rows = await db
    .selectFrom('comment')
    .selectAll()
    .where('subject_kind', '=', subject.kind)
    .where('subject_id', '=', subject.id)
    .where(byTime.behind(page.after))
    .orderBy(byTime.order)
    .limit(page.limit + 1)
    .execute()
  return pageOf(rows, page.limit, (row) => [row.created_at, row.id])
}
