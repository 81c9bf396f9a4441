import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { AppError } from '../domain/errors.ts'
import type { DailyHours, Piece } from '../domain/pieces.ts'
import type { BackfillProgress, BackfillState, ImportBalance } from '../domain/processes.ts'
import type { Connection } from './connection.ts'
import type { ImportError } from './imports.ts'

/** A piece is tried so often before it is set aside by name. */
export const TRIES_AT_MOST = 3
const FIRST_PAUSE_MS = 30_000
/** A source may go on delivering what belongs to a piece for so long after the piece's end. */
const LATE_WITHIN_MS = 3 * 86_400_000

export interface NewBackfill {
  connectorId: string
  staffId: string
  parallel: number
  requestsPerSecond: number | null
  hours: DailyHours | null
}

/** A backfill of a range with all its pieces, the first one the newest. */
export async function openRangeBackfill(tx: Connection, input: NewBackfill, pieces: readonly Piece[]): Promise<string> {
  const id = await insertBackfill(tx, input, {
    from_at: pieces.at(-1)?.from as Date,
    to_at: pieces[0]?.to as Date,
  })
  await sql`
    insert into backfill_piece (backfill_id, number, from_at, to_at)
    select ${id}::uuid, number, from_at, to_at
    from unnest(${pieces.map(({ from }) => from)}::timestamptz[], ${pieces.map(({ to }) => to)}::timestamptz[])
      with ordinality as piece (from_at, to_at, number)`.execute(tx)
  return id
}

/** A backfill of the files of a folder; its pieces are made when a worker looks into the folder. */
export const openFolderBackfill = (tx: Connection, input: NewBackfill, folder: string): Promise<string> =>
  insertBackfill(tx, input, { folder })

async function insertBackfill(
  tx: Connection,
  input: NewBackfill,
  what: { from_at: Date; to_at: Date } | { folder: string },
): Promise<string> {
  const id = uuid()
  const inserted = await tx
    .insertInto('backfill')
    .values({
      id,
      connector_id: input.connectorId,
      state: 'running',
      ...what,
      parallel: input.parallel,
      requests_per_second: input.requestsPerSecond,
      hours: input.hours === null ? null : JSON.stringify(input.hours),
      created_by: input.staffId,
    })
    .onConflict((conflict) => conflict.column('connector_id').where('state', 'in', ['running', 'paused']).doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!inserted) {
    throw new AppError('state_conflict', 'a backfill of this connector is under way', {
      fix: 'Wait for its end, or cancel it.',
    })
  }
  return id
}

/** Throws not_found. */
export async function readBackfill(db: Connection, backfillId: string) {
  const row = await db.selectFrom('backfill').selectAll().where('id', '=', backfillId).executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no backfill ${backfillId}`)
  return row
}
export type BackfillRow = Awaited<ReturnType<typeof readBackfill>>

export async function lockBackfill(tx: Connection, backfillId: string): Promise<BackfillRow> {
  const row = await tx.selectFrom('backfill').selectAll().where('id', '=', backfillId).forUpdate().executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no backfill ${backfillId}`)
  return row
}

/** Counts of pieces by what became of them; several backfills at once. */
export async function progressOf(
  db: Connection,
  backfillIds: readonly string[],
): Promise<Map<string, BackfillProgress>> {
  if (backfillIds.length === 0) return new Map()
  const { rows } = await sql<BackfillProgress & { id: string }>`
    select backfill.id, backfill.state, count(piece.number)::int as pieces,
           count(*) filter (where piece.state = 'done')::int as done,
           count(*) filter (where piece.state = 'set_aside')::int as "setAside",
           count(*) filter (where piece.state = 'running')::int as running,
           count(*) filter (where piece.state = 'waiting')::int as waiting
    from backfill left join backfill_piece piece on piece.backfill_id = backfill.id
    where backfill.id = any (${backfillIds}::uuid[]) group by backfill.id`.execute(db)
  return new Map(rows.map(({ id, ...progress }) => [id, progress]))
}

export interface PieceRow {
  number: number
  from_at: Date | null
  to_at: Date | null
  file_name_id: string | null
  sweep: boolean
}

