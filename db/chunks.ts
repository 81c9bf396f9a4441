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
  importId: string
  connectorId: string
  number: number
  counts: ChunkCounts
  zoneAssumed: number
  textsId: string | null
  sources: readonly ChunkSource[]
  /** Where a resumed run goes on: this position, skipping so many records of the page that follows. */
  position: Position
  skip: number
  /** True for pull connectors: the next import resumes here as well. */
  movesConnector: boolean
  seen: readonly string[]
}

export interface QuarantinedDraft {
  line: number
  rejected: Rejected
  textsIndex: number
}

/** Locks the import for one chunk. Returns false when this chunk is committed already (a repeated try). */
export async function lockForChunk(tx: Connection, importId: string, number: number): Promise<boolean> {
  const row = await tx
    .selectFrom('import')
    .select(['chunks', 'state'])
    .where('id', '=', importId)
    .forUpdate()
    .executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no import ${importId}`)
  if (row.chunks >= number) return false
  if (row.state !== 'running') throw new AppError('state_conflict', `import ${importId} is ${row.state}`)
  if (row.chunks !== number - 1) {
    throw new AppError('import_balance_broken', `chunk ${number} of import ${importId} follows chunk ${row.chunks}`)
  }
  return true
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

/** Books a chunk: its own row, the import's totals and cursor, the connector's cursor, the seen-set. */
export async function commitChunk(tx: Connection, vault: Vault, chunk: ChunkCommit): Promise<void> {
  const { counts } = chunk
  await tx
    .insertInto('import_chunk')
    .values({
      import_id: chunk.importId,
      number: chunk.number,
      ...counts,
      texts_id: chunk.textsId,
      sources: JSON.stringify(chunk.sources),
    })
    .execute()
  const position = chunk.position === null ? null : JSON.stringify(chunk.position)
  await tx
    .updateTable('import')
    .set((eb) => ({
      received: eb('received', '+', counts.received),
      stored: eb('stored', '+', counts.stored),
      duplicate: eb('duplicate', '+', counts.duplicate),
      quarantined: eb('quarantined', '+', counts.quarantined),
      ignored: eb('ignored', '+', counts.ignored),
      zone_assumed: eb('zone_assumed', '+', chunk.zoneAssumed),
      chunks: chunk.number,
      position,
      skip: chunk.skip,
    }))
    .where('id', '=', chunk.importId)
    .execute()
  if (chunk.movesConnector) {
    await tx.updateTable('connector').set({ position, skip: chunk.skip }).where('id', '=', chunk.connectorId).execute()
  }
  if (chunk.seen.length > 0) {
    await sql`
      insert into seen_key (connector_id, key_hash)
      select distinct ${chunk.connectorId}::uuid, key
      from unnest(${chunk.seen.map((key) => vault.lookupKey(`seen/${chunk.connectorId}`, key))}::bytea[]) as key
      order by key
      on conflict (connector_id, key_hash) do update set seen_at = excluded.seen_at`.execute(tx)
  }
}
