import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { Decided, TriageView } from '../activities/triage.ts'
import type { TriageInput, TriageResult } from '../domain/processes.ts'
import {
  alertChanged,
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
  /** Grows whenever the row may say something new. */
  let turns = 0
  /** Since when nobody has looked: as the row says, unless somebody does before it is read. */
  let waitingSince: number | undefined

  const booked = async (work: Promise<Decided>): Promise<TriageResult> => {
    const { destinations, ...result } = await work
    turns += 1
    waitingSince = Date.now()
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
  setHandler(alertChanged, () => {
    turns += 1
  })

  const { approval, state, waitedMs } = await readTriage({ alertId })
  // Not by `turns`: a change that is told meanwhile is no look.
  if (waitingSince === undefined) {
    waitingSince = Date.now() - waitedMs
    // A run that continues another has no summary.
    setCurrentDetails(`Alert is **${state}**.`)
  }
  // An approval may outlive the run that asked for it.
  if (approval) await openApproval(approval)

  const suggested = () => workflowInfo().continueAsNewSuggested
  for (;;) {
    // First of all: whatever comes without a pause must not put it off.
    if (suggested()) {
      await condition(allHandlersFinished)
      return continueAsNew<typeof alertTriage>({ alertId })
    }
    const turn = turns
    const view = await readTriage({ alertId })
    // Something was booked meanwhile: what was read may be what was before.
    if (turns !== turn) continue
    const [closed] = view.closed
    if (closed) {
      const outcome = await settleEscalation({ alertId, ...closed })
      if (outcome.caseId !== null) await openCaseWork({ caseId: outcome.caseId })
      await booked(Promise.resolve(outcome))
      continue
    }
    if (!isOpen(view.state)) {
      await condition(allHandlersFinished)
      if (turns === turn) return { state: view.state }
      continue
    }
    const clock = nextClock(view, Date.now() - waitingSince)
    const moved = await condition(() => turns !== turn || suggested(), clock?.afterMs ?? IDLE_MS)
    if (!moved && clock) await markAttention({ alertId, attention: clock.attention })
  }
}

/** With no clock to run the row is still read so often. */
const IDLE_MS = 24 * 3_600_000

/** What the clocks of the alert's severity do next; nothing while others are asked, or once somebody said what it is. */
function nextClock(view: TriageView, waitedMs: number) {
  if (view.state !== 'needs_review' || view.attention === 'overdue' || view.approval) return null
  const attention = view.attention === 'reminded' ? ('overdue' as const) : ('reminded' as const)
  const dueMs = attention === 'overdue' ? view.overdueAfterMs : view.remindAfterMs
  return { attention, afterMs: Math.max(dueMs - waitedMs, 1) }
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
