import type { RequestHandler } from 'express'
import { middleware, error as validatorErrors } from 'express-openapi-validator'
import { AppError, type ErrorCode } from '../domain/errors.ts'
import { contract, contractOfRequests } from './contract.ts'

interface ValidatorError {
  status: number
  path?: string
  errors?: { path: string; message: string; errorCode?: string }[]
}

const CODES: Record<number, ErrorCode> = {
  400: 'invalid_request',
  404: 'not_found',
  405: 'method_not_allowed',
  406: 'invalid_request',
  413: 'body_too_large',
  415: 'media_type_unsupported',
}

const validators = new Map<boolean, RequestHandler[]>()

/**
 * Holds requests against the contract, and answers where that is asked for. One for all servers of a process: it compiles
 * an operation's schemas when the operation is first asked for, and keeps nothing of a server.
 */
export function fitsContract(answersToo: boolean): RequestHandler[] {
  const made =
    validators.get(answersToo) ??
    middleware({
      apiSpec: (answersToo ? contract() : contractOfRequests()) as never,
      validateApiSpec: false,
      validateRequests: { allowUnknownQueryParameters: false },
      validateResponses: answersToo,
      validateSecurity: false,
      fileUploader: false,
      // Everything below is registered by `OperationId`, which the types hold against the contract.
      operationHandlers: false,
      serDes: [],
    })
  validators.set(answersToo, made)
  return made
}

/** Faults that the contract's validator and the body's parser found; null for anything else. */
export function fromValidator(error: unknown): AppError | null {
  const known = Object.values(validatorErrors).some((type) => error instanceof (type as unknown as new () => object))
  if (known) {
    const { status, errors } = error as ValidatorError
    const code = CODES[status]
    if (!code) return new AppError('internal', 'the answer does not fit the contract', { cause: error })
    const [first] = errors ?? []
    return new AppError(
      code,
      first ? `${where(first.path)} ${first.message}` : 'the request does not fit the contract',
      {
        ...(first ? { field: where(first.path) } : {}),
        fix: 'Compare with the contract at /docs.',
      },
    )
  }
  // body-parser's errors carry a type of their own.
  const { type, status } = (error ?? {}) as { type?: unknown; status?: unknown }
  if (type === 'entity.too.large') {
    return new AppError('body_too_large', 'the body is larger than 256 kB', { fix: 'Send less at once.' })
  }
  if (typeof type === 'string' && type.startsWith('entity.')) {
    return new AppError('invalid_request', 'the body is not JSON', {
      field: '/',
      fix: 'Send one JSON object in UTF-8.',
    })
  }
  if (typeof type === 'string' && typeof status === 'number' && CODES[status]) {
    return new AppError(CODES[status] as ErrorCode, 'the request cannot be read', { fix: 'See /docs.' })
  }
  return null
}

/** `/body/name` → `/name`, `/query/limit` → `limit`. */
const where = (path: string): string => path.replace(/^\/body/, '').replace(/^\/(query|headers|params)\//, '') || '/'
