import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { AppError } from '../domain/errors.ts'
import type { Attestation, CheckResult, Verdict } from '../domain/prerequisite.ts'
import { RHYTHM_DAYS } from '../domain/rhythm.ts'
import { appendAudit } from './audit.ts'
import type { Connection } from './connection.ts'
import type { PauseReason } from './connectors.ts'

/** Whose condition it is. */
export type PrerequisiteSubject =
  | { kind: 'connector'; id: string }
  | { kind: 'policy'; id: string }
  | { kind: 'destination'; id: string }

export interface CheckOutcome extends CheckResult {
  checkId: string
  /** Address of the guide's paragraph. */
  guide: string
  /** What can show that an unmet condition holds again. */
  mendedBy: 'admin' | 'import'
  onUnmet: 'pause' | 'warn'
  validHours: number
}

/** The three columns of which exactly one says whose a row is. */
export const columnsOf = ({ kind, id }: PrerequisiteSubject) => ({
  connector_id: kind === 'connector' ? id : null,
  policy_id: kind === 'policy' ? id : null,
  destination_id: kind === 'destination' ? id : null,
})

const columnOf = ({ kind }: PrerequisiteSubject) => `${kind}_id` as const

/** Stores the outcomes of checks; a change of a verdict is kept for ever, and audited where it asks for somebody. */
export async function storePrerequisites(
  tx: Connection,
  subject: PrerequisiteSubject,
  outcomes: readonly CheckOutcome[],
): Promise<void> {
  const before = new Map(
    (await statusesOf(tx, subject)).map(({ check_id, state, code }) => [check_id, { state, code }]),
  )
  for (const outcome of outcomes) {
    const of = { ...columnsOf(subject), check_id: outcome.checkId }
    const said = { state: outcome.state, code: outcome.code }
    await tx
      .insertInto('prerequisite_status')
      .values({
        ...of,
        ...said,
        detail: outcome.detail,
        since: sql<Date>`now()`,
        checked_at: sql<Date>`now()`,
        valid_until: sql<Date>`now() + make_interval(hours => ${outcome.validHours})`,
      })
      .onConflict((conflict) =>
        conflict.columns(['connector_id', 'policy_id', 'destination_id', 'check_id']).doUpdateSet((eb) => ({
          since: sql<Date>`case when prerequisite_status.state = excluded.state then prerequisite_status.since else excluded.since end`,
          state: eb.ref('excluded.state'),
          code: eb.ref('excluded.code'),
          detail: eb.ref('excluded.detail'),
          checked_at: eb.ref('excluded.checked_at'),
          valid_until: eb.ref('excluded.valid_until'),
        })),
      )
      .execute()
    const old = before.get(outcome.checkId)
    if (old?.state === said.state && old.code === said.code) continue
    await tx
      .insertInto('prerequisite_change')
      .values({ ...of, ...said })
      .execute()
    if (!isConcern(outcome.state) && !isConcern(old?.state)) continue
    await appendAudit(tx, {
      staffId: null,
      action: `${subject.kind}.prerequisite-changed`,
      subjectKind: subject.kind,
      subjectId: subject.id,
      detail: { check: outcome.checkId, ...said },
    })
  }
}

const isConcern = (state: string | undefined): boolean => state === 'unmet' || state === 'warning'

/** What the last checks found. */
export const statusesOf = (db: Connection, subject: PrerequisiteSubject) =>
  db
    .selectFrom('prerequisite_status')
    .select(['check_id', 'state', 'code', 'detail', 'since', 'checked_at', 'valid_until'])
    .where(columnOf(subject), '=', subject.id)
    .execute()

/** What the last checks of all connectors of a kind that are in use found of one condition. */
export async function verdictsOfKind(db: Connection, kind: string, checkId: string): Promise<CheckResult[]> {
  const rows = await db
    .selectFrom('connector')
    .leftJoin('prerequisite_status', (join) =>
      join.onRef('prerequisite_status.connector_id', '=', 'connector.id').on('check_id', '=', checkId),
    )
    .select(['prerequisite_status.state', 'code', 'detail'])
    .where('connector.kind', '=', kind)
    .where('connector.state', 'in', ['active', 'paused'])
    .execute()
  return rows.map(({ state, code, detail }) =>
    state === null || code === null || detail === null
      ? { state: 'unknown', code: 'not_checked', detail: 'It has not been checked yet.' }
      : { state: state as Verdict, code, detail },
  )
}

// --- attestations -----------------------------------------------------------------------------------------------

/** The newest attestation of each condition that nobody took back. */
export async function attestationsOf(
  db: Connection,
  subject: PrerequisiteSubject,
): Promise<Map<string, Attestation & { id: string; staffId: string; evidence: string }>> {
  const rows = await db
    .selectFrom('prerequisite_attestation')
    .selectAll()
    .distinctOn('check_id')
    .where(columnOf(subject), '=', subject.id)
    .where('withdrawn_at', 'is', null)
    .orderBy('check_id')
    .orderBy('attested_at', 'desc')
    .orderBy('id', 'desc')
    .execute()
  return new Map(
    rows.map((row) => [
      row.check_id,
      {
        id: row.id,
        staffId: row.staff_id,
        evidence: row.evidence,
        attestedAt: row.attested_at,
        expiresAt: row.expires_at,
      },
    ]),
  )
}

export interface AttestationDraft {
  checkId: string
  staffId: string
  /** Known identifiers already replaced by pseudonyms. */
  evidence: string
  expiresAt: Date
}

