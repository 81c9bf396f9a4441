import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { storePrerequisites } from '../db/prerequisites.ts'
import { type Importing, importing } from '../test/harness/importing.ts'
import { insertConnector } from '../test/harness/rows.ts'
import { daysAgo } from '../test/harness/trail.ts'
import { loadTemplates } from './load.ts'
import { policyPrerequisites } from './prerequisites.ts'

/** Every verdict that a check of policies can give. Each test goes on where the last ended. */
const COLUMNS = { person: 'Email', lastName: 'Last', firstName: 'First', addressLine1: 'Street', zipCode: 'Zip' }
let i: Importing
let profiles: string
/** What was answered, by the id of the prerequisite. */
const seen = new Map<string, Set<string>>()

beforeAll(async () => {
  i = await importing()
  profiles = await insertConnector(i.t, 'hr', { scenarios: [{ scenario: 'employee_profile', columns: COLUMNS }] })
})
afterAll(() => i?.[Symbol.asyncDispose]())
beforeEach(() => sql`truncate activity`.execute(i.t.db))

async function verdict(template: string, id: string, dlpPolicies: readonly string[] = []): Promise<string> {
  const found = policyPrerequisites(template).find((each) => each.id === id)
  const { state, code } = (await found?.check({ db: i.t.db, now: new Date(), dlpPolicies })) ?? {
    state: 'none',
    code: id,
  }
  seen.set(id, (seen.get(id) ?? new Set()).add(state))
  return `${state} ${code}`
}
const fresh = () => verdict('patient-data-misuse', 'profiles-fresh')
const addresses = () => verdict('patient-data-misuse', 'profile-addresses')
const dlp = (...chosen: string[]) => verdict('data-leaks', 'dlp-raises-high', chosen)
const plan = () => verdict('security-policy-violations', 'defender-plan')

test('profiles: none, current, ageing, stale', async () => {
  expect(await fresh()).toBe('unmet no_profiles')
  expect(await addresses()).toBe('unmet no_profiles')
  await i.send(profiles, 'Email,Last,First,Street,Zip\na@example.com,Amber,Ann,1 Elm St,12345\n')
  expect(await fresh()).toBe('met profiles_fresh')
  for (const [days, expected] of [
    [30, 'met profiles_fresh'],
    [31, 'warning profiles_ageing'],
    [90, 'warning profiles_ageing'],
    [91, 'unmet profiles_stale'],
  ] as const) {
    const at = daysAgo(days)
    await i.t.db.updateTable('import').set({ started_at: at, finished_at: at }).execute()
    expect(await fresh(), `${days} days`).toBe(expected)
  }
})

test('addresses: of all, of most, of hardly anybody', async () => {
  expect(await addresses()).toBe('met addresses_known')
  await i.send(
    profiles,
    'Email,Last,First,Street,Zip\nb@example.com,Birch,Bo,2 Oak St,12345\nc@example.com,Cedar,Cy,3 Ash St,12345\n',
  )
  expect(await addresses()).toBe('met addresses_known')
  await withoutAddress(1)
  expect(await addresses()).toBe('warning addresses_partly')
  await withoutAddress(2)
  expect(await addresses()).toBe('unmet addresses_missing')
})

test('data loss prevention: nothing, nothing high, something high; what is long ago does not count', async () => {
  expect(await dlp()).toBe('unknown no_findings')
  await finding('high', 91)
  expect(await dlp()).toBe('unknown no_findings')
  await finding('low', 1)
  expect(await dlp()).toBe('warning none_high')
  await finding('high', 89)
  expect(await dlp()).toBe('met high_seen')
  // Of the chosen DLP policies alone.
  expect(await dlp('Finance')).toBe('unknown no_findings')
  await finding('low', 1, ['dlp_policy_name:finance'])
  expect(await dlp('Finance')).toBe('warning none_high')
  await finding('high', 1, ['dlp_policy:f-1'])
  expect(await dlp('Finance')).toBe('warning none_high')
  expect(await dlp('Finance', 'F-1')).toBe('met high_seen')
})

test('Defender: nobody reads it, not checked yet, and of several tenants the best verdict', async () => {
  expect(await plan()).toBe('unmet no_connector')
  const settings = { tenantId: '11111111-1111-4111-8111-111111111111', clientId: 'c', clientSecret: 's' }
  const tenants = [
    await insertConnector(i.t, 'microsoft-graph-alerts', settings),
    await insertConnector(i.t, 'microsoft-graph-alerts', settings),
  ]
  expect(await plan()).toBe('unknown not_checked')
  const found = (tenant: string, state: 'met' | 'unmet' | 'warning', code: string) =>
    i.t.db.transaction().execute((tx) =>
      storePrerequisites(tx, { kind: 'connector', id: tenant }, [
        {
          ...{ checkId: 'defender-plan', state, code, detail: 'Told.', guide: 'g#a' },
          ...{ mendedBy: 'admin', onUnmet: 'warn', validHours: 24 },
        },
      ]),
    )
  const [first, second] = tenants as [string, string]
  await found(first, 'unmet', 'plan_missing')
  await found(second, 'unmet', 'plan_missing')
  expect(await plan()).toBe('unmet plan_missing')
  await found(second, 'warning', 'plan_ends')
  expect(await plan()).toBe('warning plan_ends')
  await found(first, 'met', 'licensed')
  expect(await plan()).toBe('met licensed')
})

test('every verdict of every prerequisite of every template was seen, and no other', () => {
  for (const template of loadTemplates().keys()) {
    for (const { id, verdicts } of policyPrerequisites(template))
      expect([...(seen.get(id) ?? [])].sort(), `${template}: ${id}`).toEqual([...verdicts].sort())
  }
})

/** Takes the address from so many profiles; a file of the HR system has to bring one. */
const withoutAddress = (count: number) =>
  sql`update profile_key set address_key = null
    where identity_id in (select identity_id from profile_key order by identity_id limit ${count})`.execute(i.t.db)

/** A finding of data loss prevention so many days ago. */
async function finding(severity: string, days: number, flags: readonly string[] = []): Promise<void> {
  const at = daysAgo(days)
  await sql`select ensure_month(${at.toISOString().slice(0, 10)}::date)`.execute(i.t.db)
  await sql`insert into activity
      (identity_id, at, source_key, connector_id, import_id, verb, native_event, outcome, actor_kind, category, severity,
       finding_state, flags)
    select 1, ${at}, gen_random_uuid(), ${profiles}::uuid, id, 'detect', 'DlpRuleMatch', 'success', 'person', 'dlp', ${severity}, 'open', ${[...flags]}::text[]
    from import limit 1`.execute(i.t.db)
}
