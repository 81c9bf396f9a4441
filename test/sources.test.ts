import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { checkPolicies } from '../activities/health.ts'
import { alertEvent } from '../db/alerts.ts'
import { seenDlpPolicies } from '../db/queries/dlp-policies.ts'
import type { Evidence } from '../domain/score.ts'
import { addDays, dayOf } from '../domain/window.ts'
import type { Occurrence } from '../sandbox/benches/bench.ts'
import * as benches from '../sandbox/benches/registry.ts'
import { VirtualClock } from '../sandbox/clock.ts'
import { GRAPH_APP, startMicrosoftGraph } from '../sandbox/microsoft-graph.ts'
import { OFFICE_APP, startOffice365 } from '../sandbox/office-365-activity.ts'
import { type Importing, importing } from './harness/importing.ts'
import { insertConnector, insertPolicy, personAt } from './harness/rows.ts'

const DANA = 'dana@conformance.example'
const LEE = 'lee@conformance.example'
const HOUR_MS = 3_600_000

/** Some time ago and today: what the sources tell has to fall on one day. */
function earlier(): Date {
  const now = Date.now()
  return new Date(Math.max(now - HOUR_MS, Date.parse(`${dayOf(new Date(now))}T00:00:00Z`)))
}

/** Sources of files, with the records that it takes until one is a download; the audit log speaks of each workload in turn. */
const FILES = [
  [benches.amazonS3, 1],
  [benches.box, 1],
  [benches.dropbox, 1],
  [benches.googleDrive, 1],
  [benches.office365Activity, 5],
  [benches.salesforce, 1],
] as const

async function take(t: Importing, [bench, records]: (typeof FILES)[number], person: string) {
  await using vendor = await bench.start(new VirtualClock(), { pageEvents: 100 })
  const at = earlier()
  const occurrence: Omit<Occurrence, 'marker'> = { person, at, availableAt: at, form: 'plain', behindCursor: false }
  for (let n = 0; n < records; n += 1) vendor.stage({ ...occurrence, marker: `${bench.kind}-${n}` })
  const connectorId = await insertConnector(t.t, bench.kind, vendor.settings)
  expect((await t.pull(connectorId)).stored, bench.kind).toBe(records)
}

/** When an alert was made stays the same over its versions. */
const MADE_AT = earlier()

const NAMED = (upn: string) => [
  { '@odata.type': '#microsoft.graph.security.userEvidence', userAccount: { userPrincipalName: upn } },
]
const alert = (id: string, upn: string, more: object = {}) => ({
  id,
  status: 'new',
  severity: 'high',
  classification: null,
  serviceSource: 'microsoftDefenderForEndpoint',
  detectionSource: 'microsoftDefenderForEndpoint',
  title: 'Alert',
  category: 'DefenseEvasion',
  createdDateTime: MADE_AT.toISOString(),
  lastUpdateDateTime: MADE_AT.toISOString(),
  evidence: NAMED(upn),
  ...more,
})
const dlpAlert = (id: string, upn: string, more: object = {}) =>
  alert(id, upn, {
    serviceSource: 'dataLossPrevention',
    detectionSource: 'microsoftDataLossPrevention',
    category: 'Exfiltration',
    ...more,
  })

async function graph(t: Importing) {
  const vendor = await startMicrosoftGraph()
  const settings = { ...GRAPH_APP, graphUrl: vendor.url, loginUrl: vendor.url }
  const connectorId = await insertConnector(t.t, 'microsoft-graph-alerts', settings)
  return {
    async tell(...alerts: object[]) {
      for (const each of alerts) vendor.add(each)
      await t.pull(connectorId)
    },
    [Symbol.asyncDispose]: vendor.close,
  }
}

