import { v7 as uuid } from 'uuid'
import type { Connection } from './connection.ts'
import { findFileImport } from './imports.ts'

/** One upload of a script: a block of a file, or a whole one. */
export interface ArrivedBlock {
  connectorId: string
  /** What tells the blocks of one run from those of others. */
  runKey: string
  /** The key is the script's own and comes but once; without one, equal bytes may come again in a later run. */
  keyIsUnique: boolean
  whole: boolean
  /** 1, 2, 3 … within the run; 0 of a whole file. */
  sequence: number
  sha256: string
  bytes: number
  headerSha256: string
  /** Physical lines behind the header. */
  lines: number
  oddQuotes: boolean
  /** Sealed name of a whole file. */
  fileNameId: string | null
}

/** How long a run waits for its next block. Milliseconds. */
export interface Patience {
  quietMs: number
  /** Where its last record goes on in the next block. */
  cutMs: number
}

export type TakenBlock =
  /** It was taken before. */
  | { repeated: true }
  | {
      repeated: false
      runId: string
      /** First of its run. */
      opened: boolean
      /** No further block is waited for. */
      complete: boolean
      /** Sequence numbers between the first and this one that have not come; the first 20 of them. */
      missing: number[]
      /** A run that this block has ended, since it begins another one under the same key. */
      ended: string | null
    }

type BlockRow = { sequence: number; lines: number; odd_quotes: boolean }

/** Books a block that lies in the spool. Runs inside a transaction that holds the file's lock. */
export async function takeBlock(
  tx: Connection,
  block: ArrivedBlock,
  patience: Patience,
  now = new Date(),
): Promise<TakenBlock> {
  if (await isRepeated(tx, block)) return { repeated: true }
  let { runId, opened } = await collectingRun(tx, block, now)
  let ended: string | null = null
  if (await hasSequence(tx, runId, block.sequence)) {
    // Other bytes under a number that has come: the script has begun anew without saying so.
    await tx.updateTable('upload_run').set({ state: 'complete', due_at: now }).where('id', '=', runId).execute()
    ended = runId
    ;({ runId, opened } = await collectingRun(tx, block, now))
  }
  await tx
    .insertInto('upload_block')
    .values({
      run_id: runId,
      sequence: block.sequence,
      sha256: block.sha256,
      bytes: block.bytes,
      header_sha256: block.headerSha256,
      lines: block.lines,
      odd_quotes: block.oddQuotes,
      arrived_at: now,
    })
    .execute()
  const rows = await blockRows(tx, runId)
  const complete = block.whole || endsRun(rows)
  const waitMs = complete ? 0 : isCut(rows) ? patience.cutMs : patience.quietMs
  await tx
    .updateTable('upload_run')
    .set({ state: complete ? 'complete' : 'collecting', due_at: new Date(now.getTime() + waitMs) })
    .where('id', '=', runId)
    .execute()
  return { runId, repeated: false, opened, complete, missing: missingBefore(rows, block.sequence), ended }
}

async function isRepeated(tx: Connection, block: ArrivedBlock): Promise<boolean> {
  let query = tx
    .selectFrom('upload_block')
    .innerJoin('upload_run', 'upload_run.id', 'upload_block.run_id')
    .select('upload_run.id')
    .where('upload_run.connector_id', '=', block.connectorId)
    .where('upload_run.run_key', '=', block.runKey)
    .where('upload_block.sequence', '=', block.sequence)
    .where('upload_block.sha256', '=', block.sha256)
  if (!block.keyIsUnique) query = query.where('upload_run.state', '<>', 'joined')
  if ((await query.executeTakeFirst()) !== undefined) return true
  return block.whole && (await findFileImport(tx, block.connectorId, block.sha256)) !== undefined
}

async function collectingRun(
  tx: Connection,
  block: ArrivedBlock,
  now: Date,
): Promise<{ runId: string; opened: boolean }> {
  for (;;) {
    const inserted = await tx
      .insertInto('upload_run')
      .values({
        id: uuid(),
        connector_id: block.connectorId,
        run_key: block.runKey,
        whole: block.whole,
        state: 'collecting',
        due_at: now,
        file_name_id: block.fileNameId,
        created_at: now,
      })
      .onConflict((conflict) =>
        conflict.columns(['connector_id', 'run_key']).where('state', '=', 'collecting').doNothing(),
      )
      .returning('id')
      .executeTakeFirst()
    if (inserted) return { runId: inserted.id, opened: true }
    const found = await tx
      .selectFrom('upload_run')
      .select('id')
      .where('connector_id', '=', block.connectorId)
      .where('run_key', '=', block.runKey)
      .where('state', '=', 'collecting')
      .forUpdate()
      .executeTakeFirst()
    if (found) return { runId: found.id, opened: false }
    // It was completed between the two statements.
  }
}

async function hasSequence(tx: Connection, runId: string, sequence: number): Promise<boolean> {
  const row = await tx
    .selectFrom('upload_block')
    .select('sequence')
    .where('run_id', '=', runId)
    .where('sequence', '=', sequence)
    .executeTakeFirst()
  return row !== undefined
}

