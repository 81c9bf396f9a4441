import { scheduleId, workflowId } from '../../../domain/processes.ts'
import type { ScenariosOf } from '../scenario.ts'
import type { Stage } from '../stage.ts'
import { escalate } from './alerts.ts'
import { openCase } from './approvals.ts'

const approvalOf = async (stage: Stage) => {
  const approvalId = await escalate(stage)
  const row = await stage.w.t.db
    .selectFrom('approval')
    .selectAll()
    .where('id', '=', approvalId)
    .executeTakeFirstOrThrow()
  return {
    approvalId,
    alertId: row.alert_id,
    requestedBy: row.requested_by,
    quorum: row.quorum,
    remindAt: null,
    expiresAt: row.expires_at.toISOString(),
  }
}

const schedulesOf = (connectorId: string) => [scheduleId.import(connectorId), scheduleId.prerequisites(connectorId)]

export const processes: ScenariosOf<
  | 'applyConnectorSchedules'
  | 'nudgeEvaluations'
  | 'nudgeExports'
  | 'openTriage'
  | 'nudgeTriage'
  | 'startCheck'
  | 'openApproval'
  | 'openCaseWork'
  | 'reconcileRuns'
> = {
  applyConnectorSchedules: {
    'of an active connector': {
      arrange: async ({ s3Id }) => ({ connectorId: s3Id }),
      starts: ({ s3Id }) => ({ schedules: schedulesOf(s3Id) }),
      answersOtherwise: 'it says what it repaired, and that is repaired already',
    },
  },
  nudgeEvaluations: {
    'of people who wait': {
      async arrange(stage) {
        const people = await stage.w.t.db.selectFrom('person').select('id').execute()
        await stage.w.t.db
          .insertInto('evaluation_request')
          .values(people.map(({ id }) => ({ policy_id: stage.policyId, person_id: id })))
          .execute()
        return undefined as never
      },
      starts: ({ policyId }) => ({ runs: [workflowId.evaluation(policyId)] }),
    },
  },
  nudgeExports: {
    'of what is queued': {
      arrange: async () => ({}),
      starts: ({ destinationId }) => ({ runs: [workflowId.siemExport(destinationId)] }),
    },
  },
  openTriage: {
    'of an alert': {
      arrange: async ({ alertId }) => ({ alertIds: [alertId] }),
      starts: ({ alertId }) => ({ runs: [workflowId.triage(alertId)] }),
    },
  },
  nudgeTriage: {
    'of an alert': {
      arrange: async ({ alertId }) => ({ alertIds: [alertId] }),
      starts: ({ alertId }) => ({ runs: [workflowId.triage(alertId)] }),
    },
  },
  startCheck: {
    'of a connector': {
      arrange: async ({ s3Id }) => ({ connectorId: s3Id }),
      starts: ({ s3Id }) => ({ runs: [workflowId.prerequisites(s3Id)] }),
    },
  },
  openApproval: {
    'of an escalation': {
      arrange: approvalOf,
      starts: (_stage, { approvalId }) => ({ runs: [workflowId.approval(approvalId)] }),
    },
  },
  openCaseWork: {
    'of an approved escalation': {
      arrange: async (stage) => ({ caseId: await openCase(stage) }),
      starts: (_stage, { caseId }) => ({ runs: [workflowId.caseWork(caseId)] }),
    },
  },
  reconcileRuns: {
    'that finds everything lost': {
      async arrange(stage) {
        await escalate(stage)
        // The Schedule of a policy stands for all of them: those of connectors take their time.
        await stage.w.t.db.updateTable('connector').set({ state: 'draft' }).execute()
        await stage.w.t.db
          .updateTable('import')
          .set({ started_at: new Date(Date.now() - 3_600_000) })
          .where('id', '=', await stage.pull())
          .execute()
        return undefined as never
      },
      starts: ({ policyId, destinationId, alertId }) => ({
        runs: [workflowId.siemExport(destinationId), workflowId.triage(alertId)],
        schedules: [scheduleId.evaluation(policyId)],
      }),
      answersOtherwise: 'it says what it repaired, and that is repaired already',
    },
  },
}
