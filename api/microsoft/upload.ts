import type { IncomingMessage } from 'node:http'
import { connectorKind } from '../../connectors/kinds.ts'
import { type ConnectorRow, mayImport } from '../../db/connectors.ts'
import { findUploadTarget, noteUpload } from '../../db/microsoft-uploads.ts'
import { dropUnneeded, lockFile } from '../../db/spool-needs.ts'
import { beginsCut, type Patience, type TakenBlock, takeBlock } from '../../db/upload-runs.ts'
import { insertSealed } from '../../db/vault.ts'
import { AppError } from '../../domain/errors.ts'
import type { ApiDeps } from '../deps.ts'
import { collectUploads } from '../processes.ts'
import { jobOf } from './addresses.ts'
import { readToken } from './bearer.ts'
import { openBody } from './body.ts'
import { type Receipt, receiptOf } from './receipt.ts'
import { lookAtRows } from './rows.ts'
import { BlockScan, numbered } from './scan.ts'

/** The start of a run's collecting holds its answer up for so long at most; the reconciler makes up for it. */
const START_WITHIN_MS = 5_000
const MAX_NAME = 255
const UNNAMED = { csv: 'upload.csv', json: 'upload.json' } as const

export interface UploadOptions {
  maxBytes: number
  patience: Patience
  /** Told the SHA-256 of the upload once it was read to its end. */
  onRead(sha256: string): void
}

/** The connector that a request may upload to. Throws unauthenticated, upload_job_mismatch, connector_not_active. */
export async function targetOf(
  { db, vault }: ApiDeps,
  request: IncomingMessage,
  takes: 'csv' | 'json',
): Promise<ConnectorRow> {
  const secretId = readToken(vault, request.headers.authorization, Date.now())
  const connector = secretId === null ? undefined : await findUploadTarget(db, secretId)
  if (!connector) {
    throw new AppError('unauthenticated', 'The token is missing, wrong or has expired', {
      fix: 'Ask for a new one with the app id and secret of this connector.',
    })
  }
  // The very words of Microsoft's service.
  if (jobOf(request.url ?? '')?.toLowerCase() !== connector.id) {
    throw new AppError('upload_job_mismatch', 'jobId and corresponding appId do not match.', {
      fix: 'Give the script the app id, the secret and the job id of the same connector.',
    })
  }
  if (connector.state === 'draft' || connector.state === 'retired') {
    throw new AppError('connector_not_active', `the connector is ${connector.state}`, {
      fix: connector.state === 'draft' ? 'Finish its set-up first.' : 'Use the ids of another connector.',
    })
  }
  const sends = connectorKind(connector.kind).microsoftScript
  if (sends !== takes) {
    throw new AppError('invalid_request', `a connector of this kind takes ${sends ?? 'no upload by a script'}`, {
      fix: sends === 'json' ? 'Send to api/signals/physicalbadging.' : 'Send a CSV file to api/signals.',
    })
  }
  return connector
}

/** Takes the body of a request: keeps it, books it, and words the receipt. The answer may go out as soon as this returns. */
export async function takeUpload(
  deps: ApiDeps,
  connector: ConnectorRow,
  request: IncomingMessage,
  signal: AbortSignal,
  { maxBytes, patience, onRead }: UploadOptions,
): Promise<Receipt> {
  const kind = connectorKind(connector.kind).microsoftScript as 'csv' | 'json'
  const body = await openBody(request, signal)
  const scan = new BlockScan()
  const { sha256, bytes } = await deps.spool.put(watched(body.bytes, scan), maxBytes)
  onRead(sha256)
  try {
    if (bytes === 0) throw new AppError('file_empty', 'the upload is empty', { fix: 'See whether the file has rows.' })
    const { isGzip, ...scanned } = scan.end()
    const name = kind === 'csv' && !isGzip ? numbered(body.fileName) : null
    const fileName = (body.fileName ?? UNNAMED[kind]).slice(0, MAX_NAME)
    const place = { connectorId: connector.id, runKey: name?.runKey ?? `file/${sha256}`, sequence: name?.sequence ?? 0 }
    const rows = await lookAtRows(deps, connector, {
      sha256,
      fileName,
      isBlock: name !== null,
      beginsCut: name !== null && (await beginsCut(deps.db, place)),
    })
    const taken = await deps.db.transaction().execute(async (tx): Promise<TakenBlock> => {
      await lockFile(tx, sha256)
      // An import of the same bytes may have ended and dropped them since they were put there.
      if (!(await deps.spool.has(sha256)))
        throw new AppError('request_in_progress', 'the same bytes were just imported')
      return takeBlock(
        tx,
        {
          ...place,
          ...scanned,
          sha256,
          bytes,
          keyIsUnique: name?.keyIsUnique ?? false,
          whole: name === null,
          fileNameId: name === null ? await insertSealed(tx, deps.vault, 'file_name', fileName) : null,
        },
        patience,
      )
    })
    await started(deps, connector.id, taken)
    await noteUpload(deps.db, connector.id, null)
    return receiptOf(rows, taken, { block: name?.sequence ?? null, held: !mayImport(connector) })
  } finally {
    await forget(deps, sha256)
  }
}

async function* watched(bytes: AsyncIterable<Uint8Array>, scan: BlockScan): AsyncGenerator<Uint8Array> {
  for await (const piece of bytes) {
    scan.push(piece)
    yield piece
  }
}

async function started(deps: ApiDeps, connectorId: string, taken: TakenBlock): Promise<void> {
  if (taken.repeated) return
  const runs = [
    ...(taken.opened || taken.complete ? [{ runId: taken.runId, connectorId, complete: taken.complete }] : []),
    ...(taken.ended === null ? [] : [{ runId: taken.ended, connectorId, complete: true }]),
  ]
  try {
    await deps.temporal.withDeadline(Date.now() + START_WITHIN_MS, async () => {
      for (const run of runs) await collectUploads(deps.temporal, run)
    })
  } catch (error) {
    // The rows are the truth: the reconciler starts what could not be started now.
    deps.log.warn({ connector: connectorId, err: error }, 'left to the reconciler')
  }
}

async function forget(deps: ApiDeps, sha256: string): Promise<void> {
  try {
    await dropUnneeded(deps.db, deps.spool, sha256)
  } catch (error) {
    deps.log.warn({ err: error }, 'a spooled file could not be looked after')
  }
}
