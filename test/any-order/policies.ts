import type { IndicatorDefinition } from '../../policies/indicator.ts'
import { loadIndicators, type PolicyOverrides } from '../../policies/load.ts'

/** Compares with this person's own usual, at figures that a few reads reach. */
export const aboveUsual: IndicatorDefinition = {
  ...(loadIndicators().get('s3-above-own-usual') as IndicatorDefinition),
  id: 'test-above-usual',
  version: 1,
  measure: { of: 'times_usual', base: 'objects', days: 30, historyDays: 7, floor: 2 },
  tiers: { low: 2, medium: 4, high: 8 },
}

const TAKING = [
  { id: 's3-bulk-read', tiers: { low: 2, medium: 4, high: 6 } },
  { id: 's3-off-hours', tiers: { low: 2, medium: 4, high: 6 } },
  { id: 's3-first-seen-bucket', tiers: { low: 1, medium: 2, high: 3 } },
  { id: 'dlp-high-finding', tiers: { low: 1, medium: 2, high: 3 } },
  { id: aboveUsual.id },
]

/** Templates with figures that few records reach. */
export const TEMPLATES: Readonly<Record<string, PolicyOverrides>> = {
  'data-theft-departing-users': { indicators: TAKING, raiseAt: 20 },
  'data-leaks': {
    indicators: TAKING,
    triggers: {
      indicators: [
        { id: 'dlp-high-finding', tier: 'low' },
        { id: 's3-bulk-read', tier: 'high' },
      ],
    },
    raiseAt: 30,
  },
  'patient-data-misuse': { raiseAt: 30 },
  'physical-access-departing-users': { raiseAt: 20 },
}
