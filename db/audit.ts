import { sql } from 'kysely'
import { canonicalJson } from '../domain/canonical.ts'
import type { Connection } from './connection.ts'
import { sha256 } from './hash.ts'

export interface AuditEvent {
  /** null: the platform itself. */
  staffId: string | null
  /** `noun.verb`, past tense: `alert.dismissed`, `person.read`. */
  action: string
  subjectKind: string
  subjectId: string
  /** Ids, counts and codes; never a person's data. */
  detail?: Record<string, unknown>
}

/** Hash before the first entry. */
export const AUDIT_GENESIS = '0'.repeat(64)
const AUDIT_LOCK = 0x0a0d17

export interface AuditRow {
  seq: number
  at: Date
  staff_id: string | null
  action: string
  subject_kind: string
  subject_id: string
  detail: unknown
  previous_hash: string
}

/** SHA-256 (hex) over the canonical JSON of an entry and the hash before it. */
export const auditHash = (row: AuditRow): string =>
  sha256(
    canonicalJson({
      seq: Number(row.seq),
      at: row.at.toISOString(),
      staff_id: row.staff_id,
      action: row.action,
      subject_kind: row.subject_kind,
      subject_id: row.subject_id,
      detail: row.detail,
      previous_hash: row.previous_hash,
    }),
  )

/**
 * Appends to the chain inside the caller's transaction. One writer at a time: call it last, so that the lock is short.
 */
export async function appendAudit(tx: Connection, event: AuditEvent): Promise<void> {
  await sql`select pg_advisory_xact_lock(${AUDIT_LOCK})`.execute(tx)
  const head = await auditHead(tx)
  const row = {
    seq: head.seq + 1,
    at: new Date(),
    staff_id: event.staffId,
    action: event.action,
    subject_kind: event.subjectKind,
    subject_id: event.subjectId,
    detail: JSON.parse(canonicalJson(event.detail ?? {})),
    previous_hash: head.hash,
  }
  await tx
    .insertInto('audit_entry')
    .values({ ...row, detail: JSON.stringify(row.detail), hash: auditHash(row) })
    .execute()
}

/** Whose act it was, and under which key it was sent; of an action in particular where one is named. */
export interface Act extends Pick<AuditEvent, 'subjectKind' | 'subjectId'> {
  staffId: string
  causeKey: string
  action?: string
}

/** The entry of an act that was done, which holds what was answered; null when it was not done yet. */
export async function entryOfAct(
  db: Connection,
  { subjectKind, subjectId, staffId, causeKey, action }: Act,
): Promise<{ action: string; detail: unknown } | null> {
  let query = db
    .selectFrom('audit_entry')
    .select(['action', 'detail'])
    .where('subject_kind', '=', subjectKind)
    .where('subject_id', '=', subjectId)
    .where('staff_id', '=', staffId)
    .where(sql<string>`detail ->> 'cause_key'`, '=', causeKey)
  if (action !== undefined) query = query.where('action', '=', action)
  return (await query.executeTakeFirst()) ?? null
}

export async function auditHead(db: Connection): Promise<{ seq: number; hash: string }> {
  const head = await db
    .selectFrom('audit_entry')
    .select(['seq', 'hash'])
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  return head ?? { seq: 0, hash: AUDIT_GENESIS }
}
