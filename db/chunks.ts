import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Position } from '../connectors/connector.ts'
import { AppError } from '../domain/errors.ts'
import type { Rejected } from '../domain/signal.ts'
import type { Connection } from './connection.ts'
import { insertSealed, type Vault } from './vault.ts'

/** Seals the packed texts of a chunk as one value, under the id that its rows name. */
export const storeTexts = (tx: Connection, vault: Vault, packed: Buffer, id: string): Promise<string> =>
  insertSealed(tx, vault, 'texts', packed, id)

export interface ChunkCounts {
  received: number
  stored: number
  duplicate: number
  quarantined: number
  ignored: number
}

export interface ChunkSource {
  /** Hash of what was read, hex; null where only the import's body has one. */
  sha256: string | null
  records: number
}

export interface ChunkCommit {
  number: number
  counts: ChunkCounts
  zoneAssumed: number
  textsId: string | null
  sources: readonly ChunkSource[]
  /** Where a resumed run goes on: this position, skipping so many records of the page that follows. */
  position: Position
  skip: number
  seen: readonly string[]
}

/** Whose chunks are booked. */
export interface ChunkOwner {
  importId: string
  connectorId: string
  /** True for pull connectors: the next import resumes here as well. */
  movesConnector: boolean
}

export interface QuarantinedDraft {
  line: number
  rejected: Rejected
  textsIndex: number
}

/** Locks an import that is running; returns how many chunks of it are stored. */
export async function lockForChunks(tx: Connection, importId: string): Promise<number> {
  const row = await tx
    .selectFrom('import')
    .select(['chunks', 'state'])
    .where('id', '=', importId)
    .forUpdate()
    .executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no import ${importId}`)
  if (row.state !== 'running') throw new AppError('state_conflict', `import ${importId} is ${row.state}`)
  return row.chunks
}

/** A statement has 65,535 parameters at most. */
const ROWS_A_STATEMENT = 3_000

export async function storeQuarantined(
  tx: Connection,
  { importId, connectorId, textsId }: { importId: string; connectorId: string; textsId: string },
  drafts: readonly QuarantinedDraft[],
): Promise<void> {
  for (let from = 0; from < drafts.length; from += ROWS_A_STATEMENT) {
    await tx
      .insertInto('quarantined_row')
      .values(
        drafts.slice(from, from + ROWS_A_STATEMENT).map(({ line, rejected, textsIndex }) => ({
          id: uuid(),
          import_id: importId,
          connector_id: connectorId,
          line,
          code: rejected.code,
          cell: rejected.cell ?? null,
          expected: rejected.expected ?? null,
          texts_id: textsId,
          texts_index: textsIndex,
        })),
      )
      .execute()
  }
}

/** Books chunks: their own rows, the import's totals and cursor, the connector's cursor, the seen-set. */
export async function commitChunks(
  tx: Connection,
  vault: Vault,
  { importId, connectorId, movesConnector }: ChunkOwner,
  chunks: readonly ChunkCommit[],
): Promise<void> {
  const last = chunks.at(-1)
  if (last === undefined) return
  await tx
    .insertInto('import_chunk')
    .values(
      chunks.map(({ number, counts, textsId, sources }) => ({
        import_id: importId,
        number,
        ...counts,
        texts_id: textsId,
        sources: JSON.stringify(sources),
      })),
    )
    .execute()
  const position = last.position === null ? null : JSON.stringify(last.position)
  const sum = (count: keyof ChunkCounts) => chunks.reduce((total, { counts }) => total + counts[count], 0)
  const zoneAssumed = chunks.reduce((total, chunk) => total + chunk.zoneAssumed, 0)
  await tx
    .updateTable('import')
    .set((eb) => ({
      received: eb('received', '+', sum('received')),
      stored: eb('stored', '+', sum('stored')),
      duplicate: eb('duplicate', '+', sum('duplicate')),
      quarantined: eb('quarantined', '+', sum('quarantined')),
      ignored: eb('ignored', '+', sum('ignored')),
      zone_assumed: eb('zone_assumed', '+', zoneAssumed),
      chunks: last.number,
      position,
      skip: last.skip,
    }))
    .where('id', '=', importId)
    .execute()
  if (movesConnector) {
    await tx.updateTable('connector').set({ position, skip: last.skip }).where('id', '=', connectorId).execute()
  }
  const seen = chunks.flatMap((chunk) => chunk.seen)
  if (seen.length > 0) {
    await sql`
      insert into seen_key (connector_id, key_hash)
      select distinct ${connectorId}::uuid, key
      from unnest(${seen.map((key) => vault.lookupKey(`seen/${connectorId}`, key))}::bytea[]) as key
      order by key
      on conflict (connector_id, key_hash) do update set seen_at = excluded.seen_at`.execute(tx)
  }
}
