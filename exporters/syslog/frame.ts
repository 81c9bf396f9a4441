import type { AlertEvent, ExportEvent, Severity } from '../../domain/alert.ts'
import type { SenderContext } from '../exporter.ts'
import { payloadHash } from '../payload-hash.ts'
import { shortened } from '../shortened.ts'
import { cef, evidenceFits } from './cef.ts'
import { octetCounted, rfc5424, SYSLOG_SEVERITY } from './rfc5424.ts'

/** Receivers should take 8,192 bytes over TLS (RFC 5425 §4.3.1) and rsyslog takes 8 KiB unless told otherwise. */
export const MAX_MESSAGE_BYTES = 8_000

const SEVERITY = {
  low: SYSLOG_SEVERITY.notice,
  medium: SYSLOG_SEVERITY.warning,
  high: SYSLOG_SEVERITY.error,
} as const satisfies Record<Severity, number>

export interface FrameSettings {
  facility: number
  enterpriseId: string
  appName: string
}

/**
 * One delivery as it goes over the line: RFC 5424 with CEF as its text, octet-counted. The time is the event's own, so
 * that every attempt sends the same bytes.
 */
export const syslogFrame = (
  number: number,
  event: ExportEvent,
  settings: FrameSettings,
  context: Pick<SenderContext, 'hostname' | 'productVersion'>,
): string => octetCounted(syslogMessage(number, event, settings, context))

export function syslogMessage(
  number: number,
  event: ExportEvent,
  { facility, enterpriseId, appName }: FrameSettings,
  { hostname, productVersion: version }: Pick<SenderContext, 'hostname' | 'productVersion'>,
): string {
  const hash = payloadHash(event)
  const write = (each: ExportEvent) =>
    rfc5424({
      facility,
      severity: each.type === 'alert' ? SEVERITY[each.severity] : SYSLOG_SEVERITY.informational,
      at: new Date(each.type === 'alert' ? each.updated : each.created),
      hostname,
      appName,
      messageId: each.type === 'alert' ? `alert.${each.change}` : 'manifest',
      structured: { id: `openirm@${enterpriseId}`, parameters: parameters(number, each, hash) },
      message: cef(each, { version, hostname, number, payloadHash: hash }),
    })
  return shortened(event, MAX_MESSAGE_BYTES, write, evidenceFits)
}

const parameters = (number: number, event: ExportEvent, hash: string): Record<string, string | number> => ({
  event_id: event.event_id,
  number,
  ...(event.type === 'alert' ? ids(event) : {}),
  payload_sha256: hash,
})

const ids = ({ alert_id, revision }: AlertEvent) => ({ alert_id, revision })
