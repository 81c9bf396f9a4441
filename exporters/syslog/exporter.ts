import { connectionOutcome } from '../connection-outcome.ts'
import { type DeliveryOutcome, defineExporter, type OutboundDelivery } from '../exporter.ts'
import { MAX_MESSAGE_BYTES, syslogFrame } from './frame.ts'
import { type Line, LineBroken, openLine } from './line.ts'
import { config, portOf } from './settings.ts'

/** Characters written at once; the next write waits until the kernel has taken them. */
const WRITE_CHARACTERS = 64 * 1024

/**
 * How many deliveries a receiver that went away may have read and not kept, or, where it does not close its half, not
 * even read. Whoever drains a sequence sends so many of the last accepted ones again, before anything new, through the
 * first sender after one that said `retry`. The receiver dedupes by event id.
 */
export const RESEND_WINDOW = 1_000

/**
 * RFC 5424 over TCP or TLS, octet-counted, with CEF as text.
 *
 * Syslog has no acknowledgement, and what a kernel takes may still be lost. So each `send` has a line of its own and
 * closes it: a receiver that closes its half in turn, without a reset, has read everything (`read`). That is as much as
 * can be known; what it does with it afterwards is not. A receiver that keeps its half open until the time-out, with the
 * line whole, leaves the weaker statement that the network took everything (`written`).
 * When the line breaks before that, all deliveries tried are `retry`, for nothing says how far the receiver came; those
 * not tried have no outcome. After a break a sender only says `retry`, so that a new one has to be opened and
 * RESEND_WINDOW be observed. Any numbers may be sent, earlier ones too.
 */
export const syslog = defineExporter({
  id: 'syslog',
  title: 'Syslog (RFC 5424, CEF)',
  says: 'Messages over TCP or TLS, one per alert version; syslog cannot acknowledge them.',
  guide: 'docs/guides/syslog-receiver.md',
  acknowledges: false,
  resendWindow: RESEND_WINDOW,
  maxBytes: MAX_MESSAGE_BYTES,
  config,
  tls: ({ host, serverName, ...settings }) =>
    settings.transport === 'tls' ? { host, port: portOf(settings), serverName } : null,
  async open(settings, context) {
    let line: Line | undefined
    let broken: LineBroken | undefined
    const frame = ({ number, event }: OutboundDelivery) => syslogFrame(number, event, settings, context)

    async function send(deliveries: readonly OutboundDelivery[]): Promise<DeliveryOutcome[]> {
      if (deliveries.length === 0) return []
      let tried = 0
      try {
        if (broken) throw broken
        line = await openLine(settings, context.allowPrivateAddresses)
        while (tried < deliveries.length) {
          const { text, count } = nextWrite(deliveries, tried, frame)
          tried += count
          await line.write(text)
        }
        const responseCode = (await line.finish()) === 'ended' ? 'read' : 'written'
        return deliveries.map(() => ({ state: 'accepted', responseCode }))
      } catch (error) {
        line?.destroy()
        if (!(error instanceof LineBroken)) throw error
        broken = error
        // Where no line came about, one outcome says it.
        return deliveries.slice(0, Math.max(tried, 1)).map(() => connectionOutcome(error.code))
      }
    }

    return { send, close: async () => line?.destroy() }
  },
})

/** As many frames from `from` on as make one write. */
function nextWrite(
  deliveries: readonly OutboundDelivery[],
  from: number,
  frame: (delivery: OutboundDelivery) => string,
) {
  let text = ''
  let count = 0
  for (let at = from; at < deliveries.length && text.length < WRITE_CHARACTERS; at++) {
    text += frame(deliveries[at] as OutboundDelivery)
    count += 1
  }
  return { text, count }
}
