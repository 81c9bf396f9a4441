import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { Decided } from '../activities/triage.ts'
import type { AlertState } from '../domain/alert.ts'
import type { ApprovalState, TriageInput, TriageResult } from '../domain/processes.ts'
import {
  approvalClosed,
  assignAlert,
  commentOnAlert,
  confirmAlert,
  dismissAlert,
  escalateAlert,
  reopenAlert,
} from './contract.ts'
import { patient, prompt } from './options.ts'

const { decideAlert, requestEscalation } = prompt('Book what an analyst decided')
const { settleEscalation } = patient('Settle the escalation')
const { readTriage, markAttention } = patient("Run the alert's clocks")
const { openApproval } = patient('Ask for an approval')
const { openCaseWork } = patient('Open the case')
const { nudgeExports } = patient('Wake the exports')

const isOpen = (state: string): boolean => state === 'needs_review' || state === 'confirmed'

/**
 * Waits for people over one alert, runs its clocks, and asks for approvals. Clocks remind and never decide.
 * Id:    `triage/<alertId>`, so no alert has two triages.
 * Ends:  when the alert is dismissed or resolved; a later `reopen` starts it anew by update-with-start.
 * State: none that PostgreSQL does not hold; a decision is stored and audited before its update returns.
 */
export async function alertTriage({ alertId }: TriageInput): Promise<{ state: string }> {
  let state: AlertState | 'unknown' = 'unknown'
  /** Grows with every human act: the clocks start anew. */
  let acts = 0
  const closed: { approvalId: string; state: ApprovalState }[] = []

  const booked = async (work: Promise<Decided>): Promise<TriageResult> => {
    const { destinations, ...result } = await work
    state = result.state
    acts += 1
    if (destinations.length > 0) await nudgeExports({ destinations })
    setCurrentDetails(`Alert is **${result.state}**, version ${result.version}.`)
    return {
      alertId: result.alertId,
      version: result.version,
      state: result.state,
      ...(result.approvalId ? { approvalId: result.approvalId } : {}),
    }
  }

  setHandler(assignAlert, (input) => booked(decideAlert({ ...input, alertId, decision: 'assign' })), {
    validator: identified,
  })
  setHandler(commentOnAlert, (input) => booked(decideAlert({ ...input, alertId, decision: 'comment' })), {
    validator: worded,
  })
  setHandler(confirmAlert, (input) => booked(decideAlert({ ...input, alertId, decision: 'confirm' })), {
    validator: worded,
  })
  setHandler(dismissAlert, (input) => booked(decideAlert({ ...input, alertId, decision: 'dismiss' })), {
    validator: worded,
  })
  setHandler(reopenAlert, (input) => booked(decideAlert({ ...input, alertId, decision: 'reopen' })), {
    validator: worded,
  })
  setHandler(
    escalateAlert,
    async (input) => {
      const escalation = await requestEscalation({ ...input, alertId })
      await openApproval(escalation.approval)
      return booked(Promise.resolve(escalation))
    },
    { validator: worded },
  )
  setHandler(approvalClosed, (approval) => {
    closed.push(approval)
  })

  const view = await readTriage({ alertId })
  if (state === 'unknown') state = view.state as AlertState
  // An approval may outlive the run that asked for it.
  if (view.approval) await openApproval(view.approval)

  for (;;) {
    const settled = closed.shift()
    if (settled) {
      const outcome = await settleEscalation({ alertId, ...settled })
      if (outcome.caseId !== null) await openCaseWork({ caseId: outcome.caseId })
      await booked(Promise.resolve(outcome))
      continue
    }
    const quiet = () => closed.length === 0 && !workflowInfo().continueAsNewSuggested
    // What closes a case resolves the alert outside of this run: the row is asked again at every turn of the clocks.
    const current = await readTriage({ alertId })
    state = current.state as AlertState
    if (!isOpen(state)) {
      await condition(allHandlersFinished)
      if (!isOpen(state) && closed.length === 0) return { state }
      continue
    }
    if (workflowInfo().continueAsNewSuggested) {
      await condition(allHandlersFinished)
      return continueAsNew<typeof alertTriage>({ alertId })
    }
    const seen = acts
    const wait = nextClock(current)
    const moved = await condition(() => acts !== seen || !quiet(), wait?.afterMs ?? IDLE_MS)
    if (!moved && wait) await markAttention({ alertId, attention: wait.attention })
  }
}

/** With no clock to run the row is still read so often. */
const IDLE_MS = 24 * 3_600_000

function nextClock(view: { state: string; attention: string; remindAfterMs: number; overdueAfterMs: number }) {
  if (view.state !== 'needs_review' || view.attention === 'overdue') return null
  if (view.attention === 'reminded') {
    return { attention: 'overdue' as const, afterMs: Math.max(view.overdueAfterMs - view.remindAfterMs, 1) }
  }
  return { attention: 'reminded' as const, afterMs: view.remindAfterMs }
}

// Validators are synchronous: an asynchronous one stalls the workflow for ever.
function identified(input: { staffId: string; causeKey: string }): void {
  if (!input.staffId || !input.causeKey)
    throw ApplicationFailure.nonRetryable('who decides is missing', 'invalid_request')
}

function worded(input: { staffId: string; causeKey: string; commentId: string }): void {
  identified(input)
  if (!input.commentId) throw ApplicationFailure.nonRetryable('a comment is missing', 'invalid_request')
}
