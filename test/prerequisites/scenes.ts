import path from 'node:path'
import {
  type ConnectorDefinition,
  type ConnectorHistory,
  NO_HISTORY,
  type Variant,
} from '../../connectors/connector.ts'
import { prerequisitesOf } from '../../connectors/everywhere.ts'
import type { Verdict } from '../../domain/prerequisite.ts'
import { startS3 } from '../../sandbox/s3.ts'
import { startSftp } from '../../sandbox/sftp.ts'
import type { Stand } from './stand.ts'

/** Brings a stand into the state in which a check gives one verdict. */
export type Scene = (stand: Stand) => void | Promise<void>
export type Scenes = Partial<Record<Verdict, Scene>>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const ELSEWHERE = 'http://127.0.0.1:9'

// --- what a source is brought into ---------------------------------------------------------------------------------

const asItIs: Scene = () => {}
const away: Scene = ({ bench }) => void bench.faults.next({ times: Number.POSITIVE_INFINITY, status: 503 })
const forbidden: Scene = ({ bench }) => void bench.arm('forbidden', ELSEWHERE)
const refused: Scene = ({ bench }) => void bench.arm('credential_refused', ELSEWHERE)
const filled: Scene = ({ bench, clock }) => {
  const at = new Date(clock.now().getTime() - HOUR_MS)
  const one = { marker: 'aaaa0001', person: 'dana.roe@verdicts.example', at, availableAt: at }
  bench.stage({ ...one, form: 'plain', behindCursor: false })
}
const both =
  (...scenes: Scene[]): Scene =>
  async (stand) => {
    for (const scene of scenes) await scene(stand)
  }
const set =
  (settings: Record<string, unknown>): Scene =>
  (stand) =>
    void Object.assign(stand.settings, settings)

/** By the control route, as a person at the sandbox does. */
const told =
  (state: object): Scene =>
  async ({ bench: { settings } }) => {
    const answer = await fetch(
      new URL('/_control/state', (settings['defenderUrl'] ?? settings['graphUrl'] ?? settings['apiUrl']) as string),
      {
        method: 'POST',
        body: JSON.stringify(state),
      },
    )
    if (answer.status !== 204) throw new Error(`the stand-in refused its state: ${await answer.text()}`)
  }

const readable: Scenes = { met: filled, unmet: forbidden, unknown: away }
const signedIn: Scenes = { met: asItIs, unmet: refused, unknown: away }

// --- what a connector has been through -----------------------------------------------------------------------------

const past =
  (change: (now: Date) => Partial<ConnectorHistory>): Scene =>
  (stand) => {
    stand.history = { ...NO_HISTORY, ...change(stand.clock.now()) }
  }
const imported = (...events: string[]): Scene =>
  past((now) => ({ lastCompletedImportAt: now, recentEvents: new Map(events.map((name) => [name, 1])) }))
const importedDaysAgo = (days: number): Scene =>
  past((now) => ({ lastCompletedImportAt: new Date(now.getTime() - days * DAY_MS) }))
const activeFor = (hours: number): Scene => past((now) => ({ activatedAt: new Date(now.getTime() - hours * HOUR_MS) }))
/** Hourly for four weeks until so many hours ago. */
const hourlyUntil = (hoursAgo: number): Scene =>
  past((now) => ({
    arrivals: Array.from({ length: 28 * 24 }, (_, hour) => new Date(now.getTime() - (hoursAgo + hour) * HOUR_MS)),
  }))

// --- checks that several kinds have --------------------------------------------------------------------------------

const rhythm: Scenes = {
  met: hourlyUntil(1),
  warning: hourlyUntil(5),
  unmet: hourlyUntil(40),
  unknown: asItIs,
}

/** The source tells its time with whatever the other checks ask. */
const ahead =
  (seconds: number): Scene =>
  async (stand) => {
    stand.bench.skew(seconds * 1000)
    for (const each of stand.kind.prerequisites.filter(({ when }) => when === 'before')) await stand.check(each)
  }
const clock: Scenes = { met: ahead(20), warning: ahead(200), unmet: ahead(-400), unknown: asItIs }

