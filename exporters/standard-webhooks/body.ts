import type { AlertEvent, ExportEvent, ManifestEvent } from '../../domain/alert.ts'
import { canonicalJson } from '../../domain/canonical.ts'
import { payloadHash } from '../payload-hash.ts'
import { shortened } from '../shortened.ts'

/** Receivers should not have to take more than this in one message (Standard Webhooks 1.0.0, "payload size"). */
export const MAX_BODY_BYTES = 20_000

/** What a receiver reads under `data`: the event and its place in the destination's sequence. */
export type WebhookData = ExportEvent & { sequence: number; payload_sha256: string }

/** The exact bytes that are signed and sent: a function of the delivery alone, so every attempt sends the same. */
export function webhookBody(number: number, event: ExportEvent): string {
  const type = event.type === 'alert' ? `insider_risk.alert.${event.change}` : 'insider_risk.manifest'
  const timestamp = event.type === 'alert' ? event.updated : event.created
  const head = `{"type":${JSON.stringify(type)},"timestamp":${JSON.stringify(timestamp)},"data":`
  const payload_sha256 = payloadHash(event)
  return shortened(event, MAX_BODY_BYTES, (each) => {
    const data: WebhookData = {
      ...(each.type === 'alert' ? alertData(each) : manifestData(each)),
      sequence: number,
      payload_sha256,
    }
    return `${head}${canonicalJson(data)}}`
  })
}

// Field by field, so that nothing leaves which the type does not name.

function alertData(event: AlertEvent): AlertEvent {
  const { policy, user } = event
  return {
    event_id: event.event_id,
    type: event.type,
    alert_id: event.alert_id,
    revision: event.revision,
    change: event.change,
    because: event.because,
    status: event.status,
    severity: event.severity,
    score: event.score,
    policy: { id: policy.id, version: policy.version, name: policy.name, template: policy.template },
    user: { pseudonym: user.pseudonym, uid: user.uid },
    case_id: event.case_id,
    evidence: event.evidence.map((each) => ({
      indicator: each.indicator,
      title: each.title,
      day: each.day,
      value: each.value,
      unit: each.unit,
      tier: each.tier,
      weight: each.weight,
      because: each.because,
    })),
    evidence_omitted: event.evidence_omitted,
    blind_spots: event.blind_spots.map(({ source, code, from, to }) => ({ source, code, from, to })),
    first_activity: event.first_activity,
    last_activity: event.last_activity,
    created: event.created,
    updated: event.updated,
    receipt_sha256: event.receipt_sha256,
    link: event.link,
  }
}

function manifestData(event: ManifestEvent): ManifestEvent {
  return {
    event_id: event.event_id,
    type: event.type,
    destination_id: event.destination_id,
    day: event.day,
    first_number: event.first_number,
    last_number: event.last_number,
    count: event.count,
    sha256: event.sha256,
    audit_head: event.audit_head,
    created: event.created,
  }
}
