import { changeAlert, destinationsOf } from '../db/alerts.ts'
import { appendAudit, entryOfAct } from '../db/audit.ts'
import type { Connection } from '../db/connection.ts'
import type { CaseResolution } from '../domain/alert.ts'
import { AppError } from '../domain/errors.ts'
import type { CaseResult, HumanInput } from '../domain/processes.ts'
import type { Deps } from './deps.ts'

export interface CaseChange extends HumanInput {
  caseId: string
  change: 'assign' | 'note' | 'resolve'
  assigneeId?: string | null
  commentId?: string
  resolution?: CaseResolution
}
export interface CaseChanged extends CaseResult {
  destinations: string[]
  /** Alerts that were resolved with the case. */
  alertIds: string[]
}

async function lockCase(tx: Connection, caseId: string) {
  const row = await tx.selectFrom('case_file').selectAll().where('id', '=', caseId).forUpdate().executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no case ${caseId}`)
  return row
}

/** What was answered when this person did this; null when it was not done yet. */
export async function answeredCase(
  db: Connection,
  caseId: string,
  { staffId, causeKey }: HumanInput,
): Promise<CaseChanged | null> {
  const done = await entryOfAct(db, { subjectKind: 'case', subjectId: caseId, staffId, causeKey })
  if (!done) return null
  const { state, revision } = done.detail as unknown as CaseResult
  const consequences =
    done.action === CHANGED.resolve ? await resolvedWith(db, caseId) : { destinations: [], alertIds: [] }
  return { caseId, state, revision, ...consequences }
}

const resolutionCause = (caseId: string): string => `case/${caseId}`

/** Alerts that were resolved with the case, and who is told of it. */
async function resolvedWith(db: Connection, caseId: string): Promise<Pick<CaseChanged, 'destinations' | 'alertIds'>> {
  const versions = await db
    .selectFrom('alert_version')
    .select(['alert_id', 'version'])
    .where('case_id', '=', caseId)
    .where('cause_key', '=', resolutionCause(caseId))
    .orderBy('alert_id')
    .execute()
  const destinations = new Set<string>()
  for (const { alert_id, version } of versions)
    for (const id of await destinationsOf(db, alert_id, version)) destinations.add(id)
  return { destinations: [...destinations], alertIds: versions.map(({ alert_id }) => alert_id) }
}

/**
 * Books a change of a case. Resolving closes its alerts, each with a version of its own, in the same transaction. The
 * same act again finds its audit entry, changes nothing and gets its first answer.
 */
export const changeCase =
  (deps: Deps) =>
  (input: CaseChange): Promise<CaseChanged> =>
    deps.db.transaction().execute(async (tx) => {
      const { caseId, staffId, causeKey, change } = input
      const before = await lockCase(tx, caseId)
      const answered = await answeredCase(tx, caseId, input)
      if (answered) return answered
      if (before.state !== 'active') throw new AppError('state_conflict', `the case is ${before.state}`)

      const destinations = new Set<string>()
      const alertIds: string[] = []
      const state: CaseResult['state'] = change === 'resolve' ? 'resolved' : 'active'
      const revision = before.revision + 1
      if (change === 'assign') {
        await tx
          .updateTable('case_file')
          .set({ assignee_id: input.assigneeId ?? null, revision })
          .where('id', '=', caseId)
          .execute()
      } else if (change === 'note') {
        await tx.updateTable('case_file').set({ revision }).where('id', '=', caseId).execute()
      } else {
        await tx
          .updateTable('case_file')
          .set({ state: 'resolved', resolution: input.resolution as CaseResolution, resolved_at: new Date(), revision })
          .where('id', '=', caseId)
          .execute()
        const alerts = await tx
          .selectFrom('alert')
          .select('id')
          .where('case_id', '=', caseId)
          .where('state', '=', 'confirmed')
          .orderBy('id')
          .execute()
        for (const { id } of alerts) {
          const changed = await changeAlert(tx, {
            alertId: id,
            change: 'resolved',
            staffId,
            commentId: input.commentId ?? null,
            causeKey: resolutionCause(caseId),
            set: { state: 'resolved' },
            publicUrl: deps.publicUrl,
          })
          for (const destination of changed.destinations) destinations.add(destination)
          alertIds.push(id)
        }
      }
      await appendAudit(tx, {
        staffId,
        action: CHANGED[change],
        subjectKind: 'case',
        subjectId: caseId,
        detail: {
          cause_key: causeKey,
          state,
          revision,
          ...(input.commentId ? { comment_id: input.commentId } : {}),
          ...(input.resolution ? { resolution: input.resolution } : {}),
          ...(change === 'assign' ? { assignee_id: input.assigneeId ?? null } : {}),
        },
      })
      return { caseId, state, revision, destinations: [...destinations], alertIds }
    })

const CHANGED = { assign: 'case.assigned', note: 'case.noted', resolve: 'case.resolved' } as const

/** The state as stored, for a workflow that starts anew. */
export const readCase =
  (deps: Deps) =>
  async ({ caseId }: { caseId: string }): Promise<CaseResult> => {
    const row = await deps.db.selectFrom('case_file').selectAll().where('id', '=', caseId).executeTakeFirst()
    if (!row) throw new AppError('not_found', `there is no case ${caseId}`)
    return { caseId, state: row.state as CaseResult['state'], revision: row.revision }
  }