const dropFolder: Scenes = {
  met: (stand) => void Object.assign(stand.settings, { dropFolder: stand.folder }),
  unmet: (stand) => void Object.assign(stand.settings, { dropFolder: path.join(stand.folder, 'nowhere') }),
}

const server =
  (change: { port?: number; password?: string }): Scene =>
  async (stand) => {
    const sftp = await startSftp({ password: 'let me in' })
    stand.keep(sftp)
    sftp.put('/out/a.csv', 'a', new Date(0))
    Object.assign(stand.settings, {
      pickUp: {
        kind: 'sftp',
        host: '127.0.0.1',
        port: change.port ?? sftp.port,
        path: '/out',
        userName: 'pickup',
        hostKey: sftp.hostKey,
      },
      pickUpPassword: change.password ?? 'let me in',
    })
  }
/** Nothing to wait for: what lies in a bucket is whole. */
const bucket: Scene = async (stand) => {
  const s3 = await startS3()
  stand.keep(s3)
  s3.put('files', 'in/a.csv', 'a')
  const { accessKeyId, secretAccessKey } = s3.credentials
  const place = { bucket: 'files', prefix: 'in/', region: s3.region, endpoint: s3.endpoint, forcePathStyle: true }
  Object.assign(stand.settings, {
    pickUp: { kind: 's3', ...place, accessKeyId },
    pickUpSecretAccessKey: secretAccessKey,
  })
}
const pickUp: Scenes = { met: bucket, unmet: server({ password: 'wrong' }), unknown: server({ port: 9 }) }

const freshness: Scenes = { met: importedDaysAgo(0), unmet: importedDaysAgo(400), unknown: asItIs }

const common = (kind: ConnectorDefinition): Record<string, Scenes> => ({
  rhythm,
  ...(kind.delivery === 'pull'
    ? { clock, 'credential-end': { unknown: asItIs } }
    : { 'drop-folder': dropFolder, 'pick-up': pickUp, [`${kind.id}-fresh`]: freshness }),
})

// --- checks of one kind --------------------------------------------------------------------------------------------

const ALERTS = 'SecurityAlert.Read.All'
const OLDER_ALERTS = 'Alert.Read.All'
const USEFUL = ['Organization.Read.All', 'Application.Read.All']
const USERS = 'User.Read.All'
const LEAVE_DATES = 'User-LifeCycleInfo.Read.All'
const FEED = 'ActivityFeed.Read'
const DEFENDER_PLAN = '871d91ec-ec1a-452b-a83f-bd76c7d770ef'
const sku = (capabilityStatus: string) => ({
  capabilityStatus,
  consumedUnits: 1,
  prepaidUnits: { enabled: 25, warning: 0 },
  servicePlans: [{ servicePlanId: DEFENDER_PLAN, provisioningStatus: 'Success' }],
})
const secretEndingIn =
  (days: number): Scene =>
  (stand) => {
    const endDateTime = new Date(stand.clock.now().getTime() + days * DAY_MS).toISOString()
    return told({ secrets: [{ hint: String(stand.settings['clientSecret']).slice(0, 3), endDateTime }] })(stand)
  }