test('a record of every cloud source makes one alert, whose receipt names the sources', {
  timeout: 240_000,
}, async () => {
  await using t = await importing()
  await using alerts = await graph(t)
  const policyId = await insertPolicy(t.t, 'data-leaks', 'Leaks', {
    // As many as there are sources of files: without any one of them it would not be found.
    indicators: [
      { id: 's3-bulk-read', tiers: { low: FILES.length, medium: 100, high: 200 } },
      { id: 'dlp-high-finding' },
    ],
    triggers: { indicators: [{ id: 'dlp-high-finding', tier: 'low' }] },
    raiseAt: 61,
  })
  for (const source of FILES) await take(t, source, DANA)
  for (const source of FILES.slice(1)) await take(t, source, LEE)
  await alerts.tell(dlpAlert('one', DANA), dlpAlert('another', LEE))

  expect(await t.evaluate(policyId)).toMatchObject({ people: 2, alertsCreated: [expect.any(String)] })
  const raised = await t.t.db.selectFrom('alert').select(['person_id', 'score']).execute()
  // 100 × (1 − (1 − 0.6) × (1 − 0.1))
  expect(raised).toEqual([{ person_id: await personAt(t.t, DANA), score: 64 }])
  const found = await t.t.db
    .selectFrom('contribution')
    .select(['indicator_id', 'value', 'tier', 'evidence'])
    .orderBy('indicator_id')
    .execute()
  const sources = found.map(({ indicator_id, value, tier, evidence }) => [
    indicator_id,
    value,
    tier,
    (evidence as unknown as Evidence[]).map(({ source }) => source).sort(),
  ])
  expect(sources).toEqual([
    ['dlp-high-finding', 2, 'low', ['microsoft-graph-alerts', 'office-365-activity']],
    ['s3-bulk-read', FILES.length, 'low', FILES.map(([{ kind }]) => kind)],
  ])
  const connectors = await t.t.db.selectFrom('connector').select(['id', 'kind']).execute()
  for (const { connectorId, source } of found.flatMap(({ evidence }) => evidence as unknown as Evidence[]))
    expect(connectors).toContainEqual({ id: connectorId, kind: source })
})

test('an alert follows the finding that raised it, down and up, by versions that say why', {
  timeout: 120_000,
}, async () => {
  await using t = await importing()
  await using alerts = await graph(t)
  const policyId = await insertPolicy(t.t, 'data-leaks', 'Leaks')
  let looks = 0
  const versions = async () => {
    looks += 1
    // As of one instant a policy is evaluated once.
    await t.evaluate(policyId, new Date(Date.now() + looks * 1_000))
    return t.t.db
      .selectFrom('alert_version')
      .select(['version', 'change', 'score', 'severity', 'because'])
      .orderBy('version')
      .execute()
  }
  // Parts of the time since, which is short behind midnight: nothing may come from the future.
  const later = (part: number) => ({
    lastUpdateDateTime: new Date(MADE_AT.getTime() + (Date.now() - MADE_AT.getTime()) * part).toISOString(),
  })
  await alerts.tell(dlpAlert('one', DANA), dlpAlert('medium', LEE, { severity: 'medium' }))
  const raised = { version: 1, change: 'created', score: 60, severity: 'medium', because: null }
  expect(await versions()).toEqual([raised])

  await alerts.tell(dlpAlert('one', DANA, { ...later(0.2), status: 'resolved', classification: 'falsePositive' }))
  const fallen = {
    version: 2,
    change: 'rescored',
    score: 0,
    severity: 'low',
    because: 'The score fell from 60 to 0: 1 insight ended or shrank; its source closed a finding as harmless.',
  }
  expect(await versions()).toEqual([raised, fallen])

  await alerts.tell(dlpAlert('one', DANA, { ...later(0.4), status: 'inProgress', classification: 'truePositive' }))
  const risen = { version: 3, change: 'rescored', score: 60, severity: 'medium' }
  expect(await versions()).toEqual([
    raised,
    fallen,
    { ...risen, because: 'The score rose from 0 to 60: 1 insight joined or grew.' },
  ])
  // Receivers are told the same.
  const { id } = await t.t.db.selectFrom('alert').select('id').executeTakeFirstOrThrow()
  const told = async (version: number) => (await alertEvent(t.t.db, id, version, 'http://openirm.test')).because
  expect([await told(1), await told(2)]).toEqual([null, fallen.because])
  // Nothing new is no version.
  expect(await versions()).toHaveLength(3)
})

const people = {
  boss: 'boss@conformance.example',
  planned: 'planned@conformance.example',
  leaver: 'leaver@conformance.example',
  deleted: 'deleted@conformance.example',
  other: 'other@conformance.example',
}

