import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { ExportEvent, ManifestEvent } from '../domain/alert.ts'
import { canonicalJson } from '../domain/canonical.ts'
import { auditHead } from './audit.ts'
import type { Connection } from './connection.ts'
import { sha256 } from './hash.ts'

export interface DeliverySubject {
  alertId?: string
  alertVersion?: number
  manifestDay?: string
}

/**
 * Puts an event into the sequence of every destination that is not retired. The number comes from the destination's
 * row, locked until the caller's transaction ends: a rolled-back alert leaves no gap. Locks are taken in one order.
 */
export async function enqueueForAll(tx: Connection, event: ExportEvent, subject: DeliverySubject): Promise<string[]> {
  const destinations = await tx
    .selectFrom('destination')
    .select('id')
    .where('state', '<>', 'retired')
    .orderBy('id')
    .forUpdate()
    .execute()
  for (const { id } of destinations) await enqueue(tx, id, event, subject)
  return destinations.map(({ id }) => id)
}

async function enqueue(
  tx: Connection,
  destinationId: string,
  event: ExportEvent,
  subject: DeliverySubject,
): Promise<number> {
  const { last_number: number } = await tx
    .updateTable('destination')
    .set((eb) => ({ last_number: eb('last_number', '+', 1) }))
    .where('id', '=', destinationId)
    .returning('last_number')
    .executeTakeFirstOrThrow()
  const payload = canonicalJson(event)
  await tx
    .insertInto('delivery')
    .values({
      destination_id: destinationId,
      number,
      event_id: event.event_id,
      kind: event.type,
      alert_id: subject.alertId ?? null,
      alert_version: subject.alertVersion ?? null,
      manifest_day: subject.manifestDay ?? null,
      payload,
      payload_sha256: sha256(payload),
    })
    .execute()
  return number
}

/** What a manifest's digest is over: one line per delivery, in order. */
export const manifestDigest = (
  deliveries: readonly { number: number; event_id: string; payload_sha256: string }[],
): string =>
  sha256(deliveries.map((delivery) => `${delivery.number} ${delivery.event_id} ${delivery.payload_sha256}\n`).join(''))

/** Deliveries from the manifest before (itself included) up to, not including, `before`. */
export async function deliveriesSinceManifest(db: Connection, destinationId: string, before: number) {
  const last = await db
    .selectFrom('delivery')
    .select('number')
    .where('destination_id', '=', destinationId)
    .where('kind', '=', 'manifest')
    .where('number', '<', before)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
  return db
    .selectFrom('delivery')
    .select(['number', 'event_id', 'payload_sha256'])
    .where('destination_id', '=', destinationId)
    .where('number', '>=', last?.number ?? 1)
    .where('number', '<', before)
    .orderBy('number')
    .execute()
}

/**
 * Adds the day's manifest to a destination's sequence: it names every delivery since the manifest before, so that the
 * chain of manifests covers each number once. One per destination and day; null when it exists already.
 */
export async function enqueueManifest(tx: Connection, destinationId: string, day: string): Promise<number | null> {
  const destination = await tx
    .selectFrom('destination')
    .select(['id', 'last_number'])
    .where('id', '=', destinationId)
    .where('state', '<>', 'retired')
    .forUpdate()
    .executeTakeFirst()
  if (!destination) return null
  const existing = await tx
    .selectFrom('delivery')
    .select('number')
    .where('destination_id', '=', destinationId)
    .where('manifest_day', '=', day)
    .executeTakeFirst()
  if (existing) return null
  const covered = await deliveriesSinceManifest(tx, destinationId, destination.last_number + 1)
  const event: ManifestEvent = {
    event_id: uuid(),
    type: 'manifest',
    destination_id: destinationId,
    day,
    first_number: covered[0]?.number ?? null,
    last_number: covered.at(-1)?.number ?? null,
    count: covered.length,
    sha256: manifestDigest(covered),
    audit_head: (await auditHead(tx)).hash,
    created: new Date().toISOString(),
  }
  return enqueue(tx, destinationId, event, { manifestDay: day })
}

export interface QueuedDelivery {
  number: number
  attempts: number
  event: ExportEvent
}

/** The next deliveries of a destination in order, from the first that was not accepted. */
export async function nextDeliveries(db: Connection, destinationId: string, limit: number): Promise<QueuedDelivery[]> {
  const rows = await db
    .selectFrom('delivery')
    .select(['number', 'attempts', 'payload'])
    .where('destination_id', '=', destinationId)
    .where('state', '=', 'queued')
    .orderBy('number')
    .limit(limit)
    .execute()
  return rows.map(asQueued)
}

/** The last accepted deliveries of a destination, oldest first. */
export async function lastAccepted(db: Connection, destinationId: string, limit: number): Promise<QueuedDelivery[]> {
  const rows = await db
    .selectFrom('delivery')
    .select(['number', 'attempts', 'payload'])
    .where('destination_id', '=', destinationId)
    .where('state', '=', 'accepted')
    .orderBy('number', 'desc')
    .limit(limit)
    .execute()
  return rows.reverse().map(asQueued)
}

const asQueued = (row: { number: number; attempts: number; payload: string }): QueuedDelivery => ({
  number: row.number,
  attempts: row.attempts,
  event: JSON.parse(row.payload) as ExportEvent,
})

export interface Attempt {
  number: number
  accepted: boolean
  /** What the receiver answered, as a code. */
  response: string
}

/** Books what became of deliveries, in order; the destination's accepted number moves with them. */
export async function bookAttempts(tx: Connection, destinationId: string, attempts: readonly Attempt[]): Promise<void> {
  for (const attempt of attempts) {
    await tx
      .updateTable('delivery')
      .set((eb) => ({
        attempts: eb('attempts', '+', 1),
        last_attempt_at: new Date(),
        last_response: attempt.response,
        ...(attempt.accepted ? { state: 'accepted' as const, accepted_at: new Date() } : {}),
      }))
      .where('destination_id', '=', destinationId)
      .where('number', '=', attempt.number)
      .where('state', '=', 'queued')
      .execute()
  }
  await sql`
    update destination set accepted_number = coalesce(
      (select max(number) from delivery where destination_id = ${destinationId} and state = 'accepted'), 0)
    where id = ${destinationId}`.execute(tx)
}
