import type { CaseChange } from '../../../activities/cases.ts'
import type { ScenariosOf } from '../scenario.ts'
import type { Stage } from '../stage.ts'
import { decide, escalate } from './alerts.ts'

const decision = (made: 'approve' | 'reject') => ({
  arrange: async (stage: Stage) => ({
    approvalId: await escalate(stage),
    staffId: stage.approver,
    causeKey: made,
    decision: made,
    commentId: null,
  }),
})

/** The case of the stage's alert. */
export async function openCase(stage: Stage): Promise<string> {
  const approvalId = await escalate(stage)
  const { state } = await decide(stage, approvalId, 'approve')
  const { caseId } = await stage.run('settleEscalation', { alertId: stage.alertId, approvalId, state })
  return caseId as string
}

const changed = (change: CaseChange['change'], more: Partial<CaseChange> = {}) => ({
  async arrange(stage: Stage): Promise<CaseChange> {
    const caseId = await openCase(stage)
    const commentId = await stage.w.comment('case', caseId, stage.analyst, 'Asked the team.')
    return { caseId, staffId: stage.analyst, causeKey: change, change, commentId, ...more }
  },
})

export const approvals: ScenariosOf<
  'recordDecision' | 'endApproval' | 'remindApprovers' | 'readApproval' | 'changeCase' | 'readCase'
> = {
  recordDecision: { approve: decision('approve'), reject: decision('reject') },
  endApproval: {
    expired: { arrange: async (stage) => ({ approvalId: await escalate(stage), as: 'expired', by: null }) },
    withdrawn: {
      arrange: async (stage) => ({
        approvalId: await escalate(stage),
        as: 'withdrawn',
        by: { staffId: stage.analyst, causeKey: 'withdraw' },
      }),
    },
  },
  remindApprovers: { once: { arrange: async (stage) => ({ approvalId: await escalate(stage) }) } },
  readApproval: { pending: { arrange: async (stage) => ({ approvalId: await escalate(stage) }) } },
  changeCase: {
    assign: changed('assign', { assigneeId: null }),
    note: changed('note'),
    resolve: changed('resolve', { resolution: 'confirmed_violation' }),
  },
  readCase: { active: { arrange: async (stage) => ({ caseId: await openCase(stage) }) } },
}
