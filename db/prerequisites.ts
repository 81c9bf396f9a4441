import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { appendAudit } from './audit.ts'
import type { Connection } from './connection.ts'
import type { PauseReason } from './connectors.ts'

export interface CheckOutcome {
  checkId: string
  state: 'met' | 'unmet' | 'unknown'
  code: string
  detail: string
  /** Address of the guide's paragraph. */
  guide: string
  /** What can show that an unmet condition holds again. */
  mendedBy: 'admin' | 'import'
}

/** Stores the outcomes of checks; `since` moves only when a state changes. */
export async function storePrerequisites(
  tx: Connection,
  connectorId: string,
  outcomes: readonly CheckOutcome[],
): Promise<void> {
  for (const outcome of outcomes) {
    await sql`
      insert into prerequisite_status (connector_id, check_id, state, code, detail, since, checked_at)
      values (${connectorId}, ${outcome.checkId}, ${outcome.state}, ${outcome.code}, ${outcome.detail}, now(), now())
      on conflict (connector_id, check_id) do update set
        since = case when prerequisite_status.state = excluded.state then prerequisite_status.since else excluded.since end,
        state = excluded.state, code = excluded.code, detail = excluded.detail, checked_at = excluded.checked_at`.execute(
      tx,
    )
  }
}

/** Policies become blind by an unmet check of a connector they need, and see again when it is met. */
export async function bookBlindness(
  tx: Connection,
  connectorId: string,
  policyIds: readonly string[],
  outcomes: readonly CheckOutcome[],
): Promise<void> {
  for (const outcome of outcomes) {
    if (outcome.state === 'unmet') {
      for (const policyId of policyIds) {
        await tx
          .insertInto('policy_blind')
          .values({
            id: uuid(),
            policy_id: policyId,
            connector_id: connectorId,
            check_id: outcome.checkId,
            code: outcome.code,
            detail: outcome.detail,
            guide: outcome.guide,
            from_at: new Date(),
          })
          .onConflict((conflict) =>
            conflict.columns(['policy_id', 'connector_id', 'check_id']).where('to_at', 'is', null).doNothing(),
          )
          .execute()
      }
    } else if (outcome.state === 'met') {
      await tx
        .updateTable('policy_blind')
        .set({ to_at: sql<Date>`greatest(now(), from_at)` })
        .where('connector_id', '=', connectorId)
        .where('check_id', '=', outcome.checkId)
        .where('to_at', 'is', null)
        .execute()
    }
  }
}

/**
 * Pauses an active connector for an unmet check, and resumes one that a check had paused once that check is met and no
 * other is unmet: a check that could not be made says nothing. A pause by staff is theirs to end. Returns the state
 * afterwards.
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
    .filter(({ state }) => state === 'unmet')
    .sort((a, b) => Number(a.mendedBy === 'import') - Number(b.mendedBy === 'import'))
  const before = connector.pause_reason as PauseReason | null
  const pausedByCheck = before?.by === 'prerequisite'
  const isMet = outcomes.some(({ checkId, state }) => checkId === before?.check && state === 'met')
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
  const last = await db
    .selectFrom('import')
    .select((eb) => eb.fn.max('finished_at').as('at'))
    .where('connector_id', '=', connectorId)
    .where('state', '=', 'completed')
    // Rows that are tried again are nothing that the source sent.
    .where('source', '<>', 'redrive')
    .executeTakeFirst()
  const connector = await db
    .selectFrom('connector')
    .select('activated_at')
    .where('id', '=', connectorId)
    .executeTakeFirst()
  const since = new Date(now.getTime() - 7 * 86_400_000)
  const events = await db
    .selectFrom('activity')
    .select(['native_event', (eb) => eb.fn.countAll<number>().as('n')])
    .where('connector_id', '=', connectorId)
    .where('at', '>=', since)
    .groupBy('native_event')
    .execute()
  return {
    lastCompletedImportAt: last?.at ?? null,
    activatedAt: connector?.activated_at ?? null,
    recentEvents: new Map(events.map(({ native_event, n }) => [native_event, n])),
  }
}
