import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  getExternalWorkflowHandle,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow'
import { type ApprovalInput, type ApprovalResult, workflowId } from '../domain/processes.ts'
import { approvalClosed, decideApproval, withdrawApproval } from './contract.ts'
import { patient, prompt } from './options.ts'

const { recordDecision } = prompt('Book a decision')
const { endApproval, readApproval } = patient('Close the approval')
const { remindApprovers } = patient('Remind the approvers')

/**
 * A question with a quorum, a deadline and a separation of duties.
 * Id:    `approval/<approvalId>`.
 * Ends:  approved by the quorum, rejected by anybody, withdrawn by its requester, or expired.
 * State: the decisions are rows; a decision is stored and audited before its update returns.
 */
export async function approval(input: ApprovalInput): Promise<ApprovalResult> {
  const { approvalId } = input
  const decided = new Map<string, string>()
  let latest: ApprovalResult = await readApproval({ approvalId })
  const note = (result: ApprovalResult): ApprovalResult => {
    latest = result
    setCurrentDetails(`**${result.state}**, ${result.approvals} of ${result.quorum} approvals.`)
    return result
  }

  setHandler(
    decideApproval,
    async (decision) => {
      decided.set(decision.staffId, decision.causeKey)
      try {
        return note(await recordDecision({ ...decision, approvalId }))
      } catch (error) {
        decided.delete(decision.staffId)
        throw error
      }
    },
    {
      validator: (decision) => {
        if (decision.staffId === input.requestedBy) {
          throw ApplicationFailure.nonRetryable('the requester may not decide', 'approval_self_decision')
        }
        // The same act again gets its first answer from the handler; another one is too late.
        if (decided.get(decision.staffId) === decision.causeKey) return
        if (decided.has(decision.staffId))
          throw ApplicationFailure.nonRetryable('this person has decided already', 'state_conflict')
        if (latest.state !== 'pending')
          throw ApplicationFailure.nonRetryable(`the approval is ${latest.state}`, 'approval_closed')
      },
    },
  )
  setHandler(withdrawApproval, async (by) => note(await endApproval({ approvalId, as: 'withdrawn', by })), {
    validator: (by) => {
      if (by.staffId !== input.requestedBy)
        throw ApplicationFailure.nonRetryable('only the requester withdraws', 'forbidden')
    },
  })

  const isClosed = () => latest.state !== 'pending'
  const until = (instant: string) => Math.max(Date.parse(instant) - Date.now(), 1)
  if (input.remindAt !== null && Date.parse(input.remindAt) > Date.now()) {
    if (!(await condition(isClosed, until(input.remindAt)))) await remindApprovers({ approvalId })
  }
  if (!isClosed() && !(await condition(isClosed, until(input.expiresAt)))) {
    note(await endApproval({ approvalId, as: 'expired', by: null }))
  }
  await condition(allHandlersFinished)
  await tellTriage(input.alertId, latest)
  return latest
}

/** A triage that is not there is started by the reconciler and reads the approval from its row. */
async function tellTriage(alertId: string, { approvalId, state }: ApprovalResult): Promise<void> {
  try {
    await getExternalWorkflowHandle(workflowId.triage(alertId)).signal(approvalClosed, { approvalId, state })
  } catch {
    setCurrentDetails(`**${state}**; the triage of the alert was not running.`)
  }
}
