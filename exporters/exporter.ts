import type { z } from 'zod'
import type { ExportEvent } from '../domain/alert.ts'
import type { TlsPlace } from './prerequisites.ts'

/** One numbered event of a destination's gapless sequence. */
export interface OutboundDelivery {
  /** 1, 2, 3 … per destination. */
  number: number
  /** 1 for the first try. */
  attempt: number
  event: ExportEvent
}

/**
 * What became of one delivery. `accepted` only when the receiver's own success criterion was met; for a transport
 * without acknowledgement (`acknowledges: false`) it means that the bytes were handed to the network.
 */
export type DeliveryOutcome =
  | { state: 'accepted'; responseCode: string }
  /** Try again later, nothing was lost: refused connections, timeouts, 408, 425, 429, 5xx. */
  | { state: 'retry'; responseCode: string; detail: string; retryAfterMs?: number }
  /** Nobody but an operator can mend it: 401, 403, 404, 410, redirects, a wrong certificate. */
  | { state: 'refused'; responseCode: string; detail: string; fix: string }

/** An open line to a destination; used for one drain of its sequence. */
export interface Sender {
  /** Sends in order and stops at the first outcome that is not `accepted`; returns one outcome per delivery tried. */
  send(deliveries: readonly OutboundDelivery[]): Promise<DeliveryOutcome[]>
  close(): Promise<void>
}

export interface SenderContext {
  /** Host name put into messages that carry one. */
  hostname: string
  productVersion: string
  /** Destination hosts on private and loopback addresses are refused unless true. */
  allowPrivateAddresses: boolean
}

export interface ExporterDefinition<Config = any> {
  id: string
  title: string
  says: string
  guide: string
  /** False when the transport cannot say that an event arrived. */
  acknowledges: boolean
  /**
   * Of a transport that cannot acknowledge: so many of the last accepted deliveries are sent again, before anything new,
   * after a send that failed.
   */
  resendWindow?: number
  /** Largest event in bytes; longer ones are shortened by omitting evidence (`evidence_omitted` says how many). */
  maxBytes: number
  config: z.ZodType<any>
  /** Where TLS ends with these settings; null without TLS. */
  tls?(config: Config): TlsPlace | null
  open(config: Config, context: SenderContext): Promise<Sender>
}

export const defineExporter = <Schema extends z.ZodType<any>>(
  definition: Omit<ExporterDefinition<z.output<Schema>>, 'config'> & { config: Schema },
): ExporterDefinition => definition as unknown as ExporterDefinition
