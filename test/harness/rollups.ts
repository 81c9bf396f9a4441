import { sql } from 'kysely'
import { type ActiveIndicator, rollupKey } from '../../policies/compile.ts'
import { usesPolicyZone } from '../../policies/indicator.ts'
import { builtInIndicators } from './built-in.ts'

/**
 * `indicator_day` with the `indicator_id` of everybody who reads a rollup, for a `from`: of the built-in indicators, in UTC, or of
 * those that are given.
 */
export function namedRollups(indicators: Iterable<ActiveIndicator> = builtIn()) {
  const all = [...indicators]
  return sql`(
    select name.indicator_id, r.* from indicator_day r
    join unnest(${all.map(({ id }) => id)}::text[], ${all.map(rollupKey)}::uuid[]) as name (indicator_id, rollup_key)
      using (rollup_key))`
}

/** Made once: a rollup's key is remembered with its indicator. */
let inUtc: ActiveIndicator[] | undefined
function builtIn(): ActiveIndicator[] {
  inUtc ??= [...builtInIndicators().values()].map((indicator) =>
    usesPolicyZone(indicator.where) ? { ...indicator, timeZone: 'UTC' } : indicator,
  )
  return inUtc
}
