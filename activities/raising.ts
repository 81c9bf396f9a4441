import { v7 as uuid } from 'uuid'
import { changeAlert, readContributions, spentInsights } from '../db/alerts.ts'
import type { Connection } from '../db/connection.ts'
import { sha256 } from '../db/hash.ts'
import type { Severity } from '../domain/alert.ts'
import { canonicalJson } from '../domain/canonical.ts'
import {
  type Activation,
  ENGINE_VERSION,
  type Evidence,
  type Insight,
  receiptDocument,
  scoreOf,
  severityOf,
  withoutSpent,
} from '../domain/score.ts'
import type { PersonEvaluation } from '../policies/evaluate.ts'
import { evidenceOf } from '../policies/evidence.ts'
import type { pinnedIndicators } from '../policies/load.ts'
import type { PolicyDefinition } from '../policies/template.ts'
import { explainRescoring } from './rescoring.ts'

export interface Raising {
  policy: { id: string; version: number; definition: PolicyDefinition }
  indicators: Awaited<ReturnType<typeof pinnedIndicators>>
  asOf: Date
  publicUrl: string
}

export interface Raised {
  alertId: string
  created: boolean
  /** Exports that have something to send now. */
  destinations: string[]
}

/** One alert per person and policy: continues the open one, or opens one when unjudged evidence reaches the threshold. */
export async function raise(tx: Connection, raising: Raising, evaluation: PersonEvaluation): Promise<Raised | null> {
  const { policy, publicUrl } = raising
  const open = await tx
    .selectFrom('alert')
    .innerJoin('alert_version', (join) =>
      join.onRef('alert_version.alert_id', '=', 'alert.id').onRef('alert_version.version', '=', 'alert.version'),
    )
    .innerJoin('receipt', 'receipt.id', 'alert_version.receipt_id')
    .select(['alert.id', 'alert.score', 'alert_version.receipt_id', 'alert_version.created_at', 'receipt.trigger'])
    .where('alert.policy_id', '=', policy.id)
    .where('alert.person_id', '=', evaluation.personId)
    .where('alert.state', 'in', ['needs_review', 'confirmed'])
    .forUpdate(['alert'])
    .executeTakeFirst()
  const spent = await spentInsights(tx, policy.id, evaluation.personId)
  const insights = withoutSpent(evaluation.insights, spent)
  const { settings } = policy.definition
  const score = scoreOf(insights)
  if (!open && score < settings.raiseAt) return null
  const before = open ? await readContributions(tx, open.receipt_id) : []
  if (
    open &&
    saysTheSame({ activation: open.trigger as unknown as Activation, insights: before }, { ...evaluation, insights })
  )
    return null

  const alertId = open?.id ?? uuid()
  const receiptId = uuid()
  const severity = severityOf(score, settings.severityBands)
  if (!open) {
    await tx
      .insertInto('alert')
      .values({
        id: alertId,
        policy_id: policy.id,
        person_id: evaluation.personId,
        state: 'needs_review',
        severity,
        score,
        version: 1,
        opened_at: new Date(),
        updated_at: new Date(),
      })
      .execute()
  }
  await insertReceipt(tx, raising, evaluation, { alertId, receiptId, insights, score, severity })
  const changed = await changeAlert(tx, {
    alertId,
    change: open ? 'rescored' : 'created',
    staffId: null,
    causeKey: `receipt/${receiptId}`,
    set: { score, severity, receiptId },
    ...(open
      ? {
          because: await explainRescoring(tx, {
            personId: evaluation.personId,
            identityIds: evaluation.identityIds,
            before,
            after: insights,
            scores: { before: open.score, after: score },
            since: open.created_at,
          }),
        }
      : {}),
    publicUrl,
  })
  return { alertId, created: !open, destinations: changed.destinations }
}

type Finding = Pick<PersonEvaluation, 'activation' | 'insights'>

/** Whether a receipt would say again what the last one said, words and windows included; evidence apart. */
const saysTheSame = (stored: Finding, fresh: Finding): boolean =>
  canonicalJson(comparable(stored)) === canonicalJson(comparable(fresh))

/** Without the fact's id: a row that HR sends again in other words tells of the same leave. */
const comparable = ({ activation: { factId: _, ...activation }, insights }: Finding) => ({
  activation,
  insights: insights.map((insight) => ({
    indicatorId: insight.indicatorId,
    indicatorVersion: insight.indicatorVersion,
    day: insight.day,
    value: insight.value,
    tier: insight.tier,
    weight: insight.weight,
    boosters: insight.boosters.map(({ id, weight, because }) => ({ id, weight, because })),
    because: insight.because,
  })),
})

interface Receipt {
  alertId: string
  receiptId: string
  insights: readonly Insight[]
  score: number
  severity: Severity
}

async function insertReceipt(
  tx: Connection,
  { policy, indicators, asOf }: Raising,
  evaluation: PersonEvaluation,
  { alertId, receiptId, insights, score, severity }: Receipt,
): Promise<void> {
  const contributions: (Insight & { evidence: Evidence[] })[] = []
  for (const insight of insights) {
    const indicator = indicators.get(insight.indicatorId)
    const evidence = indicator ? await evidenceOf(tx, indicator, evaluation.identityIds, insight.day) : []
    contributions.push({ ...insight, evidence })
  }
  const frame = {
    alertId,
    policyId: policy.id,
    policyVersion: policy.version,
    engineVersion: ENGINE_VERSION,
    asOf: asOf.toISOString(),
    activation: evaluation.activation,
    score,
    severity,
  }
  await tx
    .insertInto('receipt')
    .values({
      id: receiptId,
      alert_id: alertId,
      policy_id: policy.id,
      policy_version: policy.version,
      engine_version: ENGINE_VERSION,
      as_of: asOf,
      trigger: JSON.stringify(evaluation.activation),
      score,
      severity,
      sha256: sha256(canonicalJson(receiptDocument(frame, contributions))),
    })
    .execute()
  if (contributions.length === 0) return
  await tx
    .insertInto('contribution')
    .values(
      contributions.map((contribution, ordinal) => ({
        receipt_id: receiptId,
        ordinal,
        indicator_id: contribution.indicatorId,
        indicator_version: contribution.indicatorVersion,
        day: contribution.day,
        value: contribution.value,
        unit: contribution.unit,
        tier: contribution.tier,
        base_weight: contribution.baseWeight,
        boosters: JSON.stringify(contribution.boosters),
        weight: contribution.weight,
        because: contribution.because,
        evidence: JSON.stringify(contribution.evidence),
      })),
    )
    .execute()
}