/** The next pieces whose time has come, locked; the newest first. */
export const nextPieces = (tx: Connection, backfillId: string, atMost: number): Promise<PieceRow[]> =>
  tx
    .selectFrom('backfill_piece')
    .select(['number', 'from_at', 'to_at', 'file_name_id', 'sweep'])
    .where('backfill_id', '=', backfillId)
    .where('state', '=', 'waiting')
    .where(({ or, eb }) => or([eb('not_before', 'is', null), eb('not_before', '<=', new Date())]))
    .orderBy('number')
    .limit(atMost)
    .forUpdate()
    .execute()

/** Pieces that were given to an import which has not ended. */
export async function piecesUnderWay(db: Connection, backfillId: string) {
  const rows = await db
    .selectFrom('backfill_piece')
    .innerJoin('import', 'import.id', 'backfill_piece.import_id')
    .select(['backfill_piece.number', 'import.id', 'import.body_sha256'])
    .where('backfill_piece.backfill_id', '=', backfillId)
    .where('backfill_piece.state', '=', 'running')
    .orderBy('backfill_piece.number')
    .execute()
  return rows.map(({ number, id, body_sha256 }) => ({ number, importId: id, run: body_sha256 ?? id }))
}

/** When the first of the pieces that wait for another try may be read; null when none waits. */
export async function nextTryAt(db: Connection, backfillId: string): Promise<Date | null> {
  const row = await db
    .selectFrom('backfill_piece')
    .select((eb) => eb.fn.min('not_before').as('at'))
    .where('backfill_id', '=', backfillId)
    .where('state', '=', 'waiting')
    .executeTakeFirst()
  return row?.at ?? null
}

/** Gives each piece of a range to an import of its own; the imports in the order of the pieces. */
export async function startPieces(
  tx: Connection,
  backfillId: string,
  pieces: readonly PieceRow[],
  connectorId: string,
): Promise<string[]> {
  if (pieces.length === 0) return []
  const importIds = pieces.map(() => uuid())
  const nominalAt = new Date()
  await tx
    .insertInto('import')
    .values(
      pieces.map(({ from_at, to_at }, index) => ({
        id: importIds[index] as string,
        connector_id: connectorId,
        source: 'backfill',
        state: 'running',
        nominal_at: nominalAt,
        backfill_id: backfillId,
        range_from: from_at,
        range_to: to_at,
      })),
    )
    .execute()
  await sql`
    update backfill_piece piece
    set state = 'running', import_id = given.import_id, tries = piece.tries + 1, not_before = null
    from unnest(${pieces.map(({ number }) => number)}::int[], ${importIds}::uuid[]) as given (number, import_id)
    where piece.backfill_id = ${backfillId}::uuid and piece.number = given.number`.execute(tx)
  return importIds
}

export const markRunning = (tx: Connection, backfillId: string, number: number, importId: string) =>
  tx
    .updateTable('backfill_piece')
    .set((eb) => ({ state: 'running', import_id: importId, tries: eb('tries', '+', 1), not_before: null }))
    .where('backfill_id', '=', backfillId)
    .where('number', '=', number)
    .execute()

/**
 * Books how the import of a piece ended; part of the transaction that closes the import. A failed piece waits for
 * another try, longer each time, and is set aside by name when its tries are spent; a cancelled one waits again.
 */
export async function settlePiece(
  tx: Connection,
  importId: string,
  end: { state: 'completed' | 'cancelled' } | { state: 'failed'; error: ImportError },
): Promise<void> {
  if (end.state !== 'failed') {
    await tx
      .updateTable('backfill_piece')
      .set(end.state === 'completed' ? { state: 'done', error: null, read_at: new Date() } : { state: 'waiting' })
      .where('import_id', '=', importId)
      .where('state', '=', 'running')
      .execute()
    return
  }
  await sql`
    update backfill_piece set error = ${JSON.stringify(end.error)}::jsonb, read_at = now(),
      state = case when tries >= ${TRIES_AT_MOST} then 'set_aside' else 'waiting' end,
      not_before = case when tries >= ${TRIES_AT_MOST} then null
        else now() + ${FIRST_PAUSE_MS} * interval '1 millisecond' * power(4, tries - 1) end
    where import_id = ${importId}::uuid and state = 'running'`.execute(tx)
}

/**
 * Once, when everything else is done: pieces that were read while their source could still deliver, and pieces in which
 * nothing was found, wait to be read once more. Returns how many.
 */
