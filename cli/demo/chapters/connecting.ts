import { createHash } from 'node:crypto'
import { AppError } from '../../../domain/errors.ts'
import type { HrFile } from '../../../sandbox/organisation/index.ts'
import { all, answerOf, asFile, ifMatch, once, type Wire } from '../asking.ts'
import { some } from '../screen.ts'
import { mustBe, NAMES, type Story } from '../story.ts'

type Step = 'prerequisites' | 'credentials' | 'test' | 'map' | 'dry_run' | 'activate'

interface Source {
  kind: Wire['ConnectorKindId']
  name: string
  settings: Record<string, unknown>
  secrets?: Record<string, unknown>
  /** The first rows of a file, for sources that send files. */
  sample?: Buffer
  steps: readonly Step[]
}

/** The S3 trail is read when the story says so; the platform's own schedule follows once a day. */
const ONCE_A_DAY_S = 86_400
const SAMPLE_ROWS = 5

/** Connects HR and Amazon S3 as an admin does, step by step. */
export async function connectSources(story: Story): Promise<{ profiles: string; changes: string; trail: string }> {
  const { screen, outside } = story
  screen.chapter('Connect', 'an admin walks through the guided set-up of each source')
  const [profilesFile, changesFile] = outside.organisation.hrFiles() as [HrFile, HrFile]
  const hr = (name: string, file: HrFile): Source => ({
    kind: 'hr',
    name,
    settings: file.scenarioConfig,
    sample: firstRows(file.bytes),
    steps: ['credentials', 'test', 'map', 'dry_run', 'activate'],
  })
  const profiles = await connect(story, hr(NAMES.profiles, profilesFile))
  const changes = await connect(story, hr(NAMES.changes, changesFile))
  const { organisation, bucket } = outside
  const trail = await connect(story, {
    kind: 'amazon-s3',
    name: NAMES.trail,
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
    steps: ['prerequisites', 'credentials', 'test', 'map', 'dry_run', 'activate'],
  })
  await readOnceADay(story, trail)
  return { profiles, changes, trail }
}

const firstRows = (bytes: Buffer): Buffer =>
  Buffer.from(
    bytes
      .toString()
      .split('\n')
      .slice(0, SAMPLE_ROWS + 1)
      .join('\n'),
  )

async function connect(story: Story, source: Source): Promise<string> {
  const { ask } = story.staff.admin
  const slug = source.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  const found = await all((cursor) => ask.GET('/set-ups', { params: { query: cursor ? { cursor } : {} } }))
  let setup =
    found.find(({ name }) => name === source.name) ??
    (await answerOf(() =>
      ask.POST('/set-ups', { params: once(`set-up.${slug}`), body: { kind: source.kind, name: source.name } }),
    ))
  const params = { path: { setupId: setup.id } }
  await story.screen.step(
    source.name,
    async (line) => {
      if (setup.state === 'open') setup = await describe(story, setup, source)
      for (const step of source.steps) {
        if (setup.state !== 'open') break
        if (setup.steps.find((each) => each.step === step)?.state === 'done') continue
        line.show(step.replace('_', ' '))
        // The revision in the key: a step that is performed anew after a change is another act.
        const key = once(`set-up.${slug}.${step}.${setup.revision}`)
        setup = await answerOf(() =>
          ask.POST('/set-ups/{setupId}/steps', { params: { ...params, ...key }, body: { step } }),
        )
        const outcome = setup.steps.find((each) => each.step === step)
        if (outcome?.state !== 'done') throw stepFailed(source, step, outcome?.result)
      }
      return answerOf(() => ask.GET('/set-ups/{setupId}', { params }))
    },
    ({ steps }) => {
      const done = steps.filter(({ state }) => state === 'done').map(({ step }) => step.replace('_', ' '))
      return done.filter((step) => step !== 'proven').join(' → ')
    },
  )
  const dryRun = setup.steps.find(({ step }) => step === 'dry_run')?.result as { records?: number } | null
  if (dryRun?.records) story.screen.note(`dry run: ${some(dryRun.records, 'record')} decoded, nothing stored`)
  return setup.connectorId
}

/** Settings and sample, where they are not yet what they should be. */
async function describe(story: Story, setup: Wire['Setup'], source: Source): Promise<Wire['Setup']> {
  const { ask } = story.staff.admin
  const path = { setupId: setup.id }
  let current = setup
  if (Object.keys(current.settings).length === 0) {
    const { settings, secrets } = source
    const params = { path, ...ifMatch(current.revision) }
    current = await answerOf(() =>
      ask.PUT('/set-ups/{setupId}/settings', { params, body: { settings, ...(secrets ? { secrets } : {}) } }),
    )
  }
  const { sample } = source
  if (sample && current.sample?.sha256 !== createHash('sha256').update(sample).digest('hex')) {
    const params = { path, ...ifMatch(current.revision), query: { name: 'sample.csv' } }
    current = await answerOf(() => ask.PUT('/set-ups/{setupId}/sample', { params, ...asFile(sample) }))
  }
  return current
}

function stepFailed({ name }: Source, step: Step, result: unknown): AppError {
  const { detail, fix } = (result ?? {}) as { detail?: string; fix?: string }
  return new AppError('demo_failed', `${name}: the step ${step} failed: ${detail ?? 'no reason was given'}`, {
    ...(fix ? { fix } : {}),
  })
}

async function readOnceADay(story: Story, connectorId: string): Promise<void> {
  const { ask } = story.staff.admin
  const path = { connectorId }
  const connector = await answerOf(() => ask.GET('/connectors/{connectorId}', { params: { path } }))
  mustBe(connector.state === 'active', `the connector ${NAMES.trail} is ${connector.state} after its activation`)
  if (connector.everySeconds === ONCE_A_DAY_S) return
  const params = { path, ...ifMatch(connector.revision) }
  await answerOf(() => ask.PATCH('/connectors/{connectorId}', { params, body: { everySeconds: ONCE_A_DAY_S } }))
}

/** Adds the SIEM's two ways in before there is anything to tell. */
export async function addDestinations(story: Story): Promise<Record<'webhook' | 'syslog', string>> {
  const { webhook, syslog } = story.outside
  return story.screen.step(
    'Two destinations',
    async () => ({
      webhook: await destination(story, {
        kind: 'standard-webhooks',
        name: NAMES.webhook,
        settings: { url: webhook.url },
        secrets: { secret: webhook.secret },
      }),
      syslog: await destination(story, {
        kind: 'syslog',
        name: NAMES.syslog,
        settings: { host: '127.0.0.1', port: syslog.port, transport: 'tcp' },
      }),
    }),
    () => 'signed webhooks, and CEF by syslog',
  )
}

async function destination(
  story: Story,
  body: {
    kind: Wire['DestinationKindId']
    name: string
    settings: Record<string, unknown>
    secrets?: Record<string, unknown>
  },
): Promise<string> {
  const { ask } = story.staff.admin
  const known = await all((cursor) => ask.GET('/destinations', { params: { query: cursor ? { cursor } : {} } }))
  const found = known.find(({ name }) => name === body.name)
  if (found) return found.id
  const made = await answerOf(() =>
    ask.POST('/destinations', { params: once(`destination.${body.kind}`), body: { ...body } }),
  )
  return made.id
}