const blockRows = (db: Connection, runId: string): Promise<BlockRow[]> =>
  db
    .selectFrom('upload_block')
    .select(['sequence', 'lines', 'odd_quotes'])
    .where('run_id', '=', runId)
    .orderBy('sequence')
    .execute()

/** All blocks of a run have the same number of lines but the last, which may have fewer. */
function endsRun(rows: readonly BlockRow[]): boolean {
  const [before, last] = rows.slice(-2)
  const hasGap = missingBefore(rows, Number.POSITIVE_INFINITY).length > 0
  return before !== undefined && last !== undefined && !hasGap && last.lines < before.lines
}

/** Whether the last record goes on in a block to come. Quotes of joined blocks pair up when their records are whole. */
function isCut(rows: readonly BlockRow[]): boolean {
  let cut = false
  let before: number | null = null
  for (const { sequence, odd_quotes } of rows) {
    if (before !== null && sequence !== before + 1) cut = false
    if (odd_quotes) cut = !cut
    before = sequence
  }
  return cut
}

/** The numbers that a run lacks below one of its own. A resumed run need not begin with 1. */
function missingBefore(rows: readonly { sequence: number }[], sequence: number): number[] {
  const present = rows.map((row) => row.sequence).filter((each) => each <= sequence)
  const missing: number[] = []
  for (let index = 1; index < present.length; index += 1) {
    for (let lacking = (present[index - 1] as number) + 1; lacking < (present[index] as number); lacking += 1) {
      missing.push(lacking)
      if (missing.length >= MISSING_NAMED) return missing
    }
  }
  return missing
}
const MISSING_NAMED = 20

/** Whether the block before this one, as far as it has come, ends within a record. For the receipt alone. */
export async function beginsCut(
  db: Connection,
  { connectorId, runKey, sequence }: Pick<ArrivedBlock, 'connectorId' | 'runKey' | 'sequence'>,
): Promise<boolean> {
  const run = await db
    .selectFrom('upload_run')
    .select('id')
    .where('connector_id', '=', connectorId)
    .where('run_key', '=', runKey)
    .orderBy('created_at', 'desc')
    .executeTakeFirst()
  if (!run) return false
  const before = (await blockRows(db, run.id)).filter((row) => row.sequence < sequence)
  return before.at(-1)?.sequence === sequence - 1 && isCut(before)
}

export const findUploadRun = (db: Connection, runId: string) =>
  db
    .selectFrom('upload_run')
    .innerJoin('connector', 'connector.id', 'upload_run.connector_id')
    .selectAll('upload_run')
    .select(['connector.kind', 'connector.state as connector_state', 'connector.pause_reason'])
    .where('upload_run.id', '=', runId)
    .executeTakeFirst()

/** In order. */
export const listBlocks = (db: Connection, runId: string) =>
  db.selectFrom('upload_block').selectAll().where('run_id', '=', runId).orderBy('sequence').execute()
export type BlockOfRun = Awaited<ReturnType<typeof listBlocks>>[number]

/** Takes no further blocks where the time has come. Returns how long to wait otherwise; 0 when it is complete. */
export async function completeUploadRun(tx: Connection, runId: string, now = new Date()): Promise<number> {
  const row = await tx
    .selectFrom('upload_run')
    .select(['state', 'due_at'])
    .where('id', '=', runId)
    .forUpdate()
    .executeTakeFirst()
  if (row?.state !== 'collecting') return 0
  const waitMs = row.due_at.getTime() - now.getTime()
  if (waitMs > 0) return waitMs
  await tx.updateTable('upload_run').set({ state: 'complete' }).where('id', '=', runId).execute()
  return 0
}

export async function markJoined(tx: Connection, runId: string, importIds: readonly string[]): Promise<void> {
  await tx
    .updateTable('upload_run')
    .set({ state: 'joined', joined_at: new Date(), import_ids: [...importIds] })
    .where('id', '=', runId)
    .execute()
}

export const listOpenUploadRuns = (db: Connection) =>
  db.selectFrom('upload_run').select(['id', 'connector_id']).where('state', '<>', 'joined').execute()

/** Forgets runs that were joined before an instant, their blocks and their names. */
export async function forgetUploadRuns(db: Connection, before: Date): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const old = await tx
      .selectFrom('upload_run')
      .select(['id', 'file_name_id'])
      .where('state', '=', 'joined')
      .where('joined_at', '<', before)
      .execute()
    if (old.length === 0) return
    const ids = old.map(({ id }) => id)
    await tx.deleteFrom('upload_block').where('run_id', 'in', ids).execute()
    await tx.deleteFrom('upload_run').where('id', 'in', ids).execute()
    const names = old.flatMap(({ file_name_id }) => (file_name_id === null ? [] : [file_name_id]))
    if (names.length > 0) await tx.deleteFrom('sealed_value').where('id', 'in', names).execute()
  })
}
