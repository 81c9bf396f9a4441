import type { ConnectorDefinition } from '../connectors/connector.ts'
import { connectorKind } from '../connectors/kinds.ts'
import * as store from '../db/backfills.ts'
import { readConnector } from '../db/connectors.ts'
import * as queries from '../db/queries/backfills.ts'
import { AppError } from '../domain/errors.ts'
import { cutRange } from '../domain/pieces.ts'
import type { BackfillProgress } from '../domain/processes.ts'
import type { components } from '../openapi/generated/types.ts'
import * as processes from './processes.ts'
import { type Body, type Call, dateOf, inProcess, inTransaction, iso, isoOrNull, read } from './route.ts'

type Wire = components['schemas']

const PIECES_AT_MOST = 20_000
const PARALLEL = 2

function present(row: store.BackfillRow, { state: _, ...progress }: BackfillProgress): Wire['Backfill'] {
  return {
    id: row.id,
    connectorId: row.connector_id,
    state: row.state as Wire['BackfillState'],
    from: isoOrNull(row.from_at),
    to: isoOrNull(row.to_at),
    folder: row.folder,
    parallel: row.parallel,
    requestsPerSecond: row.requests_per_second,
    hours: row.hours as Wire['Backfill']['hours'],
    progress,
    estimatedEndAt: isoOrNull(estimatedEnd(row, progress)),
    statement: row.statement as Wire['Backfill']['statement'],
    createdAt: iso(row.created_at),
    finishedAt: isoOrNull(row.finished_at),
  }
}

/** By the pace since it began; pauses count, since there is no telling how long the next one will be. */
function estimatedEnd(row: store.BackfillRow, { done, setAside, running, waiting }: Omit<BackfillProgress, 'state'>) {
  const read = done + setAside
  if (read === 0 || row.finished_at !== null) return null
  const now = Date.now()
  return new Date(now + ((now - row.created_at.getTime()) / read) * (waiting + running))
}

async function presented(db: Call<never>['db'], backfillId: string): Promise<Wire['Backfill']> {
  const row = await store.readBackfill(db, backfillId)
  return present(row, (await store.progressOf(db, [row.id])).get(row.id) as BackfillProgress)
}

export const createBackfill = inTransaction('createBackfill', async ({ db, deps, params, body, actor }) => {
  const connector = await readConnector(db, params.connectorId)
  if (connector.state === 'draft' || connector.state === 'retired') {
    throw new AppError('connector_not_active', `the connector is ${connector.state}`, {
      fix: 'Finish its set-up first.',
    })
  }
  const kind = connectorKind(connector.kind)
  const asked = {
    connectorId: connector.id,
    staffId: actor.staffId,
    parallel: body.parallel ?? PARALLEL,
    requestsPerSecond: body.requestsPerSecond ?? null,
    hours: body.hours ?? null,
  }
  if (body.hours) checkHours(body.hours)
  const backfillId =
    kind.delivery === 'push'
      ? await store.openFolderBackfill(db, asked, folderOf(body))
      : await store.openRangeBackfill(db, asked, piecesOf(kind, body))
  return {
    status: 202,
    body: await presented(db, backfillId),
    audit: {
      action: 'backfill.requested',
      subjectKind: 'backfill',
      subjectId: backfillId,
      detail: { connector_id: connector.id, from: body.from ?? null, to: body.to ?? null },
    },
    after: () =>
      processes.startBackfill(deps.temporal, { backfillId, connectorId: connector.id, kind: connector.kind }),
  }
})

type Asked = Body<'createBackfill'>

function folderOf({ folder, from, to }: Asked): string {
  if (folder !== undefined && from === undefined && to === undefined) return folder
  throw new AppError('invalid_request', 'this source sends files', {
    field: 'folder',
    fix: 'Name the folder they lie in.',
  })
}

