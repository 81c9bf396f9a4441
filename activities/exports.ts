import { appendAudit, entryOfAct } from '../db/audit.ts'
import type { Connection } from '../db/connection.ts'
import {
  type Attempt,
  bookAttempts,
  enqueueManifest,
  lastAccepted,
  nextDeliveries,
  type QueuedDelivery,
} from '../db/deliveries.ts'
import { AppError, isAppError } from '../domain/errors.ts'
import { parseSettings } from '../domain/form.ts'
import type { HumanInput, SiemExportState } from '../domain/processes.ts'
import type { OutboundDelivery, Sender } from '../exporters/exporter.ts'
import { exporterKind } from '../exporters/kinds.ts'
import { openSecrets } from './connector-config.ts'
import type { Deps } from './deps.ts'
import type { ActivityControls } from './imports.ts'

/** Deliveries read and sent at once. */
const BATCH = 100

export interface DrainResult {
  state: 'idle' | 'stopped'
  acceptedNumber: number
  stopCode: string | null
  sent: number
}

/**
 * Sends what a destination has queued, in order, until nothing is left, the receiver asks to wait (thrown, to be tried
 * again later) or refuses for good (the destination stops until an operator resumes it). What the receiver accepted is
 * booked after each batch; a crash in between sends the batch again under the same event ids.
 */
export async function drainDestination(
  deps: Deps,
  destinationId: string,
  { signal, heartbeat }: ActivityControls,
): Promise<DrainResult> {
  const row = await deps.db.selectFrom('destination').selectAll().where('id', '=', destinationId).executeTakeFirst()
  if (!row) throw new AppError('not_found', `there is no destination ${destinationId}`)
  const accepted = async () =>
    (
      await deps.db
        .selectFrom('destination')
        .select('accepted_number')
        .where('id', '=', destinationId)
        .executeTakeFirstOrThrow()
    ).accepted_number
  if (row.state !== 'active') {
    const stop = row.stop_reason as { code?: string } | null
    return { state: 'stopped', acceptedNumber: row.accepted_number, stopCode: stop?.code ?? row.state, sent: 0 }
  }
  let sender: Sender | undefined
  let sent = 0
  try {
    for (;;) {
      signal.throwIfAborted()
      const queued = await nextDeliveries(deps.db, destinationId, BATCH)
      if (queued.length === 0) return { state: 'idle', acceptedNumber: await accepted(), stopCode: null, sent }
      const again = sender ? [] : await toSendAgain(deps, row, queued)
      try {
        sender ??= await openSender(deps, row)
      } catch (error) {
        if (!isAppError(error) || error.retryable) throw error
        const fix = error.fix ?? 'Correct the destination, then resume.'
        const reason = { code: error.code, detail: error.message, fix }
        await deps.db.transaction().execute((tx) => stopDestination(tx, destinationId, reason))
        return { state: 'stopped', acceptedNumber: await accepted(), stopCode: error.code, sent }
      }
      const deliveries: OutboundDelivery[] = [...again, ...queued].map(({ number, attempts, event }) => ({
        number,
        attempt: attempts + 1,
        event,
      }))
      const outcomes = await sender.send(deliveries)
      const attempts: Attempt[] = outcomes.map((outcome, index) => ({
        number: (deliveries[index] as OutboundDelivery).number,
        accepted: outcome.state === 'accepted',
        response: outcome.responseCode,
      }))
      const last = outcomes.at(-1)
      await deps.db.transaction().execute(async (tx) => {
        await bookAttempts(tx, destinationId, attempts)
        if (last?.state === 'refused') {
          await stopDestination(tx, destinationId, { code: last.responseCode, detail: last.detail, fix: last.fix })
        }
      })
      sent += outcomes.slice(again.length).filter(({ state }) => state === 'accepted').length
      heartbeat({ chunk: sent })
      if (last?.state === 'retry') {
        throw new AppError('destination_unreachable', `the destination answered ${last.responseCode}`, {
          ...(last.retryAfterMs === undefined ? {} : { retryAfterMs: last.retryAfterMs }),
        })
      }
      if (last?.state === 'refused') {
        return { state: 'stopped', acceptedNumber: await accepted(), stopCode: last.responseCode, sent }
      }
    }
  } finally {
    await sender?.close()
  }
}

