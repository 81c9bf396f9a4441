import { blindSpotsOf } from '../db/blindness.ts'
import { storeComment } from '../db/comments.ts'
import * as queries from '../db/queries/alerts.ts'
import { listComments } from '../db/queries/comments.ts'
import { checkAssignee, type Role } from '../db/staff.ts'
import { AppError } from '../domain/errors.ts'
import type { HumanInput, TriageResult } from '../domain/processes.ts'
import type { Activation } from '../domain/score.ts'
import type { components } from '../openapi/generated/types.ts'
import { presentAlert } from './present-alert.ts'
import { presentComment } from './present-comment.ts'
import * as processes from './processes.ts'
import { type Call, dateOf, inProcess, iso, isoOrNull, read } from './route.ts'

type Wire = components['schemas']

/** Who works on alerts, and so may be given one. */
const WORKERS: readonly Role[] = ['analyst', 'investigator']

/** An approver sees the alert behind a pending approval and no other. Throws not_found. */
async function visibleAlert(
  { db, actor }: Pick<Call<never>, 'db' | 'actor'>,
  alertId: string,
): Promise<queries.AlertRow> {
  const row = await queries.readAlert(db, alertId)
  const works = actor.roles.some((role) => WORKERS.includes(role))
  if (!works && row.approval_id === null) throw new AppError('not_found', 'no approval of this alert is pending')
  return row
}

export const listAlerts = read('listAlerts', async ({ db, page, query, paged }) => {
  const { from, to, ...filter } = query
  const found = await queries.listAlerts(db, page, { ...filter, from: dateOf(from), to: dateOf(to) })
  return { status: 200, body: paged(found, presentAlert) }
})

export const getAlert = read('getAlert', async (call) => {
  const row = await visibleAlert(call, call.params.alertId)
  const { policy_version } = await queries.readReceipt(call.db, row.id)
  const spots = await blindSpotsOf(call.db, {
    policyId: row.policy_id,
    policyVersion: policy_version,
    openedAt: row.opened_at,
    until: row.updated_at,
  })
  return {
    status: 200,
    body: {
      ...presentAlert(row),
      blindSpots: spots.map(({ kind, code, detail, guide, fromAt, toAt }) => ({
        source: kind ?? 'policy',
        code,
        detail,
        guide,
        fromAt: iso(fromAt),
        toAt: isoOrNull(toAt),
      })),
    },
  }
})

export const listAlertVersions = read('listAlertVersions', async ({ db, page, params, paged }) => {
  await queries.readAlert(db, params.alertId)
  const found = await queries.listAlertVersions(db, page, params.alertId)
  return {
    status: 200,
    body: paged(found, (row): Wire['AlertVersion'] => ({
      alertId: row.alert_id,
      version: row.version,
      eventId: row.event_id,
      change: row.change,
      state: row.state as Wire['AlertState'],
      severity: row.severity as Wire['Severity'],
      score: row.score,
      receiptId: row.receipt_id,
      assigneeId: row.assignee_id,
      caseId: row.case_id,
      staffId: row.staff_id,
      commentId: row.comment_id,
      because: row.because,
      createdAt: iso(row.created_at),
    })),
  }
})

export const getAlertReceipt = read('getAlertReceipt', async (call) => {
  const alert = await visibleAlert(call, call.params.alertId)
  const row = await queries.readReceipt(call.db, alert.id, call.query.version)
  const { kind, day, fromDay, toDay } = row.trigger as unknown as Activation
  return {
    status: 200,
    body: {
      id: row.id,
      alertId: alert.id,
      alertVersion: row.alert_version,
      policyId: row.policy_id,
      policyVersion: row.policy_version,
      engineVersion: row.engine_version,
      asOf: iso(row.as_of),
      activation: { kind, day, fromDay, toDay },
      score: row.score,
      severity: row.severity as Wire['Severity'],
      sha256: row.sha256,
      contributions: row.contributions.map((contribution) => ({
        ...contribution,
        boosters: contribution.boosters.map((booster) => ({ ...booster })),
        evidence: contribution.evidence.map((part) => ({ ...part, sourceKeys: [...part.sourceKeys] })),
      })),
    },
  }
})

export const listAlertComments = read('listAlertComments', async ({ db, page, params, paged }) => {
  await queries.readAlert(db, params.alertId)
  return {
    status: 200,
    body: paged(await listComments(db, page, { kind: 'alert', id: params.alertId }), presentComment),
  }
})

type AlertOperation =
  | 'assignAlert'
  | 'commentOnAlert'
  | 'confirmAlert'
  | 'dismissAlert'
  | 'escalateAlert'
  | 'reopenAlert'

const by = ({ actor, causeKey }: Pick<Call<AlertOperation>, 'actor' | 'causeKey'>): HumanInput => ({
  staffId: actor.staffId,
  causeKey,
})

/** Words are masked and stored first; only the row's id travels. */
async function worded(call: Pick<Call<'confirmAlert'>, 'db' | 'deps' | 'params' | 'body' | 'actor' | 'causeKey'>) {
  const { id } = await queries.readAlert(call.db, call.params.alertId)
  const commentId = await storeComment(call.db, call.deps.vault, {
    subjectKind: 'alert',
    subjectId: id,
    authorId: call.actor.staffId,
    text: call.body.comment,
    causeKey: call.causeKey,
  })
  return { ...by(call), commentId }
}

const answer = ({ alertId, version, state, approvalId }: TriageResult) => ({
  status: 200 as const,
  body: { alertId, version, state, approvalId: approvalId ?? null },
})

export const assignAlert = inProcess('assignAlert', async (call) => {
  const { id } = await queries.readAlert(call.db, call.params.alertId)
  const { assigneeId } = call.body
  await checkAssignee(call.db, assigneeId, WORKERS)
  return answer(await processes.assignAlert(call.deps.temporal, id, { ...by(call), assigneeId }))
})

export const commentOnAlert = inProcess('commentOnAlert', async (call) =>
  answer(await processes.commentOnAlert(call.deps.temporal, call.params.alertId, await worded(call))),
)

export const confirmAlert = inProcess('confirmAlert', async (call) =>
  answer(await processes.confirmAlert(call.deps.temporal, call.params.alertId, await worded(call))),
)

export const dismissAlert = inProcess('dismissAlert', async (call) => {
  const input = { ...(await worded(call)), reason: call.body.reason }
  return answer(await processes.dismissAlert(call.deps.temporal, call.params.alertId, input))
})

export const escalateAlert = inProcess('escalateAlert', async (call) =>
  answer(await processes.escalateAlert(call.deps.temporal, call.params.alertId, await worded(call))),
)

export const reopenAlert = inProcess('reopenAlert', async (call) =>
  answer(await processes.reopenAlert(call.deps.temporal, call.params.alertId, await worded(call))),
)