const OWN: Record<string, Record<string, Scenes>> = {
  'amazon-s3': {
    'listing-allowed': readable,
    'reading-allowed': { met: filled, unmet: both(filled, forbidden), unknown: both(filled, away) },
    'object-level-logging': { met: imported('GetObject'), unmet: imported('ConsoleLogin'), unknown: asItIs },
  },
  box: { 'events-readable': readable },
  dropbox: {
    'log-readable': readable,
    'file-events': { met: imported('file_download'), unknown: imported('login_success') },
  },
  'generic-rest': {
    'list-readable': readable,
    'mapping-fits': {
      met: filled,
      unmet: both(filled, set({ columns: { person: 'whom', at: 'time' }, verb: 'download', verbs: {} })),
      unknown: away,
    },
  },
  'google-drive': {
    delegated: signedIn,
    'log-readable': readable,
    'file-events': { met: imported('download'), unknown: imported() },
  },
  'microsoft-graph-alerts': {
    'app-roles': {
      met: told({ roles: [ALERTS, ...USEFUL] }),
      warning: told({ roles: [ALERTS, 'Mail.ReadWrite'] }),
      unmet: told({ roles: USEFUL }),
      unknown: away,
    },
    'alerts-readable': { ...readable, unmet: told({ roles: [] }) },
    'defender-plan': {
      met: told({ skus: [sku('Enabled')] }),
      warning: told({ skus: [sku('Warning')] }),
      unmet: told({ skus: [sku('Suspended')] }),
      unknown: told({ roles: [ALERTS] }),
    },
    'credential-end': {
      met: secretEndingIn(200),
      warning: secretEndingIn(20),
      unmet: secretEndingIn(-1),
      unknown: told({ roles: [ALERTS] }),
    },
  },
  'microsoft-graph-users': {
    'app-roles': {
      met: told({ roles: [USERS, LEAVE_DATES] }),
      warning: told({ roles: [USERS, LEAVE_DATES, 'User.ReadWrite.All'] }),
      unmet: told({ roles: [USERS] }),
      unknown: away,
    },
    'users-readable': { ...readable, unmet: told({ roles: [LEAVE_DATES] }) },
    'credential-end': {
      met: secretEndingIn(200),
      warning: secretEndingIn(20),
      unmet: secretEndingIn(-1),
      unknown: told({ roles: [USERS] }),
    },
  },
  'office-365-activity': {
    'feed-readable': { met: asItIs, unmet: told({ roles: [] }), unknown: away },
    subscribed: { met: asItIs, unmet: told({ subscriptions: { 'DLP.All': 'disabled' } }), unknown: away },
    'dlp-readable': { met: asItIs, unmet: told({ roles: [FEED] }), unknown: told({ subscriptions: {} }) },
    'content-arrives': { met: imported('FileDownloaded'), unmet: activeFor(13), unknown: activeFor(11) },
  },
  salesforce: {
    'signed-in': signedIn,
    'log-readable': readable,
    'users-readable': readable,
    'interval-available': {
      met: both(filled, set({ interval: 'hourly' })),
      unmet: both(filled, set({ interval: 'daily' })),
      unknown: asItIs,
    },
    'event-monitoring': { met: imported('ReportExport'), unknown: imported('Login') },
  },
}

/** Of kinds that read a further API, as they are checked there. */
const AT_VARIANT: Record<string, Record<string, Record<string, Scenes>>> = {
  'microsoft-graph-alerts': {
    'older API': {
      'app-roles': {
        met: told({ roles: [OLDER_ALERTS] }),
        warning: told({ roles: [OLDER_ALERTS, 'Machine.Isolate'] }),
        unmet: told({ roles: [] }),
        unknown: away,
      },
      'alerts-readable': { ...readable, unmet: told({ roles: [] }) },
      'defender-plan': { met: asItIs, unmet: forbidden, unknown: away },
    },
  },
}

/** A kind as it is usually read, or one of its variants. */
export interface Read {
  kind: ConnectorDefinition
  variant?: Variant<any>
}

/** Prerequisites of a kind with the verdicts that their checks can give. */
export const declaredOf = ({ kind, variant }: Read) =>
  prerequisitesOf(kind).map((prerequisite) => ({
    prerequisite,
    verdicts: variant?.verdicts[prerequisite.id] ?? prerequisite.verdicts,
  }))

/** How each verdict comes about, by the id of the prerequisite. A variant has nothing of the usual that is not everybody's. */
export const scenesOf = ({ kind, variant }: Read): Record<string, Scenes> => ({
  ...common(kind),
  ...(variant ? AT_VARIANT[kind.id]?.[variant.name] : OWN[kind.id]),
})

/** What a scene shows that is of no prerequisite, or of none of its verdicts. */
export function leftOver(read: Read): string[] {
  const declared = new Map(declaredOf(read).map(({ prerequisite: { id }, verdicts }) => [id, verdicts]))
  return Object.entries(scenesOf(read)).flatMap(([id, scenes]) =>
    Object.keys(scenes).flatMap((verdict) =>
      declared.get(id)?.includes(verdict as Verdict) ? [] : [`${read.kind.id} ${id} ${verdict}`],
    ),
  )
}
