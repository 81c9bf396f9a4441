import { AppError } from '../domain/errors.ts'
import { variantFlag } from '../domain/signal.ts'
import { type IndicatorDefinition, indicatorSchema, type Predicate } from './indicator.ts'
import { explainIssue } from './issue.ts'

/** The connector whose detections an admin makes indicators of. */
export const DETECTIONS_KIND = 'insider-risk-indicators'

type Tiers = IndicatorDefinition['tiers']

export interface CustomIndicator {
  /** Id of a detection of the connector, and of one of its variants. */
  detection: string
  variant?: string | undefined
  title: string
  says?: string | undefined
  innocent: readonly string[]
  /** Compared with the greatest figure of a day; without them every detection counts, by the day. */
  tiers?: Tiers | undefined
  unit?: string | undefined
  weights?: Tiers | undefined
}

export const customIndicatorId = ({ detection, variant }: Pick<CustomIndicator, 'detection' | 'variant'>): string =>
  `custom-${detection}${variant === undefined ? '' : `-${variant}`}`

/** Weights of an indicator whose admin set none: those of a middling built-in one. */
const WEIGHTS: Tiers = { low: 0.15, medium: 0.3, high: 0.45 }
const EVERY_ONE: Tiers = { low: 1, medium: 3, high: 10 }

/**
 * An indicator over the detections of another product, as a YAML file would say it; its examples are made from its
 * thresholds. Throws indicator_invalid with the field.
 */
export function customIndicator(asked: CustomIndicator, version: number): IndicatorDefinition {
  const { detection, variant, tiers = EVERY_ONE } = asked
  const flags = variant === undefined ? [] : [variantFlag(variant)]
  const measured = asked.tiers !== undefined
  const lived = (amount: number, more: object = {}) => ({
    verb: 'detection',
    nativeEvent: detection,
    connectorKind: DETECTIONS_KIND,
    flags,
    ...(measured ? { amount } : { times: amount }),
    ...more,
  })
  const where: Predicate[] = [
    { field: 'verb', in: ['detection'] },
    { field: 'connector_kind', in: [DETECTIONS_KIND] },
    { field: 'native_event', in: [detection] },
    ...flags.map((flag): Predicate => ({ field: 'flags', contains: flag })),
  ]
  const document = {
    id: customIndicatorId(asked),
    version,
    title: asked.title,
    says:
      asked.says ??
      (measured ? 'Another product measured {value} {unit}.' : 'Another product detected it {value} times.'),
    family: 'security',
    needs: [DETECTIONS_KIND],
    where: { all: where },
    measure: { of: measured ? 'amount' : 'count' },
    unit: asked.unit ?? (measured ? 'points' : 'times'),
    tiers,
    weights: asked.weights ?? WEIGHTS,
    innocent: [...asked.innocent],
    examples: [
      { name: 'the highest threshold', activities: [lived(tiers.high)], finds: 'high' },
      { name: 'another detection', activities: [lived(tiers.high, { nativeEvent: `not ${detection}` })], finds: null },
    ],
  }
  const parsed = indicatorSchema.safeParse(document)
  if (parsed.success) return parsed.data
  const { field, what, fix } = explainIssue(parsed.error)
  throw new AppError('indicator_invalid', `the indicator does not fit: ${what} at ${field || 'the top'}`, {
    field,
    fix,
  })
}
