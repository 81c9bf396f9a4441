import { readContributions } from '../../db/alerts.ts'
import { type Activation, type Evidence, type Insight, scoreOf } from '../../domain/score.ts'
import { addDays, dayOf } from '../../domain/window.ts'
import { evaluatePeople } from '../../policies/evaluate.ts'
import { evidenceOf } from '../../policies/evidence.ts'
import { type History, readHistories, type ScoringIndicator } from '../../policies/history.ts'
import { pinnedIndicators, storedDefinition } from '../../policies/load.ts'
import type { PolicyDefinition } from '../../policies/template.ts'
import type { TestDatabase } from '../harness/database.ts'
import { personAt } from '../harness/rows.ts'
import type { Installed } from './arriving.ts'
import { ADDRESSES } from './records.ts'

/** By source: how many activities, and their keys, whatever imports brought them. */
export type Counted = Record<string, { activities: number; keys: string[] }>

export interface Found {
  activation: Activation
  score: number
  insights: readonly Insight[]
  evidence: readonly Counted[]
}

/** What was found, by policy and person: told by template and address, since ids differ. */
export interface State {
  histories: ReadonlyMap<string, History | undefined>
  /** Of everybody whose window is open. */
  found: ReadonlyMap<string, Found>
  /** What the newest version of the alert says. */
  alerts: ReadonlyMap<string, Found>
}

/** In the place of the address: an account whose owner was not known when it was looked at, and is now. */
export const SOMEBODY_ELSE = 'somebody else'

export interface Policy {
  id: string
  definition: PolicyDefinition
  indicators: ReadonlyMap<string, ScoringIndicator>
}

export async function policyOf({ importing: { t }, policies }: Installed, template: string): Promise<Policy> {
  const id = policies.get(template) as string
  const row = await t.db
    .selectFrom('policy_version')
    .select('definition')
    .where('policy_id', '=', id)
    .executeTakeFirstOrThrow()
  const definition = storedDefinition(row.definition)
  return { id, definition, indicators: await pinnedIndicators(t.db, definition) }
}

export async function stateOf(installed: Installed, asOf: Date): Promise<State> {
  const { t } = installed.importing
  const addresses = new Map<number, string>()
  for (const address of ADDRESSES) addresses.set(await personAt(t, address), address)
  const histories = new Map<string, History | undefined>()
  const alerts = new Map<string, Found>()
  let found = new Map<string, Found>()
  for (const template of installed.policies.keys()) {
    const policy = await policyOf(installed, template)
    const keyOf = (personId: number) => `${template}/${addresses.get(personId) ?? SOMEBODY_ELSE}`
    const window = { fromDay: addDays(dayOf(asOf), -60), toDay: dayOf(asOf) }
    const windows = new Map([...addresses.keys()].map((personId) => [personId, window]))
    const read = await readHistories(t.db, [...policy.indicators.values()], windows)
    for (const personId of addresses.keys()) histories.set(keyOf(personId), read.get(personId))
    found = new Map([...found, ...(await findings(t, policy, asOf, keyOf))])
    for (const [personId, alert] of await alertsOf(t, policy)) {
      if (alerts.has(keyOf(personId))) throw new Error(`${keyOf(personId)} has two open alerts`)
      alerts.set(keyOf(personId), alert)
    }
  }
  return { histories, found, alerts }
}

/** What evaluation finds; `continuing` asks for these people in these windows alone. */
export async function findings(
  t: TestDatabase,
  { definition, indicators }: Policy,
  asOf: Date,
  keyOf: (personId: number) => string,
  continuing?: ReadonlyMap<number, Activation>,
): Promise<Map<string, Found>> {
  const lasting = new Map([...(continuing ?? [])].map(([id, activation]) => [id, { activation, partedSince: false }]))
  const asked = continuing ? { personIds: [], continuing: lasting } : {}
  const found = new Map<string, Found>()
  for (const each of await evaluatePeople(t.db, { definition, indicators, asOf, ...asked })) {
    const evidence: Counted[] = []
    for (const { indicatorId, day } of each.insights) {
      const indicator = indicators.get(indicatorId) as ScoringIndicator
      evidence.push(counted(await evidenceOf(t.db, indicator, each.identityIds, day)))
    }
    const { activation, insights } = each
    found.set(keyOf(each.personId), {
      activation: withoutIds(activation),
      score: scoreOf(insights),
      insights,
      evidence,
    })
  }
  return found
}

async function alertsOf(t: TestDatabase, policy: Policy): Promise<[number, Found][]> {
  const rows = await t.db
    .selectFrom('alert')
    .innerJoin('alert_version', (join) =>
      join.onRef('alert_version.alert_id', '=', 'alert.id').onRef('alert_version.version', '=', 'alert.version'),
    )
    .innerJoin('receipt', 'receipt.id', 'alert_version.receipt_id')
    .select(['alert.person_id', 'alert.score', 'receipt.id', 'receipt.trigger'])
    .where('alert.policy_id', '=', policy.id)
    .execute()
  const found: [number, Found][] = []
  for (const { person_id, score, id, trigger } of rows) {
    const contributions = await readContributions(t.db, id)
    found.push([
      person_id,
      {
        activation: withoutIds(trigger as unknown as Activation),
        score,
        insights: contributions.map(({ evidence: _, ...insight }) => insight),
        evidence: contributions.map(({ evidence }) => counted(evidence)),
      },
    ])
  }
  return found
}

const withoutIds = ({ factId: _, ...activation }: Activation): Activation => activation

function counted(evidence: readonly Evidence[]): Counted {
  const bySource: Counted = {}
  for (const { source = '', activities, sourceKeys } of evidence) {
    const before = bySource[source] ?? { activities: 0, keys: [] }
    bySource[source] = {
      activities: before.activities + activities,
      keys: [...before.keys, ...sourceKeys].sort(),
    }
  }
  return bySource
}
