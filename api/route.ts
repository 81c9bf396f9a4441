import type { AuditEvent } from '../db/audit.ts'
import type { Connection } from '../db/connection.ts'
import type { PageOf, PageRequest } from '../db/queries/paging.ts'
import type { OperationId } from '../openapi/generated/operations.ts'
import type { operations } from '../openapi/generated/types.ts'
import type { Actor } from './auth.ts'
import type { ApiDeps } from './deps.ts'

type Contract<Id extends OperationId> = operations[Id]

export type Params<Id extends OperationId> = Contract<Id>['parameters'] extends { path: infer P }
  ? P
  : Record<never, never>
export type Query<Id extends OperationId> = Contract<Id>['parameters'] extends { query?: infer Q }
  ? NonNullable<Q>
  : Record<never, never>

/** What arrived when the contract asks for a file: it lies in the spool already. */
export interface ArrivedFile {
  sha256: string
  bytes: number
  /** As the part of a form names it; null where there is none. */
  fileName: string | null
}
export type Body<Id extends OperationId> =
  Contract<Id> extends { requestBody?: infer B }
    ? NonNullable<B> extends { content: { 'application/json': infer J } }
      ? J
      : NonNullable<B> extends { content: { 'application/octet-stream': unknown } }
        ? ArrivedFile
        : undefined
    : undefined

type Content<R> = R extends { content: { 'application/json': infer J } }
  ? J
  : R extends { content: { 'text/plain': infer T } }
    ? T
    : R extends { content: { 'text/csv': infer C } }
      ? C
      : undefined

/** One of the answers that the contract names, without problems: those are thrown. */
export type Answer<Id extends OperationId> = {
  [Status in Exclude<keyof Contract<Id>['responses'], 'default'>]: {
    status: Status
    body: Content<Contract<Id>['responses'][Status]>
    headers?: Record<string, string>
    /** Of a text answer. */
    contentType?: string
    /** Kept for repetitions instead of `body`, where something is shown once. */
    keep?: Content<Contract<Id>['responses'][Status]>
  }
}[Exclude<keyof Contract<Id>['responses'], 'default'>]

/** What is written down of an act, or why nothing is: leaving it out does not compile. */
export type Audited = { audit: Omit<AuditEvent, 'staffId'> | { none: string } }

export interface Call<Id extends OperationId> {
  deps: ApiDeps
  /** The operation's transaction where it has one, else the pool. */
  db: Connection
  params: Params<Id>
  query: Query<Id>
  body: Body<Id>
  actor: Actor
  /** The request's idempotency key; empty for reads. */
  causeKey: string
  /** From `If-Match`; NaN where the operation asks for none. */
  revision: number
  page: PageRequest
  /** A page as the wire has it. */
  paged<Row, Item>(rows: PageOf<Row>, present: (row: Row) => Item): { items: Item[]; nextCursor: string | null }
}

/**
 * How an operation is carried out.
 * `read`: over the pool, nothing is written. `transaction`: everything, the audit entry and the kept answer of the
 * idempotency key included, is one transaction; `after` runs once it is committed and may fail without harm, since the
 * reconciler repairs what it would have done. `process`: a durable process does the work; the key is the update's id.
 * The process audits in the transaction of what it does; where it cannot know who asked, the answer brings the entry.
 */
export type Route<Id extends OperationId> =
  | {
      id: Id
      in: 'read' | 'process'
      maxFileBytes?: undefined
      handle(call: Call<Id>): Promise<Answer<Id> & Partial<Audited>>
    }
  | {
      id: Id
      in: 'transaction'
      maxFileBytes?: (deps: ApiDeps) => number
      handle(call: Call<Id>): Promise<Answer<Id> & Audited & { after?: () => Promise<unknown> }>
    }

export const read = <Id extends OperationId>(id: Id, handle: (call: Call<Id>) => Promise<Answer<Id>>): Route<Id> => ({
  id,
  in: 'read',
  handle,
})

export const inProcess = <Id extends OperationId>(
  id: Id,
  handle: (call: Call<Id>) => Promise<Answer<Id> & Partial<Audited>>,
): Route<Id> => ({
  id,
  in: 'process',
  handle,
})

export const inTransaction = <Id extends OperationId>(
  id: Id,
  handle: (call: Call<Id>) => Promise<Answer<Id> & Audited & { after?: () => Promise<unknown> }>,
  options: { maxFileBytes?: (deps: ApiDeps) => number } = {},
): Route<Id> => ({ id, in: 'transaction', handle, ...options })

export const etag = (revision: number): Record<string, string> => ({ ETag: `"${revision}"` })

export const iso = (instant: Date): string => instant.toISOString()
export const isoOrNull = (instant: Date | null): string | null => instant?.toISOString() ?? null
export const dateOf = (text: string | undefined): Date | undefined => (text === undefined ? undefined : new Date(text))
