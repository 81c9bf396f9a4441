import { createHash } from 'node:crypto'
import { AppError } from '../../../domain/errors.ts'
import { all, answerOf, asFile, ifMatch, once, type Wire } from '../asking.ts'
import { some } from '../screen.ts'
import { type Source, type Step, sourcesOf } from '../sources.ts'
import { DESTINATIONS, type DestinationKey, mustBe, type Story } from '../story.ts'
import { SOURCES, type SourceKey } from '../tales/index.ts'

/** Pulled sources are read when the story says so; the platform's own schedule follows once a day. */
const ONCE_A_DAY_S = 86_400

export type Connectors = Record<SourceKey, string>

/** Connects every source as an admin does, step by step; the sources do not wait for each other. */
export async function connectSources(story: Story): Promise<Connectors> {
  story.screen.chapter('Connect', 'an admin walks through the guided set-up of each source')
  const sources = sourcesOf(story.outside)
  const ids = await Promise.all(sources.map((source) => connect(story, source)))
  const connectors = Object.fromEntries(sources.map(({ key }, n) => [key, ids[n] as string])) as Connectors
  for (const key of ['trail', 'files'] as const) await readOnceADay(story, key, connectors[key])
  return connectors
}

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
      const dryRun = steps.find(({ step }) => step === 'dry_run')?.result as { records?: number } | null
      return [
        done.filter((step) => step !== 'proven').join(' → '),
        ...(dryRun?.records ? [`dry run: ${some(dryRun.records, 'record')} decoded, nothing stored`] : []),
      ]
    },
  )
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
    const params = {
      path,
      ...ifMatch(current.revision),
      query: { name: source.kind === 'physical-badging' ? 'sample.json' : 'sample.csv' },
    }
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

async function readOnceADay(story: Story, key: SourceKey, connectorId: string): Promise<void> {
  const { ask } = story.staff.admin
  const path = { connectorId }
  const connector = await answerOf(() => ask.GET('/connectors/{connectorId}', { params: { path } }))
  mustBe(connector.state === 'active', `the connector ${SOURCES[key]} is ${connector.state} after its activation`)
  if (connector.everySeconds === ONCE_A_DAY_S) return
  const params = { path, ...ifMatch(connector.revision) }
  await answerOf(() => ask.PATCH('/connectors/{connectorId}', { params, body: { everySeconds: ONCE_A_DAY_S } }))
}

/** Adds the SIEM's two ways in before there is anything to tell. */
export async function addDestinations(story: Story): Promise<Record<DestinationKey, string>> {
  const { webhook, syslog } = story.outside
  return story.screen.step(
    'Two destinations',
    async () => ({
      webhook: await destination(story, {
        kind: 'standard-webhooks',
        name: DESTINATIONS.webhook,
        settings: { url: webhook.url },
        secrets: { secret: webhook.secret },
      }),
      syslog: await destination(story, {
        kind: 'syslog',
        name: DESTINATIONS.syslog,
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
