/**
 * The one table of error codes: what a code means for HTTP and for retrying. A code is stable; a text is not.
 * retry: 'later' = the same call may succeed without anybody changing anything; 'never' = somebody has to act first.
 */
export const ERROR_CODES = {
  alert_not_open: { status: 409, retry: 'never' },
  api_unreachable: { status: 502, retry: 'later' },
  approval_closed: { status: 409, retry: 'never' },
  approval_self_decision: { status: 403, retry: 'never' },
  auditing_off: { status: 422, retry: 'never' },
  body_too_large: { status: 413, retry: 'never' },
  body_too_slow: { status: 408, retry: 'later' },
  connector_kind_unknown: { status: 422, retry: 'never' },
  connector_not_active: { status: 409, retry: 'never' },
  connector_unreachable: { status: 502, retry: 'later' },
  content_encoding_unsupported: { status: 415, retry: 'never' },
  credential_expired: { status: 422, retry: 'never' },
  credential_refused: { status: 422, retry: 'never' },
  cursor_invalid: { status: 400, retry: 'never' },
  database_full: { status: 507, retry: 'later' },
  database_unavailable: { status: 503, retry: 'later' },
  demo_failed: { status: 500, retry: 'never' },
  destination_refused: { status: 502, retry: 'never' },
  destination_unreachable: { status: 502, retry: 'later' },
  embedded_already_running: { status: 500, retry: 'never' },
  embedded_start_failed: { status: 500, retry: 'never' },
  file_empty: { status: 422, retry: 'never' },
  file_encoding_invalid: { status: 422, retry: 'never' },
  file_header_duplicate: { status: 422, retry: 'never' },
  file_header_missing: { status: 422, retry: 'never' },
  file_unreadable: { status: 422, retry: 'never' },
  forbidden: { status: 403, retry: 'never' },
  idempotency_key_missing: { status: 400, retry: 'never' },
  idempotency_key_reused: { status: 422, retry: 'never' },
  import_balance_broken: { status: 500, retry: 'never' },
  indicator_invalid: { status: 422, retry: 'never' },
  internal: { status: 500, retry: 'later' },
  invalid_request: { status: 400, retry: 'never' },
  key_missing: { status: 500, retry: 'never' },
  mapping_invalid: { status: 422, retry: 'never' },
  media_type_unsupported: { status: 415, retry: 'never' },
  method_not_allowed: { status: 405, retry: 'never' },
  name_taken: { status: 409, retry: 'never' },
  not_found: { status: 404, retry: 'never' },
  object_gone: { status: 422, retry: 'never' },
  permission_missing: { status: 422, retry: 'never' },
  policy_invalid: { status: 422, retry: 'never' },
  precondition_failed: { status: 412, retry: 'never' },
  precondition_required: { status: 428, retry: 'never' },
  rate_limited: { status: 429, retry: 'later' },
  request_in_progress: { status: 409, retry: 'later' },
  row_refused: { status: 500, retry: 'never' },
  schema_mismatch: { status: 500, retry: 'never' },
  sealed_value_damaged: { status: 500, retry: 'never' },
  setting_missing: { status: 500, retry: 'never' },
  settings_invalid: { status: 422, retry: 'never' },
  setup_step_out_of_order: { status: 409, retry: 'never' },
  source_answer_invalid: { status: 502, retry: 'later' },
  source_cursor_lost: { status: 502, retry: 'never' },
  source_refused: { status: 502, retry: 'never' },
  source_throttled: { status: 503, retry: 'later' },
  state_conflict: { status: 409, retry: 'never' },
  subscription_disabled: { status: 422, retry: 'never' },
  subscription_not_started: { status: 422, retry: 'never' },
  temporal_unavailable: { status: 503, retry: 'later' },
  temporal_unprepared: { status: 500, retry: 'never' },
  timeout: { status: 504, retry: 'later' },
  unauthenticated: { status: 401, retry: 'never' },
  upload_job_mismatch: { status: 403, retry: 'never' },
} as const satisfies Record<string, { status: number; retry: 'never' | 'later' }>

export type ErrorCode = keyof typeof ERROR_CODES

export interface AppErrorOptions {
  cause?: unknown
  /** What the reader can do about it, one sentence. Shown to users. */
  fix?: string
  /** JSON pointer or column name of the offending input. */
  field?: string
  /** Milliseconds to wait before the next try, where the other side named it. */
  retryAfterMs?: number
}

/**
 * An error with a stable code. `message` says what and where, and never holds a person's data: messages reach logs and
 * workflow history.
 */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly fix: string | undefined
  readonly field: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.fix = options.fix
    this.field = options.field
    this.retryAfterMs = options.retryAfterMs
  }

  get status(): number {
    return ERROR_CODES[this.code].status
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retry === 'later'
  }
}

export const isAppError = (error: unknown): error is AppError => error instanceof AppError
