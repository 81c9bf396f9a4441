import { readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import type { Finding, Mapped } from '../../domain/signal.ts'
import { GRAPH_APP, type Graph, startMicrosoftGraph } from '../../sandbox/microsoft-graph.ts'
import { virtualAccess } from '../../test/harness/access.ts'
import { NO_HISTORY, type Page, type Position } from '../connector.ts'
import { prerequisitesOf } from '../everywhere.ts'
import { SERVICE_PLANS } from '../microsoft/licences.ts'
import { microsoftGraphAlerts } from './connector.ts'

const record = (name: string): any =>
  JSON.parse(readFileSync(path.join(import.meta.dirname, 'records', `${name}.json`), 'utf8'))
const map = (alert: unknown): Mapped => microsoftGraphAlerts.map(alert, undefined)

describe('records', () => {
  test('a DLP alert keeps its times, its person, its severity and its file', () => {
    const { raw, ...mapped } = map(record('dlp')) as Finding
    expect(mapped).toEqual({
      type: 'finding',
      sourceId: 'dl1a2b3c4d-0000-4000-8000-000000000001',
      versionAt: new Date('2026-11-20T09:14:01.765Z'),
      at: new Date('2026-11-20T09:12:27.123Z'),
      people: [{ scheme: 'address', value: 'dana@acme.example' }],
      peopleKinds: ['user'],
      nativeEvent: 'dataLossPrevention/Exfiltration',
      product: 'dlp',
      severity: 'high',
      category: 'dlp',
      state: 'open',
      flags: ['category_exfiltration', 'dlp_policy_name:finance'],
      object: 'q4.xlsx',
    })
    expect(raw).toEqual(record('dlp'))
  })

  test('one account named in three ways is one person; a system account is a service; who was logged on is not blamed', () => {
    expect(map(record('endpoint'))).toMatchObject({
      versionAt: new Date('2026-11-20T00:00:00.020Z'),
      at: new Date('2026-11-19T22:59:59.999Z'),
      people: [
        { scheme: 'vendor_id', value: 'entra:00000000-0000-4000-8000-0000000000e7' },
        { scheme: 'user_name', value: 'system' },
      ],
      peopleKinds: ['user', 'service'],
      product: 'defender_endpoint',
      severity: 'low',
      category: 'defense_evasion',
      state: 'open',
      flags: [],
      object: 'Suspicious execution of hidden file',
    })
  })

  test('where nothing else names anybody, the logged-on users do; a local account keeps its device', () => {
    const alert = record('endpoint')
    expect(map({ ...alert, evidence: alert.evidence.slice(0, 1) })).toMatchObject({
      people: [
        { scheme: 'user_name', value: 'kim' },
        { scheme: 'user_name', value: 'lap-0042\\administrator' },
      ],
    })
  })

  test('an account is the same whichever piece of evidence links its names', () => {
    const user = (userAccount: object) => ({ '@odata.type': '#microsoft.graph.security.userEvidence', userAccount })
    const evidence = [
      user({ userSid: 'S-1-5-21-9' }),
      user({ userPrincipalName: 'ana@acme.example' }),
      user({ accountName: 'other', userSid: 'S-1-5-21-8' }),
      user({ userSid: 'S-1-5-21-9', userPrincipalName: 'ANA@acme.example' }),
    ]
    expect(map({ ...record('dlp'), evidence })).toMatchObject({
      people: [
        { scheme: 'address', value: 'ana@acme.example' },
        { scheme: 'user_name', value: 'other' },
      ],
    })
  })

  test('what is classified as a false positive is one, and a guest’s mailbox names a guest', () => {
    expect(map(record('cloud-apps'))).toMatchObject({
      versionAt: new Date('2026-11-20T08:30:00.123Z'),
      people: [{ scheme: 'address', value: 'rival_other.example#ext#@acme.onmicrosoft.example' }],
      peopleKinds: ['guest'],
      product: 'defender_cloud_apps',
      severity: 'medium',
      state: 'false_positive',
      flags: ['classification_false_positive', 'determination_not_malicious'],
    })
    expect(map({ ...record('cloud-apps'), classification: 'informationalExpectedActivity' })).toMatchObject({
      state: 'resolved',
      flags: ['classification_informational_expected_activity', 'determination_not_malicious'],
    })
  })

  test('what is unknown is kept under its own name', () => {
    const odd = { serviceSource: 'inventedTomorrow', category: 'NewThing', severity: 'catastrophic', evidence: null }
    expect(map({ ...record('endpoint'), ...odd })).toMatchObject({
      product: 'invented_tomorrow',
      nativeEvent: 'inventedTomorrow/NewThing',
      category: 'new_thing',
      severity: 'informational',
      flags: ['severity_catastrophic'],
      people: [],
    })
    // A tenant where only the detection names DLP.
    const later = { serviceSource: 'unknownFutureValue', detectionSource: 'microsoftDataLossPrevention' }
    expect(map({ ...record('dlp'), ...later })).toMatchObject({ product: 'dlp', category: 'dlp' })
  })

  test('the title reaches nothing that is not sealed', () => {
    const { raw, object, ...open } = map(record('dlp')) as Finding
    expect(JSON.stringify(open)).not.toMatch(/q4|Finance|Dana Roe/)
  })

  test('what has no id or time is rejected with its path', () => {
    const one = record('dlp')
    expect(map({ ...one, id: '' })).toMatchObject({ code: 'event_id_missing', cell: 'id' })
    expect(map({ ...one, lastUpdateDateTime: null })).toMatchObject({
      code: 'date_invalid',
      cell: 'lastUpdateDateTime',
    })
    expect(map({ ...one, createdDateTime: 1763629391 })).toMatchObject({
      code: 'date_invalid',
      cell: 'createdDateTime',
    })
  })

  test('never throws, whatever comes', () => {
    const one = record('endpoint')
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(one)), fc.nat(3), (value, member, index) => {
        expect(['finding', 'rejected']).toContain(map({ ...one, [member]: value }).type)
        const evidence = one.evidence.with(index, { ...one.evidence[index], userAccount: value, loggedOnUsers: value })
        expect(map({ ...one, evidence }).type).toBe('finding')
      }),
    )
  })
})

