import type { ConnectorDefinition } from '../../connectors/connector.ts'
import { connectorKinds } from '../../connectors/kinds.ts'
import { type BenchRequest, isCannot, type VendorBench } from '../../sandbox/benches/bench.ts'
import * as benches from '../../sandbox/benches/registry.ts'
import type { Host } from './host.ts'
import { PECULIAR } from './peculiar.ts'
import { Rig, type Sabotage } from './rig.ts'
import { SCENARIOS, type Scenario } from './scenarios.ts'

/** What came of one scenario. */
export interface Verdict {
  scenario: string
  title: string
  state: 'passed' | 'failed' | 'cannot'
  /** What is wrong, or why it cannot happen at this vendor. */
  says: string[]
}

export interface Report {
  kind: string
  verdicts: Verdict[]
  passed: boolean
  /** Requests of an import without a fault, each shape once: method, path, names of parameters and headers. None where only some scenarios were asked for. */
  requests: string[]
}

export const pullKinds = (): ConnectorDefinition[] =>
  [...connectorKinds.values()].filter(({ delivery }) => delivery === 'pull')

/** The stand-in of a kind, and those of the further APIs that it reads. */
export const benchesOf = (kind: string): VendorBench[] =>
  Object.values<VendorBench>(benches)
    .filter((bench) => bench.kind === kind)
    .sort((a, b) => Number(a.variant !== undefined) - Number(b.variant !== undefined))

export interface Options extends Sabotage {
  /** Ids of scenarios; default all. */
  only?: readonly string[]
}

/** Tries one connector against its stand-in, scenario by scenario. */
export async function conform(host: Host, definition: ConnectorDefinition, options: Options = {}): Promise<Report> {
  const kind = definition.id
  const stood = benchesOf(kind)
  const missing = [
    ...(stood.length > 0 ? [] : [`there is no stand-in: add sandbox/benches/${kind}.ts and its line in the registry`]),
    ...(definition.pull ? [] : ['the kind does not say how its source delivers: declare `pull`']),
  ]
  if (missing.length > 0) {
    const verdict: Verdict = { scenario: 'stand_in', title: 'stand-in and declaration', state: 'failed', says: missing }
    return { kind, verdicts: [verdict], passed: false, requests: [] }
  }
  const declared = definition.pull?.peculiarities ?? []
  const chosen = [...SCENARIOS, ...PECULIAR.filter(({ id }) => declared.includes(id))].filter(
    ({ id }) => !options.only || options.only.includes(id),
  )
  const verdicts: Verdict[] = []
  const requests = new Set<string>()
  for (const bench of stood) {
    for (const scenario of chosen) verdicts.push(await attempt(host, definition, bench, scenario, options))
    // What a plain import sends is no part of a single scenario.
    if (!options.only) for (const each of await plainRun(host, definition, bench, options)) requests.add(each)
  }
  return { kind, verdicts, passed: verdicts.every(({ state }) => state !== 'failed'), requests: [...requests].sort() }
}

async function attempt(
  host: Host,
  definition: ConnectorDefinition,
  bench: VendorBench,
  { id, title: named, run }: Scenario,
  sabotage: Sabotage,
): Promise<Verdict> {
  const title = bench.variant === undefined ? named : `${bench.variant}: ${named}`
  await using rig = await Rig.open(host, definition, bench, sabotage)
  let found: Awaited<ReturnType<typeof run>>
  try {
    found = await run(rig)
  } catch (error) {
    found = [`the kit could not go on: ${String(error)}`]
  }
  if (isCannot(found)) return { scenario: id, title, state: 'cannot', says: [found.cannot] }
  const says = [...found, ...always(rig)]
  return { scenario: id, title, state: says.length === 0 ? 'passed' : 'failed', says }
}

/** What holds in every scenario. */
function always(rig: Rig): string[] {
  const leaks = rig.written.found(rig.forbiddenTexts)
  return [
    ...(leaks.length > 0 ? [`${leaks.length} secrets or names were written to a log, a failure or a heartbeat`] : []),
    ...(rig.elsewhere.requests.length > 0
      ? [`${rig.elsewhere.requests.length} requests were sent to another host`]
      : []),
  ]
}

async function plainRun(
  host: Host,
  definition: ConnectorDefinition,
  bench: VendorBench,
  sabotage: Sabotage,
): Promise<string[]> {
  await using rig = await Rig.open(host, definition, bench, sabotage)
  rig.stageMany(5, 300)
  await rig.import()
  return [...new Set(rig.bench.requests.map(shape))].sort()
}

/** Keys of objects and ids in paths differ from run to run: digits are all alike. */
const shape = ({ method, path, query, headers = [] }: BenchRequest): string =>
  `${method} ${path.replaceAll(/[0-9a-f]{16}/g, '#').replaceAll(/\d+/g, '#')} ? ${query.join(' ')} | ${headers.join(' ')}`.trim()
