import { sql } from 'kysely'
import { identifierText } from '../../../db/people.ts'
import { all, answerOf, once, until, type Wire } from '../asking.ts'
import { some } from '../screen.ts'
import { mustBe, type Story } from '../story.ts'
import { SOURCES, TALES, type Tale } from '../tales/index.ts'
import type { Connectors } from './connecting.ts'

const WITHIN_MS = 3_600_000

export interface Watched {
  tale: Tale
  alert: Wire['Alert']
}

/** Switches the policies on over all that came in, and looks at whom they found. */
export async function watch(story: Story, connectors: Connectors): Promise<Watched[]> {
  const { screen } = story
  screen.chapter('Watch', 'readable policies look back over six weeks of everybody')
  const found = await Promise.all(TALES.map((tale) => lookBack(story, connectors, tale)))
  const alerts = await allAlerts(story)
  mustBe(
    alerts.length === TALES.length,
    `there are ${some(alerts.length, 'alert')} of ${some(TALES.length, 'policy', 'policies')}, each of which finds one person`,
  )
  story.report.stories = found.map(({ figures }) => figures)
  return found
}

type Figures = Story['report']['stories'][number]

async function lookBack(story: Story, connectors: Connectors, tale: Tale): Promise<Watched & { figures: Figures }> {
  return story.screen.step(
    tale.policy.name,
    async (line) => {
      line.show('switching on')
      const policy = await enabledPolicy(story, tale)
      line.show('evaluating')
      const watched = await evaluated(story, policy)
      const alert = await theOneAlert(story, tale, policy)
      const innocent = await leftAlone(story, tale, alert)
      const figures = {
        story: tale.id,
        policy: tale.policy.name,
        sources: sourcesOf(tale),
        stored: storedOf(story, tale),
        watched,
        alerts: 1,
        innocent: innocent.length,
      }
      const receipt = await receiptOf(story, alert)
      await comesFromEverySource(story, connectors, tale, receipt)
      return { tale, alert, figures, notes: notesOn(story, tale, receipt) }
    },
    ({ alert, figures, notes }) => [
      `${some(figures.watched, 'person', 'people')} with an open window; ${alert.person.pseudonym}: score ${alert.score}, severity ${alert.severity}`,
      ...notes,
    ],
  )
}

async function enabledPolicy(story: Story, { id, policy }: Tale): Promise<Wire['Policy']> {
  const { ask } = story.staff.admin
  const known = await all((cursor) => ask.GET('/policies', { params: { query: cursor ? { cursor } : {} } }))
  const found = known.find(({ name }) => name === policy.name)
  const policyId =
    found?.id ?? (await answerOf(() => ask.POST('/policies', { params: once(`policy.${id}`), body: policy }))).id
  return answerOf(() => ask.GET('/policies/{policyId}', { params: { path: { policyId } } }))
}

/** Waits for the first evaluation; how many people it looked at. */
async function evaluated(story: Story, { id, name }: Wire['Policy']): Promise<number> {
  const { ask } = story.staff.analyst
  const health = await until(
    () => answerOf(() => ask.GET('/policies/{policyId}/health', { params: { path: { policyId: id } } })),
    ({ evaluations, waitingPeople }) => evaluations.length > 0 && waitingPeople === 0,
    { what: 'the first evaluation', withinMs: WITHIN_MS },
  )
  mustBe(health.seeing, `the policy ${name} is blind although all its sources are connected`)
  return Math.max(...health.evaluations.map(({ activePeople }) => activePeople))
}

const allAlerts = (story: Story): Promise<Wire['Alert'][]> =>
  all((cursor) => story.staff.analyst.ask.GET('/alerts', { params: { query: cursor ? { cursor } : {} } }))

async function theOneAlert(story: Story, tale: Tale, policy: Wire['Policy']): Promise<Wire['Alert']> {
  const alerts = (await allAlerts(story)).filter(({ policyId }) => policyId === policy.id)
  const [expected] = await uidsOf(story, [tale.found(story.outside).address])
  const [alert] = alerts
  mustBe(
    alerts.length === 1 && alert?.person.uid === expected,
    `${policy.name}: ${some(alerts.length, 'person', 'people')} got an alert; expected was one, and a certain one`,
  )
  return alert as Wire['Alert']
}

/** People with an innocent likeness; they are known to the platform, or finding none of them would say nothing. */
async function leftAlone(story: Story, tale: Tale, alert: Wire['Alert']): Promise<string[]> {
  const addresses = tale.innocent(story.outside).flatMap((group) => group.addresses)
  const uids = await uidsOf(story, addresses)
  mustBe(uids.length === new Set(addresses).size, `${tale.policy.name}: of some innocent people nothing was imported`)
  mustBe(!uids.includes(alert.person.uid), `${tale.policy.name}: somebody innocent got the alert`)
  return uids
}

const sourcesOf = ({ facts, evidence }: Tale): string[] => [...facts, ...evidence].map((key) => SOURCES[key])

const storedOf = ({ report }: Story, tale: Tale): number => {
  const names = new Set(sourcesOf(tale))
  return report.imports.reduce((sum, { connector, stored }) => sum + (names.has(connector) ? stored : 0), 0)
}

const receiptOf = (story: Story, { id }: Wire['Alert']): Promise<Wire['Receipt']> =>
  answerOf(() => story.staff.analyst.ask.GET('/alerts/{alertId}/receipt', { params: { path: { alertId: id } } }))

/** The receipt leads down to imports; they have to be of every source that tells what people did. */
async function comesFromEverySource(
  { staff }: Story,
  connectors: Connectors,
  { policy, evidence }: Tale,
  { contributions }: Wire['Receipt'],
): Promise<void> {
  const imports = new Set(contributions.flatMap((each) => each.evidence.map(({ importId }) => importId)))
  const met = new Set<string>()
  for (const importId of imports) {
    const read = await answerOf(() => staff.operator.ask.GET('/imports/{importId}', { params: { path: { importId } } }))
    met.add(read.connectorId)
  }
  for (const key of evidence)
    mustBe(met.has(connectors[key]), `${policy.name}: the alert has no evidence from ${SOURCES[key]}`)
}

const SHOWN = 3

/** What weighs most, each indicator once; and who was left alone. */
function notesOn({ outside }: Story, tale: Tale, { contributions }: Wire['Receipt']): string[] {
  const heaviest = [...contributions].sort((a, b) => b.weight - a.weight || a.day.localeCompare(b.day))
  const shown = heaviest.filter(
    ({ indicatorId }, n) => heaviest.findIndex((other) => other.indicatorId === indicatorId) === n,
  )
  return [
    ...shown.slice(0, SHOWN).map(({ day, because, weight }) => `  ${day}  ${because}  (weight ${weight})`),
    `${some(contributions.length, 'contribution')}, each with its events, imports and file hashes`,
    ...tale.innocent(outside).map(({ who, addresses }) => `no alert for ${who} (${addresses.length})`),
  ]
}

/** Who is behind an address: the API tells nobody, so the demo asks the key ring that it holds. */
async function uidsOf(story: Story, addresses: readonly string[]): Promise<string[]> {
  const { db, vault } = story.installation.platform.deps
  const keys = addresses.map((value) =>
    vault.lookupKey('identity/address', identifierText({ scheme: 'address', value })),
  )
  const { rows } = await sql<{ uid: string }>`
    select distinct person.uid from identity join person on person.id = identity.person_id
    where identity.scheme = 'address' and identity.lookup_key = any(${keys}::bytea[])`.execute(db)
  return rows.map(({ uid }) => uid)
}