export async function sweepPieces(tx: Connection, backfillId: string): Promise<number> {
  const swept = await sql`
    update backfill_piece piece set state = 'waiting', sweep = true, tries = 0
    from import
    where piece.backfill_id = ${backfillId}::uuid and piece.state = 'done' and not piece.sweep
      and import.id = piece.import_id and piece.to_at is not null
      and (import.received = 0 or piece.to_at > piece.read_at - ${LATE_WITHIN_MS} * interval '1 millisecond')`.execute(
    tx,
  )
  await tx.updateTable('backfill').set({ swept_at: new Date() }).where('id', '=', backfillId).execute()
  return Number(swept.numAffectedRows ?? 0)
}

export interface BackfillStatement {
  pieces: number
  done: number
  /** Tried in vain, by number and range or file. */
  setAside: { number: number; from: string | null; to: string | null; code: string }[]
  /** Over all its imports. */
  rows: Omit<ImportBalance, 'importId'>
  /** Stored by the sweep: what had come late. */
  late: number
  /** Stretches of which nothing is stored, or which were not read. */
  gaps: { from: string; to: string; why: 'empty' | 'set_aside' | 'cancelled' }[]
  /** What made it end before its time. */
  error: { code: string; detail: string; fix: string | null } | null
}

const GAPS_AT_MOST = 1_000

/** What was read and what was not, as of now. */
export async function statementOf(
  db: Connection,
  backfillId: string,
  error: BackfillStatement['error'],
): Promise<BackfillStatement> {
  const pieces = await sql<{
    number: number
    from_at: Date | null
    to_at: Date | null
    state: string
    code: string | null
    found: boolean
  }>`
    select piece.number, piece.from_at, piece.to_at, piece.state, piece.error ->> 'code' as code,
           exists (select from import where import.backfill_id = piece.backfill_id
             and import.range_from = piece.from_at and import.received > 0)
           -- what the live import had read is not read again
           or exists (select from activity a join backfill b on b.id = piece.backfill_id
             where a.connector_id = b.connector_id and a.at >= piece.from_at and a.at < piece.to_at) as found
    from backfill_piece piece where piece.backfill_id = ${backfillId}::uuid order by piece.from_at, piece.number`.execute(
    db,
  )
  const sums = await sql<BackfillStatement['rows'] & { late: number }>`
    select coalesce(sum(received), 0)::bigint as received, coalesce(sum(stored), 0)::bigint as stored,
           coalesce(sum(duplicate), 0)::bigint as duplicate, coalesce(sum(quarantined), 0)::bigint as quarantined,
           coalesce(sum(ignored), 0)::bigint as ignored,
           coalesce(sum(stored) filter (where exists (select from backfill_piece piece
             where piece.import_id = import.id and piece.sweep)), 0)::bigint as late
    from import where backfill_id = ${backfillId}::uuid`.execute(db)
  const { late, ...rows } = sums.rows[0] as BackfillStatement['rows'] & { late: number }
  const gaps: BackfillStatement['gaps'] = []
  for (const { from_at, to_at, state, found } of pieces.rows) {
    if (from_at === null || to_at === null || (state === 'done' && found)) continue
    const why = state === 'done' ? 'empty' : state === 'set_aside' ? 'set_aside' : 'cancelled'
    const last = gaps.at(-1)
    if (last?.why === why && last.to === from_at.toISOString()) last.to = to_at.toISOString()
    else gaps.push({ from: from_at.toISOString(), to: to_at.toISOString(), why })
  }
  return {
    pieces: pieces.rows.length,
    done: pieces.rows.filter(({ state }) => state === 'done').length,
    setAside: pieces.rows
      .filter(({ state }) => state === 'set_aside')
      .map(({ number, from_at, to_at, code }) => ({
        number,
        from: from_at?.toISOString() ?? null,
        to: to_at?.toISOString() ?? null,
        code: code ?? 'internal',
      })),
    rows,
    late,
    gaps: gaps.slice(0, GAPS_AT_MOST),
    error,
  }
}

/** Ends a backfill with its closing statement; what waits is not read any more. */
export async function closeBackfill(
  tx: Connection,
  backfillId: string,
  state: Extract<BackfillState, 'completed' | 'cancelled'>,
  error: BackfillStatement['error'],
): Promise<void> {
  await tx
    .updateTable('backfill_piece')
    .set({ state: 'cancelled' })
    .where('backfill_id', '=', backfillId)
    .where('state', 'in', ['waiting', 'running'])
    .execute()
  await tx
    .updateTable('backfill')
    .set({ state, finished_at: new Date(), statement: JSON.stringify(await statementOf(tx, backfillId, error)) })
    .where('id', '=', backfillId)
    .execute()
}
