import type { listComments } from '../db/queries/comments.ts'
import type { components } from '../openapi/generated/types.ts'
import { iso } from './route.ts'

type Row = Awaited<ReturnType<typeof listComments>>['rows'][number]

export const presentComment = (row: Row): components['schemas']['Comment'] => ({
  id: row.id,
  authorId: row.author_id,
  body: row.body,
  createdAt: iso(row.created_at),
})
