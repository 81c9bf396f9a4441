import { sql } from 'kysely'
import { dlpPoliciesIn } from '../../domain/dlp-policy.ts'
import type { Connection } from '../connection.ts'

/** A policy of data loss prevention as its findings name it. */
export interface SeenDlpPolicy {
  /** Null where the source gives names alone. */
  id: string | null
  /** Null where it gives ids alone, or several policies raised one finding. */
  name: string | null
  findings: number
  /** Of high severity among them. */
  high: number
  lastSeenAt: Date
}

const SEEN_WITHIN_DAYS = 90

/** The DLP policies that raised something lately, those with most findings first. */
export async function seenDlpPolicies(db: Connection, now: Date): Promise<SeenDlpPolicy[]> {
  const { rows } = await sql<{ flags: string[]; findings: number; high: number; last: Date }>`
    select own.flags, count(*)::int as findings, (count(*) filter (where severity = 'high'))::int as high, max(at) as last
    from activity
    cross join lateral (select array_agg(flag order by flag) as flags from unnest(flags) flag where flag like 'dlp\\_policy%') own
    where category = 'dlp' and superseded_by is null and own.flags is not null
      and at >= ${new Date(now.getTime() - SEEN_WITHIN_DAYS * 86_400_000)}
    group by 1`.execute(db)
  const seen = new Map<string, SeenDlpPolicy>()
  for (const { flags, findings, high, last } of rows) {
    for (const { id, name } of policiesOf(flags)) {
      const key = id ?? `name ${name}`
      const known = seen.get(key)
      seen.set(key, {
        id,
        name: name ?? known?.name ?? null,
        findings: findings + (known?.findings ?? 0),
        high: high + (known?.high ?? 0),
        lastSeenAt: known && known.lastSeenAt > last ? known.lastSeenAt : last,
      })
    }
  }
  return [...seen.values()].sort(
    (a, b) => b.findings - a.findings || ((a.id ?? a.name ?? '') < (b.id ?? b.name ?? '') ? -1 : 1),
  )
}

/** Which name is whose is known where a finding has one of each. */
function policiesOf(flags: readonly string[]): Pick<SeenDlpPolicy, 'id' | 'name'>[] {
  const { ids, names } = dlpPoliciesIn(flags)
  const [name = null] = names
  if (ids.length === 0) return names.map((each) => ({ id: null, name: each }))
  return ids.map((id) => ({ id, name: ids.length === 1 && names.length === 1 ? name : null }))
}
