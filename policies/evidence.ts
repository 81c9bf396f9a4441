import { sql } from 'kysely'
import type { Connection } from '../db/connection.ts'
import type { Evidence } from '../domain/score.ts'
import { type ActiveIndicator, COUNTS, compilePredicate } from './compile.ts'
import { SEEN_VALUE } from './seen.ts'

/** Event keys listed per import in a receipt; the count says how many there were. */
const KEYS_AT_MOST = 20

/** Down to event, import and file: which activities of a person's day an indicator counted. */
export async function evidenceOf(
  tx: Connection,
  indicator: ActiveIndicator,
  identityIds: readonly number[],
  day: string,
): Promise<Evidence[]> {
  const { measure } = indicator
  const firstSeen =
    measure.of === 'first_seen'
      ? sql`and exists (
          select from identity_seen seen
          where seen.identity_id = a.identity_id and seen.dimension = ${measure.dimension}
            and seen.value = ${SEEN_VALUE[measure.dimension]}
            and (seen.first_at at time zone 'UTC')::date = ${day}::date)`
      : sql``
  const found = await sql<{
    import_id: string
    connector_id: string
    source: string
    sha256: string | null
    activities: number
    source_keys: string[]
  }>`
    select a.import_id, connector.id as connector_id, connector.kind as source,
           coalesce(import.body_sha256, chunk.sources -> a.source_index ->> 'sha256') as sha256,
           count(*)::int as activities,
           (array_agg(a.source_key::text order by a.at, a.source_key))[1:${sql.lit(KEYS_AT_MOST)}] as source_keys
    from activity a
    join import on import.id = a.import_id
    join connector on connector.id = import.connector_id
    left join import_chunk chunk on chunk.import_id = a.import_id and chunk.texts_id = a.texts_id
    where a.identity_id = any (${identityIds}::bigint[])
      and a.at >= ${day}::date::timestamp at time zone 'UTC' and a.at < (${day}::date + 1)::timestamp at time zone 'UTC'
      and ${COUNTS} and (${compilePredicate(indicator)}) ${firstSeen}
    group by 1, 2, 3, 4
    order by 1, 4`.execute(tx)
  return found.rows.map((row) => ({
    importId: row.import_id,
    connectorId: row.connector_id,
    source: row.source,
    sha256: row.sha256,
    activities: row.activities,
    sourceKeys: row.source_keys,
  }))
}
