import { appendAudit } from '../db/audit.ts'
import type { Connection } from '../db/connection.ts'
import { claimKey, type KeptAnswer, type KeyedRequest, keepAnswer, releaseKey } from '../db/idempotency.ts'
import { dropUnneeded } from '../db/spool-needs.ts'
import { canonicalJson } from '../domain/canonical.ts'
import { AppError } from '../domain/errors.ts'
import type { OperationId } from '../openapi/generated/operations.ts'
import type { Actor } from './auth.ts'
import type { Operation } from './contract.ts'
import { DEFAULT_LIMIT, listName, readCursor, writeCursor } from './cursor.ts'
import type { ApiDeps } from './deps.ts'
import { asAppError } from './errors.ts'
import type { ArrivedFile, Call } from './route.ts'
import type { AnyAnswer, AnyRoute } from './routes.ts'

export interface PerformInput {
  deps: ApiDeps
  operation: Operation
  route: AnyRoute
  params: Record<string, unknown>
  query: Record<string, unknown>
  body: unknown
  actor: Actor | null
  key: string
  revision: number
}

/** What is sent, and whether it is the repetition of a first answer. */
export interface Performed extends KeptAnswer {
  contentType?: string
  repeated: boolean
}

/** What follows a commit holds its answer up for so long at most. */
const AFTER_WITHIN_MS = 5_000

const PUBLIC: Actor = { staffId: '', name: '', roles: [], tokenId: '', expiresAt: new Date(0) }

/** Carries an operation out once per idempotency key and answers. */
export async function perform(input: PerformInput): Promise<Performed> {
  const { deps, route, operation } = input
  const keyed = operation.takesKey ? keyedRequest(input) : null
  try {
    if (route.in === 'transaction') return await performInTransaction(input, keyed)
    if (keyed === null) return sent((await route.handle(callOf(input, deps.db))) as AnyAnswer)
    return await performInProcess(input, keyed)
  } finally {
    if (operation.takes === 'file') await forgetFile(deps, (input.body as ArrivedFile).sha256)
  }
}

async function performInTransaction(input: PerformInput, keyed: KeyedRequest | null): Promise<Performed> {
  const { deps, route } = input
  let after: (() => Promise<unknown>) | undefined
  const performed = await deps.db.transaction().execute(async (tx) => {
    const first = keyed === null ? null : await claimKey(tx, keyed)
    if (first) return { ...first, repeated: true }
    const answer = (await route.handle(callOf(input, tx))) as AnyAnswer
    after = answer.after
    if (keyed !== null) await keepAnswer(tx, keyed, kept(answer))
    await append(tx, input, answer)
    return sent(answer)
  })
  try {
    if (after) await deps.temporal.withDeadline(Date.now() + AFTER_WITHIN_MS, after)
  } catch (error) {
    // The rows are the truth: what could not be started now is started by the reconciler.
    deps.log.warn({ operation: route.id, code: asAppError(error).code, err: error }, 'left to the reconciler')
  }
  return performed
}

/** Last in a transaction, so that the chain's lock is short. */
async function append(tx: Connection, { actor }: PerformInput, { audit }: AnyAnswer): Promise<void> {
  if (audit && 'action' in audit) await appendAudit(tx, { staffId: actor?.staffId ?? null, ...audit })
}

async function performInProcess(input: PerformInput, keyed: KeyedRequest): Promise<Performed> {
  const { deps, route } = input
  const first = await claimKey(deps.db, keyed)
  if (first) return { ...first, repeated: true }
  try {
    const answer = (await route.handle(callOf(input, deps.db))) as AnyAnswer
    await deps.db.transaction().execute(async (tx) => {
      await keepAnswer(tx, keyed, kept(answer))
      await append(tx, input, answer)
    })
    return sent(answer)
  } catch (error) {
    await releaseKey(deps.db, keyed).catch(() => {})
    throw error
  }
}

function callOf(input: PerformInput, db: Call<OperationId>['db']): Call<never> {
  const { deps, operation, params, query } = input
  const list = listName(operation.id, params, query)
  const call: Call<OperationId> = {
    deps,
    db,
    params: params as never,
    query: query as never,
    body: input.body as never,
    actor: input.actor ?? PUBLIC,
    causeKey: input.key,
    revision: input.revision,
    page: {
      limit: (query['limit'] as number | undefined) ?? DEFAULT_LIMIT,
      after: readCursor(deps.vault, list, query['cursor'] as string | undefined),
    },
    paged: ({ rows, next }, present) => ({ items: rows.map(present), nextCursor: writeCursor(deps.vault, list, next) }),
  }
  return call as never
}

/** A keyed hash over all that the caller sent: requests may hold secrets. */
function keyedRequest({ deps, operation, params, query, body, actor, key, revision }: PerformInput): KeyedRequest {
  if (!actor) throw new AppError('internal', `${operation.id} takes a key and is public`)
  const text = canonicalJson({ params, query, body: body ?? null, revision: Number.isNaN(revision) ? null : revision })
  return {
    staffId: actor.staffId,
    key,
    operation: operation.id,
    digest: deps.vault.lookupKey('request', text).toString('hex'),
    holder: deps.presence?.id ?? null,
  }
}

const kept = (answer: AnyAnswer): KeptAnswer => ({
  status: answer.status,
  body: answer.keep ?? answer.body,
  headers: answer.headers ?? {},
})

const sent = (answer: AnyAnswer): Performed => ({
  status: answer.status,
  body: answer.body,
  headers: answer.headers ?? {},
  repeated: false,
  ...(answer.contentType === undefined ? {} : { contentType: answer.contentType }),
})

/** A file that nothing refers to (a repetition, a refused upload) is not kept. */
async function forgetFile(deps: ApiDeps, sha256: string): Promise<void> {
  try {
    await dropUnneeded(deps.db, deps.spool, sha256)
  } catch (error) {
    deps.log.warn({ err: error }, 'a spooled file could not be looked after')
  }
}
