import { WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError } from '@temporalio/client'
import { ApplicationFailure, CancelledFailure, TemporalFailure, WorkflowNotFoundError } from '@temporalio/common'
import { databaseTrouble } from '../db/trouble.ts'
import { AppError, ERROR_CODES, type ErrorCode, isAppError } from '../domain/errors.ts'

/** RFC 9457 with our code, field and fix. */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  code: ErrorCode
  field?: string
  fix?: string
  requestId: string
}

/** What one may not know exists and what does not exist answer the same words. */
const NOT_FOUND = {
  detail: 'There is no such thing, or it is not yours to see.',
  fix: 'Check the address, and that your roles reach it.',
}

export function problemOf(error: AppError, requestId: string): Problem {
  const { code, status } = error
  const words = { detail: error.message, ...(error.fix === undefined ? {} : { fix: error.fix }) }
  return {
    type: `urn:openirm:problem:${code}`,
    title: code.replaceAll('_', ' '),
    status,
    ...(code === 'not_found' ? NOT_FOUND : status === 500 ? { detail: 'Something went wrong on our side.' } : words),
    code,
    ...(error.field === undefined || code === 'not_found' ? {} : { field: error.field }),
    requestId,
  }
}

/** Rules that the database keeps, in the words of the API. */
const CONSTRAINTS: Record<string, readonly [ErrorCode, string]> = {
  approval_self_decision: ['approval_self_decision', 'the requester may not decide'],
  approval_closed: ['approval_closed', 'the approval is closed'],
  approval_role: ['forbidden', 'only an approver decides'],
  approval_decision_pkey: ['state_conflict', 'this person has decided already'],
  approval_pending: ['state_conflict', 'an escalation of this alert is pending already'],
  connector_name_key: ['name_taken', 'another connector has this name'],
  destination_name_key: ['name_taken', 'another destination has this name'],
  policy_name_key: ['name_taken', 'another policy has this name'],
}

const LOCK_TIMEOUT = '55P03'
const STATEMENT_TIMEOUT = '57014'
/** gRPC status codes. */
const GRPC = { cancelled: 1, deadlineExceeded: 4, unavailable: 14 } as const

/** Every failure as one with a code. What is not understood is `internal`, its cause kept for the log. */
export function asAppError(error: unknown): AppError {
  if (isAppError(error)) return error
  return fromTemporal(error) ?? fromDatabase(error) ?? new AppError('internal', 'unexpected failure', { cause: error })
}

function fromTemporal(error: unknown): AppError | null {
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return slow(error)
  if (error instanceof WorkflowNotFoundError)
    return new AppError('state_conflict', 'it has ended already', { cause: error })
  if (error instanceof WorkflowUpdateFailedError || error instanceof TemporalFailure) {
    const failure = applicationFailure(error)
    const type = failure?.type
    if (failure && type && type in ERROR_CODES) {
      const [advice] = (failure.details ?? []) as ({ fix?: string | null; field?: string | null } | undefined)[]
      return new AppError(type as ErrorCode, failure.message, {
        cause: error,
        ...(advice?.fix ? { fix: advice.fix } : {}),
        ...(advice?.field ? { field: advice.field } : {}),
      })
    }
    if (error instanceof CancelledFailure) return slow(error)
    return null
  }
  const status = grpcStatus(error)
  if (status === GRPC.unavailable) {
    return new AppError('temporal_unavailable', 'Temporal cannot be reached', {
      cause: error,
      fix: 'Try again with the same key.',
    })
  }
  if (status === GRPC.deadlineExceeded || status === GRPC.cancelled) return slow(error)
  return null
}

const slow = (cause: unknown): AppError =>
  new AppError('timeout', 'the process did not answer in time', {
    cause,
    fix: 'Ask again with the same key: it is done once. If it goes on, see whether workers run.',
  })

/** The failure with a code; an activity's stands one or two causes deep. */
function applicationFailure(error: unknown): ApplicationFailure | null {
  for (let each = error, depth = 0; each instanceof Error && depth < 6; each = each.cause, depth += 1) {
    if (each instanceof ApplicationFailure && each.type && each.type in ERROR_CODES) return each
  }
  return null
}

function grpcStatus(error: unknown): number | null {
  for (let each = error, depth = 0; each instanceof Error && depth < 6; each = each.cause, depth += 1) {
    const { code, details } = each as { code?: unknown; details?: unknown }
    if (typeof code === 'number' && details !== undefined) return code
  }
  return null
}

function fromDatabase(error: unknown): AppError | null {
  const { code, constraint } = (error ?? {}) as { code?: unknown; constraint?: string }
  const rule = constraint === undefined ? undefined : CONSTRAINTS[constraint]
  if (rule) return new AppError(rule[0], rule[1], { cause: error })
  const trouble = databaseTrouble(error)
  if (trouble) return trouble
  if (code === LOCK_TIMEOUT || code === STATEMENT_TIMEOUT) {
    return new AppError('timeout', 'the database did not answer in time', {
      cause: error,
      fix: 'Ask again with the same key.',
    })
  }
  return null
}
