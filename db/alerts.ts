import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { AlertChange, AlertEvent, AlertEvidence, AlertState, DismissReason, Severity } from '../domain/alert.ts'
import { AppError } from '../domain/errors.ts'
import type { Booster, Evidence, Insight, SpentInsight } from '../domain/score.ts'
import { appendAudit } from './audit.ts'
import { blindSpotsOf } from './blindness.ts'
import type { Connection } from './connection.ts'
import { enqueueForAll } from './deliveries.ts'

/** The alert's row, locked for a change. Throws not_found. */
export async function lockAlert(tx: Connection, alertId: string) {
  const row = await tx.selectFrom('alert').selectAll().where('id', '=', alertId).forUpdate().executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no alert ${alertId}`)
  return row
}

export interface AlertChangeInput {
  alertId: string
  change: AlertChange
  /** null: the platform itself. */
  staffId: string | null
  commentId?: string | null
  /** Equal keys are one change: a repeated one returns the first version. */
  causeKey: string
  /** Of a version that the platform makes: why. Names nobody. */
  because?: string
  /** New values; what is absent stays. */
  set?: {
    state?: AlertState
    severity?: Severity
    score?: number
    assigneeId?: string | null
    caseId?: string
    dismissReason?: DismissReason | null
    receiptId?: string
  }
  publicUrl: string
}

export interface AlertVersionResult {
  alertId: string
  version: number
  state: AlertState
  /** Destinations that have something new to send. */
  destinations: string[]
}

/** The version that an earlier call with this key made, if any. */
export async function versionByCause(
  tx: Connection,
  alertId: string,
  causeKey: string,
): Promise<AlertVersionResult | null> {
  const row = await tx
    .selectFrom('alert_version')
    .select(['version', 'state'])
    .where('alert_id', '=', alertId)
    .where('cause_key', '=', causeKey)
    .executeTakeFirst()
  if (!row) return null
  const destinations = await destinationsOf(tx, alertId, row.version)
  return { alertId, version: row.version, state: row.state as AlertState, destinations }
}

/** Destinations whose sequences tell of a version. */
export async function destinationsOf(db: Connection, alertId: string, version: number): Promise<string[]> {
  const told = await db
    .selectFrom('delivery')
    .select('destination_id')
    .where('alert_id', '=', alertId)
    .where('alert_version', '=', version)
    .orderBy('destination_id')
    .execute()
  return told.map(({ destination_id }) => destination_id)
}

/**
 * Makes the next version of an alert: the version, its delivery to every destination and the audit entry are part of
 * the caller's transaction. Call `lockAlert` first.
 */
export async function changeAlert(tx: Connection, input: AlertChangeInput): Promise<AlertVersionResult> {
  const { alertId, set = {} } = input
  const repeated = await versionByCause(tx, alertId, input.causeKey)
  if (repeated) return repeated
  const before = await lockAlert(tx, alertId)
  const last = await tx
    .selectFrom('alert_version')
    .select(['version', 'receipt_id'])
    .where('alert_id', '=', alertId)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst()
  const version = (last?.version ?? 0) + 1
  const state = set.state ?? (before.state as AlertState)
  const closed = state === 'dismissed' || state === 'resolved'
  const now = new Date()
  const after = {
    state,
    severity: set.severity ?? (before.severity as Severity),
    score: set.score ?? before.score,
    assignee_id: set.assigneeId === undefined ? before.assignee_id : set.assigneeId,
    case_id: set.caseId ?? before.case_id,
  }
  const receiptId = set.receiptId ?? last?.receipt_id
  if (!receiptId) throw new AppError('internal', `alert ${alertId} has no receipt`)
  await tx
    .updateTable('alert')
    .set({
      ...after,
      version,
      dismiss_reason: state === 'dismissed' ? (set.dismissReason ?? before.dismiss_reason) : null,
      updated_at: now,
      closed_at: closed ? (before.closed_at ?? now) : null,
      // Somebody looked at it, or nobody else has to: the clocks start anew. New evidence alone is no look.
      ...(input.staffId === null && input.change === 'rescored' ? {} : { attention: 'none', waiting_since: now }),
    })
    .where('id', '=', alertId)
    .execute()
  const eventId = uuid()
  await tx
    .insertInto('alert_version')
    .values({
      alert_id: alertId,
      version,
      event_id: eventId,
      change: input.change,
      ...after,
      receipt_id: receiptId,
      staff_id: input.staffId,
      comment_id: input.commentId ?? null,
      cause_key: input.causeKey,
      because: input.because ?? null,
      created_at: now,
    })
    .execute()
  const event = await alertEvent(tx, alertId, version, input.publicUrl)
  const destinations = await enqueueForAll(tx, event, { alertId, alertVersion: version })
  await appendAudit(tx, {
    staffId: input.staffId,
    action: `alert.${input.change}`,
    subjectKind: 'alert',
    subjectId: alertId,
    detail: { version, event_id: eventId, state, severity: after.severity, score: after.score },
  })
  return { alertId, version, state, destinations }
}

/** One version of an alert as destinations receive it; the same bytes whenever it is built. */
export async function alertEvent(
  db: Connection,
  alertId: string,
  version: number,
  publicUrl: string,
): Promise<AlertEvent> {
  const row = await db
    .selectFrom('alert_version')
    .innerJoin('alert', 'alert.id', 'alert_version.alert_id')
    .innerJoin('person', 'person.id', 'alert.person_id')
    .innerJoin('policy', 'policy.id', 'alert.policy_id')
    .innerJoin('receipt', 'receipt.id', 'alert_version.receipt_id')
    .select([
      'alert_version.event_id',
      'alert_version.change',
      'alert_version.state',
      'alert_version.severity',
      'alert_version.score',
      'alert_version.because',
      'alert_version.case_id',
      'alert_version.created_at',
      'alert_version.receipt_id',
      'alert.opened_at',
      'person.pseudonym',
      'person.uid',
      'policy.id as policy_id',
      'policy.name as policy_name',
      'policy.template',
      'receipt.policy_version',
      'receipt.sha256',
    ])
    .where('alert_version.alert_id', '=', alertId)
    .where('alert_version.version', '=', version)
    .executeTakeFirstOrThrow()
  const contributions = await readContributions(db, row.receipt_id)
  const blindSpots = await blindSpotsOf(db, {
    policyId: row.policy_id,
    policyVersion: row.policy_version,
    openedAt: row.opened_at,
    until: row.created_at,
  })
  const titles = await indicatorTitles(db, contributions)
  const evidence: AlertEvidence[] = contributions.map((contribution) => ({
    indicator: contribution.indicatorId,
    title: titles.get(`${contribution.indicatorId}@${contribution.indicatorVersion}`) ?? contribution.indicatorId,
    day: contribution.day,
    value: contribution.value,
    unit: contribution.unit,
    tier: contribution.tier,
    weight: contribution.weight,
    because: contribution.because,
  }))
  return {
    event_id: row.event_id,
    type: 'alert',
    alert_id: alertId,
    revision: version,
    change: row.change as AlertChange,
    because: row.because,
    status: row.state as AlertState,
    severity: row.severity as Severity,
    score: row.score,
    policy: { id: row.policy_id, version: row.policy_version, name: row.policy_name, template: row.template },
    user: { pseudonym: row.pseudonym, uid: row.uid },
    case_id: row.case_id,
    evidence,
    evidence_omitted: 0,
    blind_spots: blindSpots.map(({ kind, code, fromAt, toAt }) => ({
      source: kind ?? 'policy',
      code,
      from: fromAt.toISOString(),
      // What ended later had not ended when the version was made.
      to: toAt !== null && toAt <= row.created_at ? toAt.toISOString() : null,
    })),
    first_activity: contributions[0]?.day ?? null,
    last_activity: contributions.at(-1)?.day ?? null,
    created: row.opened_at.toISOString(),
    updated: row.created_at.toISOString(),
    receipt_sha256: row.sha256,
    link: `${publicUrl}/v1/alerts/${alertId}`,
  }
}

export type Contribution = Insight & { evidence: Evidence[] }

/** The contributions of a receipt in their canonical order. */
export async function readContributions(db: Connection, receiptId: string): Promise<Contribution[]> {
  const rows = await db
    .selectFrom('contribution')
    .selectAll()
    .where('receipt_id', '=', receiptId)
    .orderBy('ordinal')
    .execute()
  return rows.map((row) => ({
    indicatorId: row.indicator_id,
    indicatorVersion: row.indicator_version,
    day: row.day as unknown as string,
    value: row.value,
    unit: row.unit,
    tier: row.tier as Severity,
    baseWeight: row.base_weight,
    boosters: row.boosters as unknown as Booster[],
    weight: row.weight,
    because: row.because,
    evidence: row.evidence as unknown as Evidence[],
  }))
}

async function indicatorTitles(db: Connection, contributions: readonly Insight[]): Promise<Map<string, string>> {
  if (contributions.length === 0) return new Map()
  const rows = await db
    .selectFrom('indicator')
    .select(['id', 'version', 'definition'])
    .where('id', 'in', [...new Set(contributions.map(({ indicatorId }) => indicatorId))])
    .execute()
  return new Map(
    rows.map((row) => [`${row.id}@${row.version}`, (row.definition as unknown as { title: string }).title]),
  )
}

/**
 * What closed alerts of this policy and person were judged on, those of people whose accounts all went to this one
 * included: what was judged there is the same evidence here.
 */
export async function spentInsights(tx: Connection, policyId: string, personId: number): Promise<SpentInsight[]> {
  const rows = await tx
    .selectFrom('alert')
    .innerJoin('alert_version', (join) =>
      join.onRef('alert_version.alert_id', '=', 'alert.id').onRef('alert_version.version', '=', 'alert.version'),
    )
    .innerJoin('contribution', 'contribution.receipt_id', 'alert_version.receipt_id')
    .select(['contribution.indicator_id', 'contribution.day', 'contribution.value'])
    .where('alert.policy_id', '=', policyId)
    .where(
      sql<boolean>`alert.person_id in (
        select ${personId}::bigint union
        select gone.from_person from identity_move gone where gone.to_person = ${personId}
          and not exists (select from identity where identity.person_id = gone.from_person))`,
    )
    .where('alert.state', 'in', ['dismissed', 'resolved'])
    .execute()
  return rows.map((row) => ({ indicatorId: row.indicator_id, day: row.day as unknown as string, value: row.value }))
}