export async function attest(tx: Connection, subject: PrerequisiteSubject, draft: AttestationDraft): Promise<string> {
  const id = uuid()
  await tx
    .insertInto('prerequisite_attestation')
    .values({
      id,
      ...columnsOf(subject),
      check_id: draft.checkId,
      staff_id: draft.staffId,
      evidence: draft.evidence,
      expires_at: draft.expiresAt,
    })
    .execute()
  return id
}

/** Takes an attestation back; false when it was before. Throws not_found. */
export async function withdrawAttestation(
  tx: Connection,
  attestationId: string,
  staffId: string,
): Promise<{ subject: PrerequisiteSubject; checkId: string; changed: boolean }> {
  const row = await tx
    .selectFrom('prerequisite_attestation')
    .selectAll()
    .where('id', '=', attestationId)
    .forUpdate()
    .executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no attestation ${attestationId}`)
  if (row.withdrawn_at === null) {
    await tx
      .updateTable('prerequisite_attestation')
      .set({ withdrawn_at: sql<Date>`now()`, withdrawn_by: staffId })
      .where('id', '=', attestationId)
      .execute()
  }
  return { subject: subjectOf(row), checkId: row.check_id, changed: row.withdrawn_at === null }
}

function subjectOf(row: {
  connector_id: string | null
  policy_id: string | null
  destination_id: string | null
}): PrerequisiteSubject {
  if (row.connector_id !== null) return { kind: 'connector', id: row.connector_id }
  if (row.policy_id !== null) return { kind: 'policy', id: row.policy_id }
  return { kind: 'destination', id: row.destination_id as string }
}

// --- connectors -------------------------------------------------------------------------------------------------

/**
 * Pauses an active connector for an unmet check that asks for it, and resumes one that a check had paused once that check
 * is met and no other is unmet: a check that could not be made says nothing. A pause by staff is theirs to end. Returns
 * the state afterwards.
 */
export async function pauseOrResume(
  tx: Connection,
  connectorId: string,
  outcomes: readonly CheckOutcome[],
): Promise<string> {
  const connector = await tx
    .selectFrom('connector')
    .select(['state', 'pause_reason'])
    .where('id', '=', connectorId)
    .forUpdate()
    .executeTakeFirstOrThrow()
  // What an admin has to mend goes first: meanwhile no import could show anything.
  const [unmet] = outcomes
    .filter(({ state, onUnmet }) => state === 'unmet' && onUnmet === 'pause')
    .sort((a, b) => Number(a.mendedBy === 'import') - Number(b.mendedBy === 'import'))
  const before = connector.pause_reason as PauseReason | null
  const pausedByCheck = before?.by === 'prerequisite'
  const isMet = outcomes.some(
    ({ checkId, state }) => checkId === before?.check && (state === 'met' || state === 'warning'),
  )
  const changes = connector.state === 'active' || (pausedByCheck && unmet?.checkId !== before.check)
  if (unmet && changes) {
    const reason: PauseReason = {
      by: 'prerequisite',
      check: unmet.checkId,
      code: unmet.code,
      detail: unmet.detail,
      guide: unmet.guide,
      mendedBy: unmet.mendedBy,
    }
    await tx
      .updateTable('connector')
      .set((eb) => ({ state: 'paused', pause_reason: JSON.stringify(reason), revision: eb('revision', '+', 1) }))
      .where('id', '=', connectorId)
      .execute()
    await appendAudit(tx, {
      staffId: null,
      action: 'connector.paused',
      subjectKind: 'connector',
      subjectId: connectorId,
      detail: { check: unmet.checkId, code: unmet.code },
    })
    return 'paused'
  }
  if (!unmet && isMet && connector.state === 'paused' && pausedByCheck) {
    await tx
      .updateTable('connector')
      .set((eb) => ({ state: 'active', pause_reason: null, revision: eb('revision', '+', 1) }))
      .where('id', '=', connectorId)
      .execute()
    await appendAudit(tx, {
      staffId: null,
      action: 'connector.resumed',
      subjectKind: 'connector',
      subjectId: connectorId,
    })
    return 'active'
  }
  return connector.state
}

/** What the platform knows of a connector's imports, for checks on freshness and on what was seen. */
export async function connectorHistory(db: Connection, connectorId: string, now: Date) {
  const daysBefore = (days: number) => new Date(now.getTime() - days * 86_400_000)
  // Rows that are tried again are nothing that the source sent.
  const completed = () =>
    db
      .selectFrom('import')
      .where('connector_id', '=', connectorId)
      .where('state', '=', 'completed')
      .where('source', '<>', 'redrive')
  const last = await completed()
    .select((eb) => eb.fn.max('finished_at').as('at'))
    .executeTakeFirst()
  const connector = await db
    .selectFrom('connector')
    .select('activated_at')
    .where('id', '=', connectorId)
    .executeTakeFirst()
  const hour = sql<Date>`date_trunc('hour', finished_at)`
  const arrivals = await completed()
    .select(hour.as('at'))
    .where('stored', '>', 0)
    .where('finished_at', '>=', daysBefore(RHYTHM_DAYS))
    .groupBy(hour)
    .execute()
  const events = await db
    .selectFrom('activity')
    .select(['native_event', (eb) => eb.fn.countAll<number>().as('n')])
    .where('connector_id', '=', connectorId)
    .where('at', '>=', daysBefore(7))
    .groupBy('native_event')
    .execute()
  const { people } = await db
    .selectFrom('person')
    .select((eb) => eb.fn.countAll<number>().as('people'))
    .executeTakeFirstOrThrow()
  return {
    lastCompletedImportAt: last?.at ?? null,
    activatedAt: connector?.activated_at ?? null,
    recentEvents: new Map(events.map(({ native_event, n }) => [native_event, n])),
    arrivals: arrivals.map(({ at }) => at),
    people,
  }
}
