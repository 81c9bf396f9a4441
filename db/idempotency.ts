import { sql } from 'kysely'
import { AppError } from '../domain/errors.ts'
import type { Connection } from './connection.ts'
import { isPresent } from './presence.ts'

/** A request under its key. `digest` is a keyed hash of all that the caller sent. */
export interface KeyedRequest {
  staffId: string
  key: string
  operation: string
  digest: string
  /** Who carries it out, as `Presence` says; null where that is not known. */
  holder: number | null
}

export interface KeptAnswer {
  status: number
  body: unknown
  headers: Record<string, string>
}

/** A first call that has not answered for so long is taken to have died, whoever holds its key. */
export const ABANDONED_AFTER_MS = 120_000

/**
 * Takes the key for this call. Returns null when the call is the first one, or when the first one died without an
 * answer, with its process or long ago; else the answer that the first one gave. Inside a transaction a second call
 * waits for the first one to end. Throws idempotency_key_reused when the key came with another request, request_in_progress while the first call is still running.
 */
export async function claimKey(tx: Connection, request: KeyedRequest): Promise<KeptAnswer | null> {
  const taken = await tx
    .insertInto('idempotent_response')
    .values({
      staff_id: request.staffId,
      key: request.key,
      operation: request.operation,
      request_sha256: request.digest,
      holder: request.holder,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['staff_id', 'key'])
        .doUpdateSet({ created_at: new Date(), holder: request.holder })
        .where('idempotent_response.status', 'is', null)
        .where('idempotent_response.request_sha256', '=', request.digest)
        .where(({ eb, or }) =>
          or([
            eb('idempotent_response.created_at', '<', new Date(Date.now() - ABANDONED_AFTER_MS)),
            eb(isPresent('idempotent_response.holder'), '=', false),
          ]),
        ),
    )
    .returning('key')
    .executeTakeFirst()
  if (taken) return null
  const first = await tx
    .selectFrom('idempotent_response')
    .selectAll()
    .where('staff_id', '=', request.staffId)
    .where('key', '=', request.key)
    .executeTakeFirst()
  if (first && (first.operation !== request.operation || first.request_sha256 !== request.digest)) {
    throw new AppError('idempotency_key_reused', 'the Idempotency-Key came with another request before', {
      field: 'Idempotency-Key',
      fix: 'Choose a new key for a new act.',
    })
  }
  if (!first || first.status === null) {
    throw new AppError('request_in_progress', 'the first request with this Idempotency-Key is still running', {
      fix: 'Ask again in a moment with the same key.',
    })
  }
  return { status: first.status, body: first.body, headers: (first.headers ?? {}) as Record<string, string> }
}

export async function keepAnswer(tx: Connection, request: KeyedRequest, answer: KeptAnswer): Promise<void> {
  await tx
    .updateTable('idempotent_response')
    .set({
      status: answer.status,
      body: sql`${JSON.stringify(answer.body ?? null)}::jsonb`,
      headers: JSON.stringify(answer.headers),
    })
    .where('staff_id', '=', request.staffId)
    .where('key', '=', request.key)
    .execute()
}

/** A call that failed leaves its key free, unless another one has taken it over: the next one is a first call again. */
export async function releaseKey(db: Connection, request: KeyedRequest): Promise<void> {
  await db
    .deleteFrom('idempotent_response')
    .where('staff_id', '=', request.staffId)
    .where('key', '=', request.key)
    .where('status', 'is', null)
    .where('holder', 'is not distinct from', request.holder)
    .execute()
}
