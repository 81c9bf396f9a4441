import { DROPBOX_APP } from '../../sandbox/dropbox.ts'
import type { HospitalFile } from '../../sandbox/organisation/hospital/index.ts'
import type { HrFile } from '../../sandbox/organisation/index.ts'
import type { Wire } from './asking.ts'
import type { Outside } from './outside.ts'
import { SOURCES, type SourceKey } from './tales/index.ts'

export type Step = 'prerequisites' | 'credentials' | 'test' | 'map' | 'dry_run' | 'activate'

/** What an admin knows about a source before its set-up begins. */
export interface Source {
  key: SourceKey
  kind: Wire['ConnectorKindId']
  name: string
  settings: Record<string, unknown>
  secrets?: Record<string, unknown>
  /** The first rows of a file, for sources that send files. */
  sample?: Buffer
  steps: readonly Step[]
}

const SAMPLE_ROWS = 5
const PUSHED: readonly Step[] = ['credentials', 'test', 'map', 'dry_run', 'activate']
const PULLED: readonly Step[] = ['prerequisites', ...PUSHED]

export function sourcesOf(outside: Outside): Source[] {
  const { organisation, hospital, bucket, dropbox } = outside
  const [profiles, changes] = organisation.hrFiles() as [HrFile, HrFile]
  const hr = (key: SourceKey, { scenarioConfig, bytes }: HrFile): Source => ({
    key,
    kind: 'hr',
    name: SOURCES[key],
    settings: scenarioConfig,
    sample: firstRows(bytes),
    steps: PUSHED,
  })
  const ofHospital = (key: SourceKey, { kind, settings, bytes }: HospitalFile): Source => ({
    key,
    kind,
    name: SOURCES[key],
    settings,
    sample: kind === 'physical-badging' ? firstRecords(bytes) : firstRows(bytes),
    steps: PUSHED,
  })
  return [
    hr('profiles', profiles),
    hr('changes', changes),
    {
      key: 'trail',
      kind: 'amazon-s3',
      name: SOURCES.trail,
      settings: {
        bucket: bucket.name,
        region: organisation.region,
        endpoint: bucket.endpoint,
        forcePathStyle: true,
        accessKeyId: bucket.accessKeyId,
        userDomain: organisation.userDomain,
        ownAccounts: [...organisation.accounts],
        startDaysBack: organisation.daysBack,
      },
      secrets: { secretAccessKey: bucket.secretAccessKey },
      steps: PULLED,
    },
    {
      key: 'files',
      kind: 'dropbox',
      name: SOURCES.files,
      settings: { appKey: DROPBOX_APP.appKey, startDaysBack: organisation.daysBack, apiUrl: dropbox.url },
      secrets: { appSecret: DROPBOX_APP.appSecret, refreshToken: DROPBOX_APP.refreshToken },
      steps: PULLED,
    },
    ofHospital('staff', hospital.hr),
    ofHospital('records', hospital.accesses),
    ofHospital('doors', hospital.badges),
  ]
}

const firstRows = (bytes: Buffer): Buffer =>
  Buffer.from(
    bytes
      .toString()
      .split('\n')
      .slice(0, SAMPLE_ROWS + 1)
      .join('\n'),
  )

const firstRecords = (bytes: Buffer): Buffer =>
  Buffer.from(JSON.stringify((JSON.parse(bytes.toString()) as unknown[]).slice(0, SAMPLE_ROWS)))
