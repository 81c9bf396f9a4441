import { ApplicationFailure } from '@temporalio/common'
import { databaseTrouble } from '../db/trouble.ts'
import { type AppError, isAppError } from '../domain/errors.ts'

/**
 * Every error that leaves an activity: its type is the code, and the code decides whether Temporal tries again. What
 * has no code is a fault of ours or of the moment and is tried again; its text may hold anything, so it stays behind.
 */
export function asFailure(error: unknown): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error
  const { code, constraint } = (error ?? {}) as { code?: string; constraint?: string }
  const known = constraint === undefined ? undefined : CONSTRAINTS[constraint]
  if (known) return ApplicationFailure.create({ message: known.message, type: known.code, nonRetryable: true })
  const understood = isAppError(error) ? error : databaseTrouble(error)
  if (understood) return failureWith(understood)
  const name = error instanceof Error ? error.name : typeof error
  return ApplicationFailure.create({
    message: `unexpected ${name}${code ? ` (${code}${constraint ? `, ${constraint}` : ''})` : ''}`,
    type: 'internal',
    nonRetryable: false,
  })
}

const failureWith = ({ message, code, retryable, fix, field, retryAfterMs }: AppError): ApplicationFailure =>
  ApplicationFailure.create({
    message,
    type: code,
    nonRetryable: !retryable,
    details: [{ fix: fix ?? null, field: field ?? null }],
    ...(retryAfterMs === undefined ? {} : { nextRetryDelay: retryAfterMs }),
  })

/** Rules that the database keeps, in the words of the API. */
const CONSTRAINTS: Record<string, { code: string; message: string }> = {
  approval_self_decision: { code: 'approval_self_decision', message: 'the requester may not decide' },
  approval_closed: { code: 'approval_closed', message: 'the approval is closed' },
  approval_role: { code: 'forbidden', message: 'only an approver decides' },
  approval_decision_pkey: { code: 'state_conflict', message: 'this person has decided already' },
  approval_pending: { code: 'state_conflict', message: 'an escalation of this alert is pending already' },
}
