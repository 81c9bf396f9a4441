import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { ApprovalInput, ApprovalResult } from '../domain/processes.ts'
import { decideApproval, withdrawApproval } from './contract.ts'
import { patient, prompt } from './options.ts'

const { recordDecision } = prompt('Book a decision')
const { endApproval, readApproval } = patient('Close the approval')
const { remindApprovers } = patient('Remind the approvers')
const { nudgeTriage } = patient('Tell the triage of the alert')

/**
 * A question with a quorum, a deadline and a separation of duties.
 * Id:    `approval/<approvalId>`.
 * Ends:  approved by the quorum, rejected by anybody, withdrawn by its requester, or expired.
 * State: the decisions are rows; a decision is stored and audited before its update returns.
 */
export async function approval(input: ApprovalInput): Promise<ApprovalResult> {
  const { approvalId } = input
  const decided = new Map<string, string>()
  // Handlers stand before the first wait: an update that starts this run would find none otherwise.
  let latest: ApprovalResult | undefined
  const note = (result: ApprovalResult): ApprovalResult => {
    // A repeated act answers what was so when it was done first.
    latest = latest ? later(latest, result) : result
    setCurrentDetails(`**${latest.state}**, ${latest.approvals} of ${latest.quorum} approvals.`)
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
        // The same act again gets its first answer from the handler, in whichever run it comes; another one is too late.
        if (decided.get(decision.staffId) === decision.causeKey) return
        if (decided.has(decision.staffId))
          throw ApplicationFailure.nonRetryable('this person has decided already', 'state_conflict')
        if (latest && latest.state !== 'pending')
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

  const stored = await readApproval({ approvalId })
  for (const [staffId, causeKey] of stored.decided) if (!decided.has(staffId)) decided.set(staffId, causeKey)
  note(stored.result)
  const current = () => latest as ApprovalResult
  const isClosed = () => current().state !== 'pending'
  const moved = () => isClosed() || workflowInfo().continueAsNewSuggested
  const until = (instant: string) => Math.max(Date.parse(instant) - Date.now(), 1)
  // The moment to remind may have passed between two runs.
  const unreminded = !stored.reminded && Date.parse(input.expiresAt) > Date.now()
  if (input.remindAt !== null && unreminded) {
    if (!(await condition(moved, until(input.remindAt)))) await remindApprovers({ approvalId })
  }
  if (!moved() && !(await condition(moved, until(input.expiresAt)))) {
    note(await endApproval({ approvalId, as: 'expired', by: null }))
  }
  await condition(allHandlersFinished)
  if (!isClosed()) return continueAsNew<typeof approval>(input)
  await nudgeTriage({ alertIds: [input.alertId] })
  return current()
}

/** Of two states of one approval the one that came later: it never opens again, and approvals only grow. */
const later = (one: ApprovalResult, other: ApprovalResult): ApprovalResult =>
  one.state !== 'pending' || (other.state === 'pending' && one.approvals >= other.approvals) ? one : other