/** Where nothing is acknowledged, what went before a failed send may have been lost with it. */
async function toSendAgain(
  deps: Deps,
  row: { id: string; kind: string },
  queued: readonly QueuedDelivery[],
): Promise<QueuedDelivery[]> {
  const { resendWindow } = exporterKind(row.kind)
  if (resendWindow === undefined || queued[0]?.attempts === 0) return []
  return lastAccepted(deps.db, row.id, resendWindow)
}

async function openSender(
  deps: Deps,
  row: { kind: string; settings: unknown; secret_id: string | null },
): Promise<Sender> {
  const definition = exporterKind(row.kind)
  const secrets = row.secret_id === null ? {} : await openSecrets(deps.db, deps.vault, row.secret_id)
  const config = parseSettings(definition.config, { ...(row.settings as object), ...secrets })
  return definition.open(config, {
    hostname: deps.hostname,
    productVersion: deps.version,
    allowPrivateAddresses: deps.allowPrivateAddresses,
  })
}

async function stopDestination(
  tx: Connection,
  destinationId: string,
  reason: { code: string; detail: string; fix: string },
): Promise<void> {
  const stopped = await tx
    .updateTable('destination')
    .set({ state: 'stopped', stop_reason: JSON.stringify({ ...reason, at: new Date().toISOString() }) })
    .where('id', '=', destinationId)
    .where('state', '=', 'active')
    .executeTakeFirst()
  if (Number(stopped.numUpdatedRows) === 0) return
  await appendAudit(tx, {
    staffId: null,
    action: 'destination.stopped',
    subjectKind: 'destination',
    subjectId: destinationId,
    detail: { code: reason.code },
  })
}

/** An operator has mended what stopped it. The same act again gets its first answer, also when it stopped anew meanwhile. */
export const resumeDestination =
  (deps: Deps) =>
  ({ destinationId, staffId, causeKey }: HumanInput & { destinationId: string }): Promise<SiemExportState> =>
    deps.db.transaction().execute(async (tx) => {
      const row = await tx
        .selectFrom('destination')
        .select(['state', 'accepted_number'])
        .where('id', '=', destinationId)
        .forUpdate()
        .executeTakeFirst()
      if (!row) throw new AppError('not_found', `there is no destination ${destinationId}`)
      const subject = { action: 'destination.resumed', subjectKind: 'destination', subjectId: destinationId }
      const done = await entryOfAct(tx, { ...subject, staffId, causeKey })
      const { accepted_number } = done ? (done.detail as { accepted_number: number }) : row
      const answer: SiemExportState = { state: 'sending', acceptedNumber: accepted_number, stopCode: null }
      if (done || row.state !== 'stopped') return answer
      await tx
        .updateTable('destination')
        .set({ state: 'active', stop_reason: null })
        .where('id', '=', destinationId)
        .execute()
      await appendAudit(tx, { staffId, ...subject, detail: { cause_key: causeKey, accepted_number } })
      return answer
    })

/** Adds the manifest of a UTC day to every destination that lacks it; returns those that have it. */
export const writeManifests =
  (deps: Deps) =>
  async ({ day }: { day: string }): Promise<string[]> => {
    const destinations = await deps.db
      .selectFrom('destination')
      .select('id')
      .where('state', '<>', 'retired')
      .orderBy('id')
      .execute()
    for (const { id } of destinations) await deps.db.transaction().execute((tx) => enqueueManifest(tx, id, day))
    return destinations.map(({ id }) => id)
  }