async function tellOfPeople(t: Importing) {
  const columns = { person: 'Who' }
  const hr = await insertConnector(t.t, 'hr', {
    assumedZone: 'UTC',
    identifierColumn: 'What',
    scenarios: [
      { scenario: 'group_member', identifierValue: 'group', columns: { ...columns, group: 'Group' } },
      { scenario: 'improvement_plan', identifierValue: 'plan', columns: { ...columns, effectiveDate: 'On' } },
      {
        scenario: 'resignation',
        identifierValue: 'leave',
        columns: { ...columns, resignationDate: 'On', lastWorkingDate: 'Last' },
      },
    ],
  })
  const today = dayOf(new Date())
  const rows = [
    `group,${people.boss},PRIORITY-Users,,`,
    `group,${people.other},Traders,,`,
    `plan,${people.planned},,${today},`,
    `leave,${people.leaver},,${today},${addDays(today, 20)}`,
  ]
  expect((await t.send(hr, ['What,Who,Group,On,Last', ...rows].join('\n'))).stored).toBe(rows.length)

  await using vendor = await startOffice365()
  vendor.subscribeAll()
  const urls = { apiUrl: vendor.url, loginUrl: vendor.url, contentTypes: ['Audit.AzureActiveDirectory'] }
  const office = await insertConnector(t.t, 'office-365-activity', { ...OFFICE_APP, ...urls })
  const record = {
    Id: 'deleted',
    CreationTime: earlier().toISOString().slice(0, 19),
    OrganizationId: OFFICE_APP.tenantId,
    RecordType: 8,
    Workload: 'AzureActiveDirectory',
    Operation: 'Delete user.',
    UserId: 'admin@conformance.example',
    ObjectId: people.deleted,
  }
  vendor.add('Audit.AzureActiveDirectory', [record], earlier())
  await t.pull(office)
}

test('groups, stressors, leaves, deleted accounts and findings each open the windows of their templates alone', {
  timeout: 240_000,
}, async () => {
  await using t = await importing()
  await using alerts = await graph(t)
  await tellOfPeople(t)
  const { boss, planned, leaver, deleted, other } = people
  const unwanted = { category: 'UnwantedSoftware', severity: 'low' }
  await alerts.tell(
    ...Object.entries(people).map(([name, upn]) => dlpAlert(`dlp-${name}`, upn)),
    ...[boss, other].map((upn) => alert(`evasion-${upn}`, upn)),
    ...[planned, leaver, deleted].map((upn) => alert(`unwanted-${upn}`, upn, unwanted)),
    // Whoever an attacker wrote to is not the one who did it.
    alert('malware', 'victim@conformance.example', { category: 'Malware' }),
  )
  const expected: Record<string, string[]> = {
    'data-leaks': Object.values(people),
    'data-leaks-priority-users': [boss],
    'data-leaks-risky-users': [planned],
    'data-theft-departing-users': [leaver, deleted],
    // One find of unwanted software is not yet an alert of somebody of whom nothing else is known.
    'security-policy-violations': [boss, other],
    'security-policy-violations-departing-users': [leaver, deleted],
    'security-policy-violations-priority-users': [boss],
    'security-policy-violations-risky-users': [planned],
  }
  const policies = new Map<string, string>()
  for (const template of Object.keys(expected)) policies.set(template, await insertPolicy(t.t, template, template))
  // Made after the import: the rollups of what is there already are filled first.
  for (const policyId of policies.values()) await t.build(policyId)
  for (const [template, policyId] of policies) {
    await t.evaluate(policyId)
    const raised = await sql<{ person_id: number }>`
      select person_id from alert where policy_id = ${policyId} order by 1`.execute(t.t.db)
    const ids = await Promise.all((expected[template] ?? []).map((address) => personAt(t.t, address)))
    expect(
      raised.rows.map(({ person_id }) => person_id),
      template,
    ).toEqual(ids.sort((a, b) => a - b))
  }
  const kinds = await sql<{ kind: string; template: string }>`
    select distinct policy.template, receipt.trigger ->> 'kind' as kind from receipt join policy on policy.id = policy_id
    where policy.template in ('data-theft-departing-users', 'data-leaks-risky-users', 'data-leaks') order by 1, 2`.execute(
    t.t.db,
  )
  expect(kinds.rows.map(({ template, kind }) => [template, kind])).toEqual([
    ['data-leaks', 'indicator'],
    ['data-leaks-risky-users', 'stressor'],
    ['data-theft-departing-users', 'account_deleted'],
    ['data-theft-departing-users', 'resignation'],
  ])
})

