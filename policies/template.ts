import { z } from 'zod'
import { SEVERITIES } from '../domain/alert.ts'
import type { FactKind } from '../domain/signal.ts'
import { timeZone } from './indicator.ts'

const hours = z
  .int()
  .min(1)
  .max(24 * 60)
const clock = z
  .strictObject({ remindAfterHours: hours, overdueAfterHours: hours })
  .refine(
    ({ remindAfterHours, overdueAfterHours }) => remindAfterHours <= overdueAfterHours,
    'a reminder comes before the alert is overdue',
  )
const share = z.number().gt(0).lt(1)

/** Facts of HR that weigh on somebody. */
export const STRESSORS = ['job_level_change', 'performance_review', 'improvement_plan'] as const satisfies FactKind[]

const triggers = z
  .strictObject({
    /** The day notice was given, or employment officially ended. */
    resignation: z.boolean().default(false),
    /** So many days around the last working day, whenever notice was given. */
    termination: z.boolean().default(false),
    /** The account was deleted in the directory. */
    accountDeleted: z.boolean().default(false),
    stressors: z.array(z.enum(STRESSORS)).default([]),
    /** An insight of one of the policy's indicators at this tier or above. */
    indicators: z
      .array(
        z.strictObject({
          id: z.string(),
          tier: z.enum(SEVERITIES),
          /**
           * Of an indicator that counts findings of data loss prevention: only those of these DLP policies trigger, by id or by
           * name without case. Any where it is absent.
           */
          dlpPolicies: z.array(z.string().trim().min(1).max(200)).min(1).max(50).optional(),
        }),
      )
      .default([]),
  })
  .refine(
    ({ resignation, termination, accountDeleted, stressors, indicators }) =>
      resignation || termination || accountDeleted || stressors.length + indicators.length > 0,
    'at least one trigger',
  )
export type PolicyTriggers = z.output<typeof triggers>

/** What an admin may set of a policy; the bounds are those of `risk-and-triage`: 1–30 days after, 0–90 days before. */
export const policySettings = z.strictObject({
  /** Indicators that ask for hours or weekdays of the policy mean those of this zone. */
  timeZone,
  triggers,
  /** Bounds the policy to members of any of these groups; everybody when empty. */
  groups: z.array(z.string().min(1)).max(50).default([]),
  windows: z.strictObject({
    activationDays: z.int().min(1).max(30),
    pastDays: z.int().min(0).max(90),
    futureTerminationDays: z.int().min(0).max(90),
    pastTerminationDays: z.int().min(0).max(90),
    postTerminationActivity: z.boolean(),
  }),
  boosters: z.strictObject({
    unusual: z.strictObject({ weight: share, times: z.number().gt(1), historyDays: z.int().min(1).max(90) }),
    repeated: z.strictObject({ weight: share, days: z.int().min(2).max(90) }),
    previouslyConfirmed: z.strictObject({ weight: share }),
  }),
  /** An alert is raised at this score. */
  raiseAt: z.number().min(1).max(100),
  severityBands: z
    .strictObject({ medium: z.number().min(0).max(100), high: z.number().min(0).max(100) })
    .refine(({ medium, high }) => medium <= high, 'medium ≤ high'),
  triage: z.strictObject({ low: clock, medium: clock, high: clock }),
  approval: z
    .strictObject({ quorum: z.int().min(1).max(5), remindAfterHours: hours, expiresAfterHours: hours })
    .refine(
      ({ remindAfterHours, expiresAfterHours }) => remindAfterHours < expiresAfterHours,
      'a reminder comes before the end',
    ),
})
export type PolicySettings = z.output<typeof policySettings>

const tiers = z.strictObject({ low: z.number().positive(), medium: z.number().positive(), high: z.number().positive() })

/** An indicator as a policy scores with it: one version for ever, thresholds of its own where the admin set them. */
export const pinnedIndicator = z.strictObject({
  id: z.string(),
  version: z.int().min(1),
  tiers: tiers.refine(({ low, medium, high }) => low <= medium && medium <= high, 'low ≤ medium ≤ high').optional(),
  /** False: it only triggers, and adds nothing to the score. */
  scores: z.boolean().default(true),
})
export type PinnedIndicator = z.output<typeof pinnedIndicator>

export const policyDefinition = z
  .strictObject({
    template: z.string(),
    templateVersion: z.int().min(1),
    settings: policySettings,
    indicators: z
      .array(pinnedIndicator)
      .min(1)
      .refine((pins) => new Set(pins.map(({ id }) => id)).size === pins.length, 'an indicator is named twice'),
  })
  .refine(
    ({ settings, indicators }) =>
      settings.triggers.indicators.every((trigger) => indicators.some(({ id }) => id === trigger.id)),
    {
      error: 'a trigger names an indicator that the policy does not list',
      path: ['settings', 'triggers', 'indicators'],
    },
  )
/** One immutable version of a policy. */
export type PolicyDefinition = z.output<typeof policyDefinition>

export const templateSchema = policySettings.safeExtend({
  id: z.string().regex(/^[a-z][a-z0-9-]{2,60}$/),
  version: z.int().min(1),
  title: z.string().min(3),
  says: z.string().min(5),
  innocent: z.array(z.string()).min(1),
  /** Without these the policy is blind: fact kinds, and connector kinds for activities. */
  needs: z.strictObject({ facts: z.array(z.string()), activities: z.array(z.string()) }),
  indicators: z.array(z.string()).min(1),
  /** Of these, the ones that only trigger. */
  triggersOnly: z.array(z.string()).default([]),
})
export type PolicyTemplate = z.output<typeof templateSchema>
