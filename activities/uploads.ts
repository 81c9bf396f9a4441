import { appendAudit } from '../db/audit.ts'
import { mayImport } from '../db/connectors.ts'
import { openFileImport } from '../db/imports.ts'
import type { Spool } from '../db/spool.ts'
import { dropUnneeded, lockFile } from '../db/spool-needs.ts'
import { type BlockOfRun, completeUploadRun, findUploadRun, listBlocks, markJoined } from '../db/upload-runs.ts'
import { openSealed } from '../db/vault.ts'
import type { Deps } from './deps.ts'
import { importStart } from './starting.ts'

/** How often a run looks whether its connector was resumed. */
const PAUSED_LOOK_MS = 300_000

/** Ends the collecting of a run when its time has come. Returns how long to wait before asking again; 0 when it is complete. */
export const settleUploadRun =
  (deps: Deps) =>
  async ({ uploadRunId }: { uploadRunId: string }): Promise<number> => {
    const waitMs = await deps.db.transaction().execute((tx) => completeUploadRun(tx, uploadRunId))
    if (waitMs > 0) return waitMs
    const run = await findUploadRun(deps.db, uploadRunId)
    // What comes while a connector is paused is kept until it is resumed.
    const held = run?.connector_state === 'paused' && !mayImport({ ...run, state: run.connector_state })
    return held ? PAUSED_LOOK_MS : 0
  }

export interface JoinedRun {
  importIds: string[]
}

/** Joins the blocks of a complete run into one file, opens its import and starts it. */
export const joinUploadRun =
  (deps: Deps) =>
  async ({ uploadRunId }: { uploadRunId: string }): Promise<JoinedRun> => {
    const run = await findUploadRun(deps.db, uploadRunId)
    if (!run) return { importIds: [] }
    const blocks = await listBlocks(deps.db, uploadRunId)
    const importIds = run.state === 'joined' ? run.import_ids : await joinBlocks(deps, run, blocks)
    // Outside of what is stored: a repetition makes up for it.
    const files = await startImports(deps, run, importIds)
    for (const sha256 of new Set([...blocks.map((block) => block.sha256), ...files]))
      await dropUnneeded(deps.db, deps.spool, sha256)
    return { importIds }
  }

async function joinBlocks(deps: Deps, run: Run, blocks: readonly BlockOfRun[]): Promise<string[]> {
  const files: { sha256: string; bytes: number }[] = []
  for (const part of cutAtGaps(blocks, deps.maxFileBytes)) files.push(await fileOf(deps.spool, part))
  const name = await nameOf(deps, run)
  return deps.db.transaction().execute(async (tx) => {
    const opened: { importId: string; repeated: boolean }[] = []
    for (const { sha256, bytes } of files) {
      await lockFile(tx, sha256)
      const found = await openFileImport(tx, deps.vault, {
        connectorId: run.connector_id,
        source: 'microsoft_upload',
        sha256,
        bytes,
        fileName: name,
        nominalAt: run.created_at,
      })
      opened.push(found)
    }
    const importIds = opened.map(({ importId }) => importId)
    await markJoined(tx, run.id, importIds)
    await appendAudit(tx, {
      staffId: null,
      action: 'upload-run.joined',
      subjectKind: 'connector',
      subjectId: run.connector_id,
      detail: {
        upload_run_id: run.id,
        blocks: blocks.length,
        missing: lacking(blocks),
        imports: opened.map(({ importId, repeated }) => ({ id: importId, repeated })),
      },
    })
    return importIds
  })
}

/** Starts those that have not ended. Returns the hashes of their files. */
async function startImports(deps: Deps, run: Run, importIds: readonly string[]): Promise<string[]> {
  if (importIds.length === 0) return []
  const rows = await deps.db
    .selectFrom('import')
    .select(['id', 'body_sha256', 'state'])
    .where('id', 'in', [...importIds])
    .orderBy('id')
    .execute()
  for (const { id, body_sha256, state } of rows) {
    if (state !== 'running') continue
    const { type, ...options } = importStart({
      connectorId: run.connector_id,
      importId: id,
      run: body_sha256 as string,
      kind: run.kind,
      why: 'upload script',
    })
    await deps.temporal.workflow.start(type, options)
  }
  return rows.flatMap(({ body_sha256 }) => body_sha256 ?? [])
}

type Run = NonNullable<Awaited<ReturnType<typeof findUploadRun>>>

async function nameOf({ db, vault }: Deps, run: Run): Promise<string> {
  if (run.file_name_id === null) return `${run.run_key}.txt`
  return (await openSealed(db, vault, [run.file_name_id])).get(run.file_name_id)?.toString() ?? ''
}

/**
 * Blocks that are one file: numbered without a gap, under the same first line, within the size of a file. Across a gap
 * nothing is joined: the end of a record would be taken for the end of another.
 */
export function cutAtGaps(blocks: readonly BlockOfRun[], maxBytes: number): BlockOfRun[][] {
  const parts: BlockOfRun[][] = []
  let bytes = 0
  for (const block of blocks) {
    const part = parts.at(-1)
    const before = part?.at(-1)
    const follows =
      before?.sequence === block.sequence - 1 &&
      before.header_sha256 === block.header_sha256 &&
      bytes + block.bytes <= maxBytes
    if (part && follows) {
      part.push(block)
      bytes += block.bytes
    } else {
      parts.push([block])
      bytes = block.bytes
    }
  }
  return parts
}

const lacking = (blocks: readonly BlockOfRun[]): number =>
  blocks.length === 0 ? 0 : (blocks.at(-1)?.sequence ?? 0) - (blocks[0]?.sequence ?? 0) + 1 - blocks.length

async function fileOf(spool: Spool, part: readonly BlockOfRun[]): Promise<{ sha256: string; bytes: number }> {
  const [first] = part as [BlockOfRun]
  if (part.length === 1) return { sha256: first.sha256, bytes: first.bytes }
  return spool.put(joined(part.map(({ sha256 }) => spool.read(sha256))), Number.POSITIVE_INFINITY)
}

const NEWLINE = 0x0a

/** The first block as it is, the others without their first line; a block that ends within a line is ended. */
export async function* joined(blocks: Iterable<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array> {
  let last = NEWLINE
  let isFirst = true
  for (const block of blocks) {
    if (last !== NEWLINE) yield Buffer.of(NEWLINE)
    for await (const piece of isFirst ? block : withoutFirstLine(block)) {
      yield piece
      last = piece.at(-1) ?? last
    }
    isFirst = false
  }
}

async function* withoutFirstLine(block: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let inFirst = true
  for await (const piece of block) {
    if (!inFirst) yield piece
    else {
      const end = piece.indexOf(NEWLINE)
      if (end < 0) continue
      inFirst = false
      yield piece.subarray(end + 1)
    }
  }
}
