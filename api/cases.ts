import { answeredCase } from '../activities/cases.ts'
import { storeComment } from '../db/comments.ts'
import * as queries from '../db/queries/cases.ts'
import { listComments } from '../db/queries/comments.ts'
import { checkAssignee } from '../db/staff.ts'
import { AppError } from '../domain/errors.ts'
import type { components } from '../openapi/generated/types.ts'
import { presentComment } from './present-comment.ts'
import * as processes from './processes.ts'
import { type Call, inProcess, iso, isoOrNull, read } from './route.ts'

type Wire = components['schemas']

const present = (row: queries.CaseRow): Wire['Case'] => ({
  id: row.id,
  person: { uid: row.uid, pseudonym: row.pseudonym },
  approvalId: row.approval_id,
  alertIds: row.alertIds,
  state: row.state as Wire['CaseState'],
  resolution: row.resolution,
  assigneeId: row.assignee_id,
  revision: row.revision,
  openedAt: iso(row.opened_at),
  resolvedAt: isoOrNull(row.resolved_at),
})

async function answer(call: Pick<Call<never>, 'db'>, caseId: string) {
  return { status: 200 as const, body: present(await queries.readCase(call.db, caseId)) }
}

type CaseOperation = 'addCaseNote' | 'assignCase' | 'resolveCase'

/** Work on a resolved case is over; what was done before it was resolved is answered again. Throws state_conflict. */
async function activeCase(
  call: Pick<Call<CaseOperation>, 'db' | 'params' | 'actor' | 'causeKey'>,
): Promise<queries.CaseRow> {
  const row = await queries.readCase(call.db, call.params.caseId)
  const by = { staffId: call.actor.staffId, causeKey: call.causeKey }
  if (row.state !== 'active' && !(await answeredCase(call.db, row.id, by)))
    throw new AppError('state_conflict', `the case is ${row.state}`)
  return row
}

/** Words are masked and stored first; only the row's id travels. */
const noteOf = (call: Pick<Call<'addCaseNote'>, 'db' | 'deps' | 'body' | 'actor' | 'causeKey'>, caseId: string) =>
  storeComment(call.db, call.deps.vault, {
    subjectKind: 'case',
    subjectId: caseId,
    authorId: call.actor.staffId,
    text: call.body.comment,
    causeKey: call.causeKey,
  })

export const listCases = read('listCases', async ({ db, page, query, paged }) => ({
  status: 200,
  body: paged(await queries.listCases(db, page, query), present),
}))

export const getCase = read('getCase', (call) => answer(call, call.params.caseId))

export const listCaseNotes = read('listCaseNotes', async ({ db, page, params, paged }) => {
  await queries.readCase(db, params.caseId)
  return { status: 200, body: paged(await listComments(db, page, { kind: 'case', id: params.caseId }), presentComment) }
})

export const addCaseNote = inProcess('addCaseNote', async (call) => {
  const { id } = await activeCase(call)
  const commentId = await noteOf(call, id)
  await processes.addCaseNote(call.deps.temporal, id, {
    staffId: call.actor.staffId,
    causeKey: call.causeKey,
    commentId,
  })
  return answer(call, id)
})

export const assignCase = inProcess('assignCase', async (call) => {
  const { id } = await activeCase(call)
  const { assigneeId } = call.body
  await checkAssignee(call.db, assigneeId, ['analyst', 'investigator'])
  await processes.assignCase(call.deps.temporal, id, {
    staffId: call.actor.staffId,
    causeKey: call.causeKey,
    assigneeId,
  })
  return answer(call, id)
})

export const resolveCase = inProcess('resolveCase', async (call) => {
  const { id } = await activeCase(call)
  const commentId = await noteOf(call, id)
  await processes.resolveCase(call.deps.temporal, id, {
    staffId: call.actor.staffId,
    causeKey: call.causeKey,
    commentId,
    resolution: call.body.resolution,
  })
  return answer(call, id)
})