describe('reading', () => {
  const now = '2026-11-20T12:00:00Z'

  async function started(): Promise<Graph> {
    const vendor = await startMicrosoftGraph({ pageAlerts: 2 })
    vendor.clock.set(now)
    return vendor
  }
  const add = (vendor: Graph, id: string, updated: string, more: object = {}, availableAt?: string) =>
    vendor.add(
      { ...record('dlp'), id, createdDateTime: updated, lastUpdateDateTime: updated, ...more },
      availableAt ? new Date(availableAt) : undefined,
    )
  const inputOf = (vendor: Graph, settings: object = {}) => ({
    config: parseSettings(microsoftGraphAlerts.config, {
      ...GRAPH_APP,
      graphUrl: vendor.url,
      loginUrl: vendor.url,
      ...settings,
    }),
    signal: new AbortController().signal,
    access: virtualAccess(vendor.clock),
  })

  async function readAll(vendor: Graph, position: Position = null, range?: { from: Date; to: Date }) {
    const pages: Page[] = []
    const input = { ...inputOf(vendor), position, seen: async () => new Set<string>() }
    const found = range
      ? microsoftGraphAlerts.history?.readRange({ ...input, ...range, pace: async () => {} })
      : microsoftGraphAlerts.read({ ...input, until: vendor.clock.now() })
    for await (const page of found as AsyncIterable<Page>) pages.push(page)
    const alerts = pages.flatMap((page) => [...(page.records as { record: any }[])].map((each) => each.record))
    return { pages, alerts, names: alerts.map(({ id }) => id), position: pages.at(-1)?.after ?? position }
  }

  test('an alert that changes comes again, with what changed', async () => {
    await using vendor = await started()
    add(vendor, 'a', '2026-11-20T09:00:00.1234567Z')
    const first = await readAll(vendor)
    expect([first.names, (first.position as any).updatedAt]).toEqual([['a'], '2026-11-20T09:00:00.123Z'])
    vendor.clock.set('2026-11-20T14:00:00Z')
    add(vendor, 'a', '2026-11-20T13:00:00.7654321Z', { classification: 'falsePositive' })
    const second = await readAll(vendor, first.position)
    expect(second.alerts.map(({ id, classification }) => [id, classification])).toEqual([['a', 'falsePositive']])
  })

  test('moves its cursor only when a window was read to its end, and goes on in the middle of it', async () => {
    await using vendor = await started()
    for (const hour of ['07', '08', '09', '10', '11']) add(vendor, hour, `2026-11-20T${hour}:00:00Z`)
    const { pages, names } = await readAll(vendor)
    expect(names).toEqual(['11', '10', '09', '08', '07'])
    expect(pages.map(({ after }) => (after as any).updatedAt)).toEqual([
      '2026-11-13T12:00:00.000Z',
      '2026-11-13T12:00:00.000Z',
      '2026-11-20T11:00:00.000Z',
    ])
    expect((await readAll(vendor, pages[0]?.after as Position)).names).toEqual(['09', '08', '07'])
  })

  test('a next page that is forgotten: the window again', async () => {
    await using vendor = await started()
    for (const hour of ['09', '10', '11']) add(vendor, hour, `2026-11-20T${hour}:00:00Z`)
    vendor.faults.next({ match: ({ query }) => query.has('$skip'), status: 400, code: 'BadRequest' })
    expect((await readAll(vendor)).names).toEqual(['11', '10', '11', '10', '09'])
  })

  test('what shows up late is met within the overlap, and by the daily sweep of seven days beyond it', async () => {
    await using vendor = await started()
    add(vendor, 'known', '2026-11-20T11:00:00Z')
    add(vendor, 'late', '2026-11-20T10:46:00Z', {}, '2026-11-20T12:01:00Z')
    add(vendor, 'very-late', '2026-11-17T10:00:00Z', {}, '2026-11-20T12:01:00Z')
    const first = await readAll(vendor)
    expect(first.names).toEqual(['known'])
    vendor.clock.set('2026-11-20T12:05:00Z')
    const second = await readAll(vendor, first.position)
    expect(second.names).toEqual(['known', 'late'])
    vendor.clock.set('2026-11-21T12:00:00Z')
    expect((await readAll(vendor, second.position)).names).toContain('very-late')
  })

  test('a range holds its first edge and not its last', async () => {
    await using vendor = await started()
    for (const at of ['09:59:59.9999999', '10:00:00', '10:30:00', '10:59:59.9', '11:00:00']) {
      add(vendor, at, `2026-11-19T${at}Z`)
    }
    const range = { from: new Date('2026-11-19T10:00:00Z'), to: new Date('2026-11-19T11:00:00Z') }
    const whole = await readAll(vendor, null, range)
    expect(whole.names).toEqual(['10:59:59.9', '10:30:00', '10:00:00'])
    expect((await readAll(vendor, whole.pages[0]?.after as Position, range)).names).toEqual(['10:00:00'])
    expect((await readAll(vendor, whole.position, range)).names).toEqual([])
  })

  test('newer values are asked for by name', async () => {
    await using vendor = await started()
    add(vendor, 'a', '2026-11-20T11:00:00Z', { serviceSource: 'microsoftSentinel' })
    expect((await readAll(vendor)).alerts[0].serviceSource).toBe('microsoftSentinel')
  })

  test('a link to another host is refused and not kept', async () => {
    await using vendor = await started()
    vendor.faults.next({
      match: 'alerts',
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ value: [], '@odata.nextLink': 'https://graph.microsoft.example/v1.0/security/alerts_v2' }),
    })
    await expect(readAll(vendor)).rejects.toMatchObject({ code: 'source_refused' })
  })

  test.each([
    [7000215, 'credential_refused'],
    [7000222, 'credential_expired'],
    [700016, 'credential_refused'],
  ])('a sign-in refused with AADSTS%i is %s', async (code, expected) => {
    await using vendor = await started()
    vendor.entra.refusesSignInWith = code
    await expect(readAll(vendor)).rejects.toMatchObject({ code: expected, message: expect.stringContaining(`${code}`) })
  })

  /** Every check by its verdict, asked anew: the token of before tells the roles of before. */
  const checks = async (vendor: Graph, people = 0): Promise<Record<string, string>> => {
    const found: Record<string, string> = {}
    const input = { ...inputOf(vendor), now: vendor.clock.now(), history: { ...NO_HISTORY, people } }
    for (const { id, check } of prerequisitesOf(microsoftGraphAlerts).filter(({ when }) => when === 'before')) {
      const { state, code } = await check(input)
      found[id] = `${state} ${code}`
    }
    return found
  }
  const sku = (more: object = {}, plan: object = {}) => ({
    skuPartNumber: 'SPE_E5',
    capabilityStatus: 'Enabled',
    consumedUnits: 10,
    prepaidUnits: { enabled: 25, suspended: 0, warning: 0, lockedOut: 0 },
    servicePlans: [
      {
        servicePlanId: SERVICE_PLANS.defenderForEndpoint.id,
        servicePlanName: 'WINDEFATP',
        provisioningStatus: 'Success',
        ...plan,
      },
    ],
    ...more,
  })

  test('the checks tell: read, none there, no permission, no sign-in', async () => {
    await using vendor = await started()
    vendor.roles = ['SecurityAlert.Read.All']
    expect(await checks(vendor)).toEqual({
      'app-roles': 'met consented',
      'alerts-readable': 'met read_none',
      'defender-plan': 'unknown licences_unreadable',
      clock: expect.any(String),
      'credential-end': 'unknown end_unknown',
    })
    add(vendor, 'a', '2026-11-20T11:00:00Z')
    expect(await checks(vendor)).toMatchObject({ 'alerts-readable': 'met read' })
    vendor.roles = []
    expect(await checks(vendor)).toMatchObject({
      'app-roles': 'unmet consent_missing',
      'alerts-readable': 'unmet permission_missing',
    })
    vendor.roles = ['SecurityAlert.Read.All', 'Mail.ReadWrite']
    expect(await checks(vendor)).toMatchObject({ 'app-roles': 'warning more_than_needed' })
    vendor.entra.refusesSignInWith = 7000222
    expect(await checks(vendor)).toMatchObject({
      'app-roles': 'unmet credential_expired',
      'alerts-readable': 'unmet credential_expired',
      'defender-plan': 'unmet credential_expired',
    })
  })

  test.each([
    ['a licence', [sku()], 'met licensed'],
    ['a stand-alone licence whose name says nothing', [sku({ skuPartNumber: 'X' })], 'met licensed'],
    ['no licence', [], 'unmet plan_missing'],
    ['a licence without the plan', [sku({ servicePlans: [] })], 'unmet plan_missing'],
    ['a suspended licence', [sku({ capabilityStatus: 'Suspended' })], 'unmet licence_suspended'],
    ['a plan that is switched off', [sku({}, { provisioningStatus: 'Disabled' })], 'unmet plan_disabled'],
    ['a plan to come', [sku({}, { provisioningStatus: 'PendingActivation' })], 'warning plan_pending'],
    [
      'a grace period',
      [sku({ capabilityStatus: 'Warning', prepaidUnits: { enabled: 0, warning: 25 } })],
      'warning grace_period',
    ],
    ['a grace period beside a licence', [sku({ capabilityStatus: 'Warning' }), sku()], 'met licensed'],
    [
      'fewer seats than people',
      [sku({ prepaidUnits: { enabled: 4, warning: 0 }, consumedUnits: 1 })],
      'warning seats_short',
    ],
    ['no seat left', [sku({ consumedUnits: 25 })], 'warning seats_used_up'],
  ])('%s', async (_, skus, verdict) => {
    await using vendor = await started()
    vendor.roles = ['SecurityAlert.Read.All', 'Organization.Read.All']
    vendor.skus = skus
    expect(await checks(vendor, 20)).toMatchObject({ 'defender-plan': verdict, 'app-roles': 'met consented' })
  })

  test.each([
    [400, 'met lasts'],
    [29, 'warning ends_within_30_days'],
    [6, 'warning ends_within_7_days'],
    [0.5, 'warning ends_within_1_day'],
    [-1, 'unmet ended'],
  ])('a client secret that ends in %d days', async (days, verdict) => {
    await using vendor = await started()
    vendor.roles = ['SecurityAlert.Read.All', 'Application.Read.All']
    const endDateTime = new Date(vendor.clock.now().getTime() + days * 86_400_000).toISOString()
    vendor.secrets = [
      { hint: GRAPH_APP.clientSecret.slice(0, 3), endDateTime },
      { hint: 'xyz', endDateTime: '2020-01-01T00:00:00Z' },
    ]
    expect(await checks(vendor)).toMatchObject({ 'credential-end': verdict })
  })
})
