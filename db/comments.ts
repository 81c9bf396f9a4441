import { v5 as uuidFrom } from 'uuid'
import type { Connection } from './connection.ts'
import { maskText } from './masking.ts'
import type { Vault } from './vault.ts'

const NAMESPACE = '5e0b7a51-9d0e-4b39-8f0c-3f6f3a2e9d11'

export interface CommentDraft {
  subjectKind: 'alert' | 'approval' | 'case'
  subjectId: string
  authorId: string
  /** As typed; known names are replaced before anything is stored. */
  text: string
  /** Equal keys of one author are one comment. */
  causeKey: string
}

/** Stores what somebody typed, masked, and returns the row's id; only the id travels on. */
export async function storeComment(db: Connection, vault: Vault, draft: CommentDraft): Promise<string> {
  const id = uuidFrom(`${draft.authorId}/${draft.causeKey}`, NAMESPACE)
  await db
    .insertInto('comment')
    .values({
      id,
      subject_kind: draft.subjectKind,
      subject_id: draft.subjectId,
      author_id: draft.authorId,
      body: await maskText(db, vault, draft.text),
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute()
  return id
}