function piecesOf({ id, history }: ConnectorDefinition, { folder, from: fromText, to: toText }: Asked) {
  if (!history) throw new AppError('state_conflict', `the past of ${id} cannot be asked for`)
  const [from, to] = [dateOf(fromText), dateOf(toText)]
  if (folder !== undefined || !from || !to) {
    throw new AppError('invalid_request', 'this source is read by time', { field: 'from', fix: 'Name from and to.' })
  }
  const now = Date.now()
  if (from >= to || to.getTime() > now) {
    throw new AppError('invalid_request', 'the range is empty or reaches into the future', {
      field: 'to',
      fix: 'Name a `to` after `from`, and not after now.',
    })
  }
  if (history.reachDays !== null && from.getTime() < now - history.reachDays * 86_400_000) {
    throw new AppError('invalid_request', `the source answers for the last ${history.reachDays} days only`, {
      field: 'from',
      fix: 'Name a later `from`.',
    })
  }
  const pieces = cutRange(from, to, history.pieceHours)
  if (pieces.length > PIECES_AT_MOST) {
    throw new AppError('invalid_request', `the range has ${pieces.length} pieces, a backfill takes ${PIECES_AT_MOST}`, {
      field: 'from',
      fix: 'Split the range over several backfills.',
    })
  }
  return pieces
}

function checkHours({ from, to, timeZone }: NonNullable<Asked['hours']>): void {
  const known = () => {
    try {
      return new Intl.DateTimeFormat('en', { timeZone }) !== null
    } catch {
      return false
    }
  }
  if (from === to || !known()) {
    throw new AppError('invalid_request', from === to ? 'nothing lies between the hours' : 'not an IANA time zone', {
      field: from === to ? 'hours.to' : 'hours.timeZone',
      fix: from === to ? 'Name two different hours.' : 'Name a zone such as Europe/Berlin.',
    })
  }
}

export const listBackfills = read('listBackfills', async ({ db, page, query, paged }) => {
  const found = await queries.listBackfills(db, page, query)
  const progress = await store.progressOf(
    db,
    found.rows.map(({ id }) => id),
  )
  return { status: 200, body: paged(found, (row) => present(row, progress.get(row.id) as BackfillProgress)) }
})

export const getBackfill = read('getBackfill', async ({ db, params }) => ({
  status: 200,
  body: await presented(db, params.backfillId),
}))

export const listBackfillPieces = read('listBackfillPieces', async ({ db, page, params, query, paged }) => {
  const { id } = await store.readBackfill(db, params.backfillId)
  const found = await queries.listBackfillPieces(db, page, { ...query, backfillId: id })
  return {
    status: 200,
    body: paged(found, (row) => ({
      number: row.number,
      from: isoOrNull(row.from_at),
      to: isoOrNull(row.to_at),
      state: row.state as Wire['PieceState'],
      tries: row.tries,
      sweep: row.sweep,
      importId: row.import_id,
      error: row.error as Wire['BackfillPiece']['error'],
      readAt: isoOrNull(row.read_at),
    })),
  }
})

type Move = 'pauseBackfill' | 'resumeBackfill' | 'cancelBackfill'

const moving = <Id extends Move>(id: Id, ask: typeof processes.pauseBackfill) =>
  inProcess(id, async ({ db, deps, params, actor, causeKey }: Call<Move>) => {
    const row = await store.readBackfill(db, params.backfillId)
    if (row.finished_at !== null) throw new AppError('state_conflict', `the backfill is ${row.state}`)
    const { kind } = await readConnector(db, row.connector_id)
    const backfill = { backfillId: row.id, connectorId: row.connector_id, kind }
    await ask(deps.temporal, backfill, { staffId: actor.staffId, causeKey })
    return { status: 200 as const, body: await presented(db, row.id) } as never
  })

export const pauseBackfill = moving('pauseBackfill', processes.pauseBackfill)
export const resumeBackfill = moving('resumeBackfill', processes.resumeBackfill)
export const cancelBackfill = moving('cancelBackfill', processes.cancelBackfill)
