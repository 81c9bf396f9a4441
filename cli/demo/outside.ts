import { setImmediate as nextTurn } from 'node:timers/promises'
import { AppError } from '../../domain/errors.ts'
import { startDropbox } from '../../sandbox/dropbox.ts'
import { generateHospital, type Hospital } from '../../sandbox/organisation/hospital/index.ts'
import { generateOrganisation, type Organisation } from '../../sandbox/organisation/index.ts'
import { type S3StandIn, startS3 } from '../../sandbox/s3.ts'
import { startSyslogReceiver } from '../../sandbox/syslog-receiver.ts'
import { type ReceivedMessage, startWebhookReceiver } from '../../sandbox/webhook-receiver.ts'
import type { Home, Plot } from './home.ts'
import { Journal } from './journal.ts'

/** One export as its receiver keeps it. */
export interface Kept {
  /** By which a repetition is told. */
  eventId: string
  /** Place in the destination's sequence. */
  number: number
  type: string
  raw: string
  headers?: Record<string, unknown>
}

/** The world around the platform: an organisation and its hospital, what they log where, and a SIEM with two ways in. */
export interface Outside extends AsyncDisposable {
  organisation: Organisation
  hospital: Hospital
  bucket: { name: string; endpoint: string; accessKeyId: string; secretAccessKey: string }
  dropbox: { url: string; events: number }
  webhook: { url: string; secret: string; journal: Journal<Kept> }
  syslog: { port: number; journal: Journal<Kept> }
  /** Delivers the trail's log files; returns how many. */
  fillBucket(shown: (objects: number) => void): Promise<number>
}

const BUCKET = 'northbridge-trail'
/** Enough for every part of its stories, few enough that they are told soon. */
const HOSPITAL_STAFF = 36

export const organisationOf = ({ seed, people, weeks, until }: Plot): Organisation =>
  generateOrganisation({ seed, people, weeks, until: new Date(until) })

export const hospitalOf = ({ seed, weeks, until }: Plot): Hospital =>
  generateHospital({ seed: `hospital ${seed}`, staff: HOSPITAL_STAFF, weeks, until: new Date(until) })

export async function openOutside({ plot, file }: Home): Promise<Outside> {
  const organisation = organisationOf(plot)
  const webhooks = new Journal<Kept>(file('siem/webhook.ndjson'))
  const lines = new Journal<Kept>(file('siem/syslog.ndjson'))
  const s3 = await onPort('log bucket', plot.ports.s3, (port) => startS3({ port, region: organisation.region }))
  const events = organisation.teamEvents()
  const dropbox = await onPort('Dropbox', plot.ports.dropbox, (port) => startDropbox({ port }))
  for (const event of events) dropbox.log.add(event, new Date(event.timestamp))
  const webhook = await onPort('webhook receiver', plot.ports.webhook, (port) =>
    startWebhookReceiver({
      port,
      secret: plot.webhookSecret,
      known: webhooks.entries.map(asReceived),
      keep: ({ id, type, body, raw, headers }) =>
        webhooks.add({ eventId: id, number: body.data.sequence, type, raw: raw.toString(), headers }),
    }),
  )
  const syslog = await onPort('syslog receiver', plot.ports.syslog, (port) =>
    startSyslogReceiver({
      port,
      keep({ raw, cef }) {
        const of = (key: string): string => cef?.extension.get(key) ?? ''
        lines.add({ eventId: of('externalId'), number: Number(of('cn2')), type: of('act'), raw: raw.toString() })
      },
    }),
  )
  return {
    organisation,
    hospital: hospitalOf(plot),
    bucket: { name: BUCKET, endpoint: s3.endpoint, ...s3.credentials },
    dropbox: { url: dropbox.url, events: events.length },
    webhook: { url: webhook.url, secret: plot.webhookSecret, journal: webhooks },
    syslog: { port: syslog.port, journal: lines },
    fillBucket: (shown) => fill(s3, organisation, shown),
    async [Symbol.asyncDispose]() {
      for (const each of [syslog, webhook, dropbox, s3]) await each.close()
    },
  }
}

async function fill(s3: S3StandIn, organisation: Organisation, shown: (objects: number) => void): Promise<number> {
  let objects = 0
  for (const { key, body, lastModified } of organisation.cloudTrailObjects()) {
    s3.put(BUCKET, key, body, { lastModified })
    objects += 1
    if (objects % 20 === 0) {
      shown(objects)
      await nextTurn()
    }
  }
  return objects
}

const asReceived = ({ eventId, type, raw, headers }: Kept): ReceivedMessage => ({
  id: eventId,
  type,
  body: JSON.parse(raw),
  raw: Buffer.from(raw),
  headers: (headers ?? {}) as ReceivedMessage['headers'],
  at: new Date(),
  repeats: 0,
})

/** The port is written in the platform's settings: another one would not be found there. */
async function onPort<T>(what: string, port: number, start: (port: number) => Promise<T>): Promise<T> {
  try {
    return await start(port)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause
    throw new AppError('embedded_start_failed', `port ${port} of the demo's ${what} is taken by another program`, {
      cause,
      fix: 'Free the port to go on with this story, or begin anew with --fresh.',
    })
  }
}
