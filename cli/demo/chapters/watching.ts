import { sql } from 'kysely'
import { identifierText } from '../../../db/people.ts'
import { all, answerOf, once, until, type Wire } from '../asking.ts'
import { count, some } from '../screen.ts'
import { mustBe, NAMES, type Story } from '../story.ts'

const TEMPLATE = 'data-theft-departing-users'
const WITHIN_MS = 3_600_000

export interface Watched {
  alert: Wire['Alert']
  receipt: Wire['Receipt']
}

/** Switches the policy on over all that came in, and looks at whom it found. */
export async function watch(story: Story): Promise<Watched> {
  const { screen, outside } = story
  screen.chapter('Watch', 'a readable policy looks back over six weeks of everybody who is leaving')
  const policy = await screen.step(
    'Policy switched on',
    () => enabledPolicy(story),
    ({ definition }) => `${NAMES.policy}: ${some((definition['indicators'] as unknown[]).length, 'indicator')}`,
  )
  const { ask } = story.staff.analyst
  const health = await screen.step(
    'Evaluation',
    () =>
      until(
        () => answerOf(() => ask.GET('/policies/{policyId}/health', { params: { path: { policyId: policy.id } } })),
        ({ evaluations, waitingPeople }) => evaluations.length > 0 && waitingPeople === 0,
        { what: 'the first evaluation', withinMs: WITHIN_MS },
      ),
    ({ evaluations }) =>
      `${some(evaluations[0]?.activePeople ?? 0, 'person', 'people')} with an open window of ${count(story.home.plot.people)}`,
  )
  mustBe(health.seeing, 'the policy is blind although both sources are connected')

  const alerts = await all((cursor) => ask.GET('/alerts', { params: { query: cursor ? { cursor } : {} } }))
  const { alertsFor, noAlertsFor, innocentPeaks } = outside.organisation.expectations
  const expected = await uidsOf(story, alertsFor)
  const found = alerts.map(({ person }) => person.uid)
  mustBe(
    [...found].sort().join() === [...expected].sort().join(),
    `${some(found.length, 'person', 'people')} got an alert; expected was ${some(expected.length, 'other', 'others')}`,
  )
  const [alert] = alerts as [Wire['Alert']]
  const receipt = await answerOf(() =>
    ask.GET('/alerts/{alertId}/receipt', { params: { path: { alertId: alert.id } } }),
  )
  screen.note(`${alert.person.pseudonym}: score ${alert.score}, severity ${alert.severity}`)
  for (const { day, because, weight } of [...receipt.contributions].sort((a, b) => b.weight - a.weight).slice(0, 3)) {
    screen.note(`  ${day}  ${because}  (weight ${weight})`)
  }
  screen.note(`${some(receipt.contributions.length, 'contribution')}, each with its events, imports and file hashes`)
  screen.note(
    `no alert for the ${noAlertsFor.length} other leavers, nor for the ${innocentPeaks.length} people with innocent peaks`,
  )
  return { alert, receipt }
}

async function enabledPolicy(story: Story): Promise<Wire['Policy']> {
  const { ask } = story.staff.admin
  const known = await all((cursor) => ask.GET('/policies', { params: { query: cursor ? { cursor } : {} } }))
  const found = known.find(({ name }) => name === NAMES.policy)
  const policyId =
    found?.id ??
    (
      await answerOf(() =>
        ask.POST('/policies', { params: once('policy'), body: { template: TEMPLATE, name: NAMES.policy } }),
      )
    ).id
  return answerOf(() => ask.GET('/policies/{policyId}', { params: { path: { policyId } } }))
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
