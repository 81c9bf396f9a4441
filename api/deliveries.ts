import { readDestination } from '../db/destinations.ts'
import * as queries from '../db/queries/destinations.ts'
import type { components } from '../openapi/generated/types.ts'
import { iso, isoOrNull, read } from './route.ts'

type Wire = components['schemas']

const present = (row: queries.DeliveryRow): Wire['Delivery'] => ({
  destinationId: row.destination_id,
  number: row.number,
  eventId: row.event_id,
  kind: row.kind as Wire['Delivery']['kind'],
  alertId: row.alert_id,
  alertVersion: row.alert_version,
  manifestDay: row.manifest_day as unknown as string | null,
  payloadSha256: row.payload_sha256,
  state: row.state as Wire['Delivery']['state'],
  attempts: row.attempts,
  lastAttemptAt: isoOrNull(row.last_attempt_at),
  lastResponse: row.last_response,
  enqueuedAt: iso(row.enqueued_at),
  acceptedAt: isoOrNull(row.accepted_at),
})

export const listDeliveries = read('listDeliveries', async ({ db, page, params, query, paged }) => {
  const { id } = await readDestination(db, params.destinationId)
  const found = await queries.listDeliveries(db, page, { destinationId: id, state: query.state, after: query.after })
  return { status: 200, body: paged(found, present) }
})

export const getDelivery = read('getDelivery', async ({ db, params, actor }) => {
  const row = await queries.readDelivery(db, params.destinationId, params.number)
  // An operator keeps the line alive and need not know what it carries.
  const event = actor.roles.includes('siem') ? (JSON.parse(row.payload) as Record<string, unknown>) : null
  return { status: 200, body: { ...present(row), event } }
})
