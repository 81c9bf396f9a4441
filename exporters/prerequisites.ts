import { connect } from 'node:tls'
import { type CheckResult, type PrerequisiteWords, untilItEnds, type Verdict } from '../domain/prerequisite.ts'
import { guardedLookup, isPrivateLiteral, PRIVATE_ADDRESS } from './addresses.ts'

/** Conditions of destinations: that alerts arrive, and go on arriving. */
export interface DestinationPrerequisite<V extends Verdict = Verdict> extends PrerequisiteWords<V> {
  guide: string
  check(input: DestinationCheckInput): Promise<CheckResult<NoInfer<V>>>
}

/** A check that answers what is not among its verdicts does not compile. */
const declared = <const V extends Verdict>(prerequisite: DestinationPrerequisite<V>): DestinationPrerequisite =>
  prerequisite

export interface DestinationCheckInput {
  /** Where TLS ends; null without it. Throws where the settings do not fit. */
  tls(): TlsPlace | null
  /** As for sending: receivers on private and loopback addresses are asked. */
  allowPrivateAddresses: boolean
  now: Date
  /** How its sequence stands. */
  queue: {
    stopCode: string | null
    stopDetail: string | null
    oldestQueuedAt: Date | null
    lastAcceptedAt: Date | null
  }
  signal: AbortSignal
}

/** Where a destination's TLS ends; `ca` is the authority that its admin trusts. */
export interface TlsPlace {
  host: string
  port: number
  serverName?: string | undefined
}

const GUIDE = 'docs/guides/health-of-sources.md'
const HOUR_MS = 3_600_000
const BEHIND_HOURS = 1

export const destinationPrerequisites: readonly DestinationPrerequisite[] = [
  declared({
    id: 'delivering',
    title: 'The receiver takes what is sent',
    guide: GUIDE,
    anchor: 'delivering',
    verdicts: ['met', 'warning', 'unmet', 'unknown'],
    onUnmet: 'warn',
    steps: ['Mend what the stop names, then resume the destination.'],
    blind: 'Whoever watches the receiver: new alerts wait in the queue.',
    async check({ queue: { stopCode, stopDetail, oldestQueuedAt, lastAcceptedAt }, now }) {
      if (stopCode !== null) return { state: 'unmet', code: stopCode, detail: stopDetail ?? 'The destination stopped.' }
      const hours = oldestQueuedAt === null ? 0 : (now.getTime() - oldestQueuedAt.getTime()) / HOUR_MS
      if (hours > BEHIND_HOURS)
        return { state: 'warning', code: 'behind', detail: `The oldest delivery waits for ${Math.floor(hours)} hours.` }
      return lastAcceptedAt === null
        ? { state: 'unknown', code: 'nothing_sent', detail: 'Nothing has been sent yet.' }
        : { state: 'met', code: 'accepted', detail: 'The receiver took everything so far.' }
    },
  }),
  declared({
    id: 'certificate',
    title: "The receiver's certificate lasts",
    guide: GUIDE,
    anchor: 'certificate',
    verdicts: ['met', 'warning', 'unmet', 'unknown'],
    onUnmet: 'warn',
    steps: ['Renew the certificate at the receiver.'],
    blind: 'Whoever watches the receiver, from the day the certificate ends.',
    async check({ tls, allowPrivateAddresses, now, signal }) {
      const place = tls()
      if (place === null) return { state: 'met', code: 'not_used', detail: 'The receiver is not reached by TLS.' }
      const end = await certificateEnd(place, allowPrivateAddresses, signal)
      return typeof end === 'string'
        ? { state: 'unknown', code: end, detail: 'The receiver did not show its certificate.' }
        : untilItEnds("The receiver's certificate", end, now)
    },
  }),
]

/** When the certificate ends that a receiver shows; the network's own code where it shows none. Nothing is sent. */
function certificateEnd({ host, port, serverName }: TlsPlace, allowPrivate: boolean, signal: AbortSignal) {
  if (!allowPrivate && isPrivateLiteral(host)) return Promise.resolve(PRIVATE_ADDRESS)
  return new Promise<Date | string>((resolve) => {
    const name = serverName ?? host
    const socket = connect({
      host,
      port,
      // Whether it may be trusted is for the sender to say; here only its date is read.
      rejectUnauthorized: false,
      ...(/^[\d.:[\]]+$/.test(name) ? {} : { servername: name }),
      ...(allowPrivate ? {} : { lookup: guardedLookup }),
    })
    const done = (found: Date | string) => {
      signal.removeEventListener('abort', abort)
      socket.destroy()
      resolve(found)
    }
    const abort = () => done('timeout')
    signal.addEventListener('abort', abort)
    socket.once('secureConnect', () => done(new Date(socket.getPeerCertificate().valid_to)))
    socket.once('error', (error) => done((error as { code?: string }).code ?? 'unreachable'))
  })
}
