import type { AlertDecision } from '../../../activities/triage.ts'
import { rollupKey } from '../../../policies/compile.ts'
import type { IndicatorDefinition } from '../../../policies/indicator.ts'
import { loadIndicators } from '../../../policies/load.ts'
import type { ScenariosOf } from '../scenario.ts'
import { evaluation, type Stage } from '../stage.ts'

const decided = (decision: AlertDecision['decision'], more: Partial<AlertDecision> = {}) => ({
  async arrange(stage: Stage): Promise<AlertDecision> {
    const { alertId, analyst } = stage
    const commentId = await stage.w.comment('alert', alertId, analyst, 'Looked at it.')
    return { alertId, staffId: analyst, causeKey: `key of ${decision}`, decision, commentId, ...more }
  },
})

/** An escalation of the stage's alert; its approval. */
export async function escalate(stage: Stage): Promise<string> {
  const { alertId, analyst } = stage
  const commentId = await stage.w.comment('alert', alertId, analyst, 'Two nights.')
  const asked = await stage.run('requestEscalation', { alertId, staffId: analyst, causeKey: 'escalate', commentId })
  return asked.approval.approvalId
}

export const decide = (stage: Stage, approvalId: string, decision: 'approve' | 'reject') =>
  stage.run('recordDecision', {
    approvalId,
    staffId: stage.approver,
    causeKey: decision,
    decision,
    commentId: null,
  })

const settled = (decision: 'approve' | 'reject') => ({
  async arrange(stage: Stage) {
    const approvalId = await escalate(stage)
    const { state } = await decide(stage, approvalId, decision)
    return { alertId: stage.alertId, approvalId, state }
  },
})

export const alerts: ScenariosOf<
  | 'buildRollups'
  | 'evaluatePolicy'
  | 'decideAlert'
  | 'requestEscalation'
  | 'settleEscalation'
  | 'readTriage'
  | 'markAttention'
> = {
  buildRollups: {
    'of a policy made after the import': {
      async arrange(stage) {
        const { db } = stage.w.t
        const key = rollupKey(loadIndicators().get('s3-bulk-read') as IndicatorDefinition)
        await db.deleteFrom('rollup').where('key', '=', key).execute()
        await db.deleteFrom('indicator_day').where('rollup_key', '=', key).execute()
        await db.updateTable('policy').set({ everybody_due: false }).execute()
        return { policyId: stage.policyId }
      },
      answersOtherwise: 'it says how many it filled, and they are filled already',
    },
  },
  evaluatePolicy: {
    'that raises an alert': {
      async arrange(stage) {
        // The alert is dismissed and its evidence grows: another night, another alert.
        await stage.run('decideAlert', await decided('dismiss', { reason: 'expected_activity' }).arrange(stage))
        const { db } = stage.w.t
        await db
          .updateTable('indicator_day')
          .set((eb) => ({ count: eb('count', '*', 3), bytes: eb('bytes', '*', 3) }))
          .execute()
        await request(stage)
        return evaluation(stage)
      },
    },
    'that scores an open alert anew': {
      async arrange(stage) {
        const { db } = stage.w.t
        await db
          .updateTable('indicator_day')
          .set((eb) => ({ count: eb('count', '*', 3) }))
          .execute()
        await request(stage)
        return evaluation(stage)
      },
    },
    'that finds nothing new': {
      async arrange(stage) {
        await request(stage)
        return evaluation(stage)
      },
    },
  },
  decideAlert: {
    assign: decided('assign', { assigneeId: null }),
    comment: decided('comment'),
    confirm: decided('confirm'),
    dismiss: decided('dismiss', { reason: 'expected_activity' }),
    reopen: {
      async arrange(stage) {
        await stage.run('decideAlert', await decided('dismiss', { reason: 'false_positive' }).arrange(stage))
        return decided('reopen').arrange(stage)
      },
    },
  },
  requestEscalation: {
    'asks for an approval': {
      async arrange({ w, alertId, analyst }) {
        const commentId = await w.comment('alert', alertId, analyst, 'Two nights.')
        return { alertId, staffId: analyst, causeKey: 'escalate', commentId }
      },
    },
  },
  settleEscalation: { approved: settled('approve'), rejected: settled('reject') },
  readTriage: {
    'of an open alert': {
      arrange: async ({ alertId }) => ({ alertId }),
      answersOtherwise: 'it says how long its clocks still run',
    },
  },
  markAttention: { overdue: { arrange: async ({ alertId }) => ({ alertId, attention: 'overdue' }) } },
}

/** Somebody's signals changed. */
async function request({ w, policyId }: Stage): Promise<void> {
  const people = await w.t.db.selectFrom('alert').select('person_id').execute()
  await w.t.db
    .insertInto('evaluation_request')
    .values(people.map(({ person_id }) => ({ policy_id: policyId, person_id })))
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}