test('of data loss prevention only the chosen policies trigger, by id or by name; any where none is chosen', {
  timeout: 120_000,
}, async () => {
  await using t = await importing()
  await using alerts = await graph(t)
  const named = (name: string) => ({ title: `DLP policy (${name}) matched for document (plan (2).xlsx) in a device` })
  await alerts.tell(
    dlpAlert('chosen', DANA, named('Finance (EU)')),
    dlpAlert('not chosen', LEE, named('Other')),
    dlpAlert('nameless', 'kim@conformance.example'),
  )
  await using office = await startOffice365()
  office.subscribeAll()
  const urls = { apiUrl: office.url, loginUrl: office.url, contentTypes: ['DLP.All'] }
  const match = (id: string, From: string, PolicyId: string) => ({
    Id: id,
    CreationTime: earlier().toISOString().slice(0, 19),
    OrganizationId: OFFICE_APP.tenantId,
    RecordType: 11,
    Workload: 'OneDrive',
    Operation: 'DlpRuleMatch',
    IncidentId: id,
    SharePointMetaData: { From, UniqueID: id },
    PolicyDetails: [{ PolicyId, PolicyName: 'Cards', Rules: [{ RuleId: 'r', Severity: 'High', RuleMode: 'Enable' }] }],
  })
  const ADA = 'ada@conformance.example'
  office.add('DLP.All', [match('one', ADA, '1F6C-A'), match('two', LEE, '1F6C-B')], earlier())
  await t.pull(await insertConnector(t.t, 'office-365-activity', { ...OFFICE_APP, ...urls }))
  const everybody = [ADA, DANA, LEE, 'kim@conformance.example']

  const raisedBy = async (...dlpPolicies: string[]) => {
    const policyId = await insertPolicy(t.t, 'data-leaks', dlpPolicies.join(), {
      triggers: {
        indicators: [{ id: 'dlp-high-finding', tier: 'low', ...(dlpPolicies.length > 0 ? { dlpPolicies } : {}) }],
      },
    })
    await t.build(policyId)
    await t.evaluate(policyId)
    const rows = await t.t.db.selectFrom('alert').select('person_id').where('policy_id', '=', policyId).execute()
    const raised = new Set(rows.map(({ person_id }) => person_id))
    const found = await Promise.all(everybody.map(async (upn) => (raised.has(await personAt(t.t, upn)) ? [upn] : [])))
    return found.flat()
  }
  expect(await raisedBy()).toEqual(everybody)
  expect(await raisedBy('finance (eu)')).toEqual([DANA])
  expect(await raisedBy(' 1f6c-a ')).toEqual([ADA])
  expect(await raisedBy('CARDS', 'Other')).toEqual([ADA, LEE])
  expect(await raisedBy('nobody knows it')).toEqual([])

  const seen = { high: 1, findings: 1, lastSeenAt: expect.any(Date) }
  expect(await seenDlpPolicies(t.t.db, new Date())).toEqual([
    { ...seen, id: '1f6c-a', name: 'cards' },
    { ...seen, id: '1f6c-b', name: 'cards' },
    { ...seen, id: null, name: 'finance (eu)' },
    { ...seen, id: null, name: 'other' },
  ])

  // The condition that one of them raises high findings asks about the chosen ones as well.
  await checkPolicies(t.deps)()
  const { rows } = await sql<{ name: string; code: string }>`
    select policy.name, status.code from prerequisite_status status join policy on policy.id = status.policy_id
    where status.check_id = 'dlp-raises-high' order by policy.name collate "C"`.execute(t.t.db)
  expect(rows.map(({ name, code }) => [name, code])).toEqual([
    ['', 'high_seen'],
    [' 1f6c-a ', 'high_seen'],
    ['CARDS,Other', 'high_seen'],
    ['finance (eu)', 'high_seen'],
    ['nobody knows it', 'no_findings'],
  ])
})
