import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import type { Finding } from '../../domain/signal.ts'
import { type Defender, startDefender } from '../../sandbox/microsoft-defender.ts'
import { GRAPH_APP, startMicrosoftGraph } from '../../sandbox/microsoft-graph.ts'
import { virtualAccess } from '../../test/harness/access.ts'
import { limitOf, NO_HISTORY, type Page, type Position } from '../connector.ts'
import { microsoftGraphAlerts } from './connector.ts'

const NOW = '2026-11-20T12:00:00Z'
const RECORD = JSON.parse(readFileSync(path.join(import.meta.dirname, 'records', 'older-api.json'), 'utf8'))
const map = (more: object = {}) => microsoftGraphAlerts.map({ ...RECORD, ...more }, undefined) as Finding

test('an alert keeps its times, its people, its severity and what it was found to be', () => {
  const { raw, ...mapped } = map()
  expect(mapped).toEqual({
    type: 'finding',
    sourceId: 'da638900000000000001_-1200000001',
    versionAt: new Date('2026-11-20T09:11:00.250Z'),
    at: new Date('2026-11-20T09:10:01.123Z'),
    people: [
      { scheme: 'address', value: 'dana@acme.example' },
      { scheme: 'user_name', value: 'system' },
    ],
    peopleKinds: ['user', 'service'],
    nativeEvent: 'microsoftDefenderForEndpoint/Exfiltration',
    product: 'defender_endpoint',
    severity: 'high',
    category: 'exfiltration',
    state: 'open',
    flags: ['classification_true_positive', 'determination_unwanted_software'],
    object: 'out.7z',
  })
  expect(raw).toEqual(RECORD)
})

test.each([
  [{ classification: 'FalsePositive' }, { state: 'false_positive' }],
  [{ status: 'Resolved' }, { state: 'resolved' }],
  [{ severity: 'UnSpecified' }, { severity: 'informational' }],
  [{ evidence: [] }, { people: [{ scheme: 'user_name', value: 'dana' }] }],
  [{ evidence: [], relatedUser: { userName: 'admin', domainName: 'PC-17' } }, { people: [{ value: 'pc-17\\admin' }] }],
  [{ evidence: [], relatedUser: null }, { people: [] }],
])('%j is %j', (more, expected) => {
  expect(map(more)).toMatchObject(expected)
})

test('a time that is none is rejected', () => {
  expect(map({ alertCreationTime: 12 })).toMatchObject({ type: 'rejected', code: 'date_invalid' })
})

const inputOf = (vendor: Defender, settings: object = {}) => ({
  config: parseSettings(microsoftGraphAlerts.config, {
    ...GRAPH_APP,
    api: 'defender',
    defenderUrl: vendor.url,
    defenderResource: vendor.url,
    loginUrl: vendor.url,
    ...settings,
  }),
  signal: new AbortController().signal,
  access: virtualAccess(vendor.clock, limitOf(microsoftGraphAlerts, {})),
})

async function readAll(vendor: Defender, position: Position = null, range?: { from: Date; to: Date }) {
  const pages: Page[] = []
  const input = { ...inputOf(vendor), position, seen: async () => new Set<string>() }
  const found = range
    ? microsoftGraphAlerts.history?.readRange({ ...input, ...range, pace: async () => {} })
    : microsoftGraphAlerts.read({ ...input, until: vendor.clock.now() })
  for await (const page of found as AsyncIterable<Page>) pages.push(page)
  const alerts = pages.flatMap((page) => [...(page.records as { record: any }[])].map((each) => each.record))
  return { names: alerts.map(({ id }) => id), alerts, position: pages.at(-1)?.after ?? position }
}

async function started(): Promise<Defender> {
  const vendor = await startDefender({ pageAlerts: 2 })
  vendor.clock.set(NOW)
  return vendor
}
const add = (vendor: Defender, id: string, updated: string, more: object = {}) =>
  vendor.add({ ...RECORD, id, alertCreationTime: updated, lastUpdateTime: updated, ...more })

test('pages without links are gone on behind until one is empty; what changes comes again, with its evidence', async () => {
  await using vendor = await started()
  for (const hour of ['07', '08', '09', '10', '11']) add(vendor, hour, `2026-11-20T${hour}:00:00.25Z`)
  const first = await readAll(vendor)
  expect(first.names).toEqual(['07', '08', '09', '10', '11'])
  expect(first.alerts.every(({ evidence }) => evidence.length === 5)).toBe(true)
  vendor.clock.set('2026-11-20T13:00:00Z')
  add(vendor, '07', '2026-11-20T12:30:00Z', { classification: 'FalsePositive' })
  expect((await readAll(vendor, first.position)).names.sort()).toEqual(['07', '11'])
  const range = { from: new Date('2026-11-20T08:00:00Z'), to: new Date('2026-11-20T10:00:00Z') }
  expect((await readAll(vendor, null, range)).names).toEqual(['08', '09'])
})

test('a connector that is turned to the other API goes on where it was, with no pass of the first', async () => {
  await using graph = await startMicrosoftGraph({ pageAlerts: 1 })
  graph.clock.set(NOW)
  for (const id of ['a', 'b']) {
    graph.add({ id, createdDateTime: '2026-11-20T11:00:00Z', lastUpdateDateTime: '2026-11-20T11:00:00Z' })
  }
  await using vendor = await started()
  add(vendor, 'c', '2026-11-20T11:30:00Z')
  add(vendor, 'known', '2026-11-01T11:30:00Z')
  const input = inputOf(vendor, { api: 'graph', graphUrl: graph.url, loginUrl: graph.url })
  const reading = { ...input, access: virtualAccess(graph.clock), position: null, until: graph.clock.now() }
  for await (const page of microsoftGraphAlerts.read({ ...reading, seen: async () => new Set<string>() })) {
    expect((page.after as any).live).not.toBeNull()
    const turned = await readAll(vendor, page.after)
    expect(turned.names).toEqual(['c'])
    expect(turned.position).toMatchObject({ api: 'defender', live: null, updatedAt: '2026-11-20T11:30:00.000Z' })
    break
  }
})

test('no hour holds more requests than the older API allows', async () => {
  await using vendor = await started()
  const access = virtualAccess(vendor.clock, {
    requests: 1_000,
    perSeconds: 60,
    also: { requests: 4, perSeconds: 3_600 },
  })
  for (let round = 0; round < 7; round += 1) await access.budget?.take(access, new AbortController().signal)
  expect(access.pauses).toEqual([3_600_000, 3_600_000])
})

test('the check asks the API that is chosen', async () => {
  await using vendor = await started()
  const check = () =>
    microsoftGraphAlerts.prerequisites
      .find(({ id }) => id === 'alerts-readable')
      ?.check({
        ...inputOf(vendor),
        now: vendor.clock.now(),
        history: NO_HISTORY,
      })
  expect(await check()).toMatchObject({ state: 'met', code: 'read_none' })
  vendor.roles = []
  expect(await check()).toMatchObject({
    state: 'unmet',
    code: 'permission_missing',
    detail: expect.stringContaining('Alert.Read.All'),
  })
})
