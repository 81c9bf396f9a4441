import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import { OFFICE_APP, type Office, startOffice365 } from '../../sandbox/office-365-activity.ts'
import { virtualAccess } from '../../test/harness/access.ts'
import { NO_HISTORY, type Page, type Position } from '../connector.ts'
import { office365Activity } from './connector.ts'

const DOWNLOAD = JSON.parse(readFileSync(path.join(import.meta.dirname, 'records', 'file-download.json'), 'utf8'))
const NOW = '2026-11-20T12:00:00Z'

async function started({ pageBlobs = 2 } = {}): Promise<Office> {
  const vendor = await startOffice365({ pageBlobs })
  vendor.clock.set(NOW)
  vendor.subscribeAll()
  return vendor
}
const add = (vendor: Office, name: string, created: string, availableAt?: string) =>
  vendor.add(
    'Audit.SharePoint',
    [{ ...DOWNLOAD, Id: name }],
    new Date(created),
    availableAt ? new Date(availableAt) : undefined,
  )
const inputOf = (vendor: Office, settings: object = {}) => ({
  config: parseSettings(office365Activity.config, {
    ...OFFICE_APP,
    apiUrl: vendor.url,
    loginUrl: vendor.url,
    contentTypes: ['Audit.SharePoint'],
    ...settings,
  }),
  signal: new AbortController().signal,
  access: virtualAccess(vendor.clock),
})

/** Reads as an import does: what a page has seen is known from then on. */
async function readAll(
  vendor: Office,
  position: Position = null,
  {
    range,
    settings = {},
    known = new Set<string>(),
  }: { range?: { from: Date; to: Date }; settings?: object; known?: Set<string> } = {},
) {
  const pages: Page[] = []
  const seen = async (keys: readonly string[]) => new Set(keys.filter((key) => known.has(key)))
  const input = { ...inputOf(vendor, settings), position, seen }
  const found = range
    ? office365Activity.history?.readRange({ ...input, ...range, pace: async () => {} })
    : office365Activity.read({ ...input, until: vendor.clock.now() })
  for await (const page of found as AsyncIterable<Page>) pages.push(page)
  const records = pages.flatMap((page) => [...(page.records as { record: any; unreadable?: any }[])])
  const seenKeys = pages.flatMap((page) => page.seenKeys ?? [])
  return {
    pages,
    records,
    names: records.map((each) => each.record.Id),
    position: pages.at(-1)?.after ?? position,
    known: new Set([...known, ...seenKeys]),
  }
}
const windows = (vendor: Office) => vendor.requests.filter(({ operation }) => operation === 'content').length

test('seven days in windows of a day; every page of each; a blob is read once, however often it is listed', async () => {
  await using vendor = await started()
  for (const day of ['13', '14', '17', '20']) add(vendor, day, `2026-11-${day}T12:30:00Z`)
  for (const minute of ['01', '02', '03']) add(vendor, minute, `2026-11-20T11:${minute}:00Z`)
  vendor.clock.set('2026-11-20T13:00:00Z')
  const first = await readAll(vendor)
  // What was put together on the 13th at 12:30 was a blob of more than seven days.
  expect(first.names).toEqual(['14', '17', '01', '02', '03', '20'])
  vendor.clock.advance(600_000)
  add(vendor, 'new', '2026-11-20T13:05:00Z')
  const blobs = () => vendor.requests.filter(({ operation }) => operation === 'blob').length
  const before = blobs()
  expect((await readAll(vendor, first.position, { known: first.known })).names).toEqual(['new'])
  expect(blobs() - before).toBe(1)
  expect(
    vendor.requests.every(({ operation, query }) => operation === 'token' || query.includes('PublisherIdentifier')),
  ).toBe(true)
})

test('goes on in the middle of a list, and lists anew what the source has forgotten', async () => {
  await using vendor = await started()
  for (const minute of ['01', '02', '03', '04', '05']) add(vendor, minute, `2026-11-20T11:${minute}:00Z`)
  const whole = await readAll(vendor, null, { settings: { startDaysBack: 1 } })
  expect(whole.names).toEqual(['01', '02', '03', '04', '05'])
  const half = whole.pages[1]?.after as Position
  const known = new Set(whole.pages.slice(0, 2).flatMap((page) => page.seenKeys ?? []))
  const lists = windows(vendor)
  expect((await readAll(vendor, half, { known })).names).toEqual(['03', '04', '05'])
  expect(windows(vendor) - lists).toBe(2)
  vendor.faults.next({ match: ({ query }) => query.has('nextPage'), code: 'AF20031' })
  expect((await readAll(vendor, half, { known })).names).toEqual(['03', '04', '05'])
  expect(vendor.faults.pending).toBe(0)
})

test('the same blob in a sweep and in the live list is read once', async () => {
  await using vendor = await started()
  add(vendor, 'known', '2026-11-20T11:00:00Z')
  const first = await readAll(vendor)
  vendor.clock.set('2026-11-21T12:01:00Z')
  add(vendor, 'late', '2026-11-20T02:00:00Z', '2026-11-20T23:00:00Z')
  add(vendor, 'both', '2026-11-20T11:59:00Z', '2026-11-20T23:00:00Z')
  const { names } = await readAll(vendor, first.position, { known: first.known })
  expect(names).toEqual(['late', 'both'])
})

test('a blob that is listed and gone is one row that says so, and is not asked for again', async () => {
  await using vendor = await started()
  add(vendor, 'a', '2026-11-20T11:00:00Z')
  add(vendor, 'b', '2026-11-20T11:01:00Z')
  vendor.faults.next({ match: 'blob', code: 'AF20051' })
  const first = await readAll(vendor)
  expect(first.records.map(({ record: { Id }, unreadable }) => Id ?? unreadable.code)).toEqual(['content_gone', 'b'])
  expect((await readAll(vendor, first.position, { known: first.known })).names).toEqual([])
})

test('after more than seven days away the gap is a row of its own', async () => {
  await using vendor = await started()
  const first = await readAll(vendor)
  add(vendor, 'lost', '2026-11-21T12:00:00Z')
  vendor.clock.set('2026-12-01T12:00:00Z')
  add(vendor, 'kept', '2026-11-30T12:00:00Z')
  const { records } = await readAll(vendor, first.position, { known: first.known })
  expect(records.map(({ record: found, unreadable }) => found.Id ?? [unreadable.code, found.from, found.to])).toEqual([
    ['content_gone', '2026-11-20T12:00:00.000Z', '2026-11-24T12:05:00.000Z'],
    'kept',
  ])
})

test('throttled by a 403 whose body is no JSON: waits half a minute, then the same', async () => {
  await using vendor = await started()
  add(vendor, 'a', '2026-11-20T11:00:00Z')
  vendor.faults.next({ match: 'blob', code: 'AF429', times: 2 })
  const before = vendor.clock.now().getTime()
  expect((await readAll(vendor)).names).toEqual(['a'])
  expect(vendor.clock.now().getTime() - before).toBe(60_000)
})

test('a window that is refused at the edge of what is kept is moved in', async () => {
  await using vendor = await started()
  add(vendor, 'a', '2026-11-20T11:00:00Z')
  vendor.faults.next({ match: 'content', code: 'AF20055' })
  expect((await readAll(vendor)).names).toEqual(['a'])
  vendor.faults.next({ match: 'content', skip: 3, code: 'AF20030' })
  await expect(readAll(vendor)).rejects.toMatchObject({ code: 'source_refused' })
})

test('a range holds its first edge and not its last, and resumes', async () => {
  await using vendor = await started()
  for (const at of ['09:59:59', '10:00:00', '10:30:00', '11:00:00']) add(vendor, at, `2026-11-18T${at}Z`)
  const range = { from: new Date('2026-11-18T10:00:00Z'), to: new Date('2026-11-18T11:00:00Z') }
  const whole = await readAll(vendor, null, { range })
  expect(whole.names).toEqual(['10:00:00', '10:30:00'])
  expect((await readAll(vendor, null, { range, known: whole.known })).names).toEqual([])
  expect((await readAll(vendor, whole.position, { range })).names).toEqual([])
  const past = { from: new Date('2026-10-01T00:00:00Z'), to: new Date('2026-10-02T00:00:00Z') }
  expect((await readAll(vendor, null, { range: past })).pages).toEqual([])
})

test('starts what is missing where the settings allow it, and says what is wrong where they do not', async () => {
  await using vendor = await started()
  vendor.subscriptions.clear()
  await expect(readAll(vendor)).rejects.toMatchObject({ code: 'subscription_not_started' })
  expect(vendor.subscriptions.size).toBe(0)
  const first = await readAll(vendor, null, { settings: { startSubscriptions: true } })
  expect([...vendor.subscriptions.keys()]).toEqual(['Audit.SharePoint'])
  vendor.clock.advance(600_000)
  add(vendor, 'a', '2026-11-20T12:01:00Z')
  expect((await readAll(vendor, first.position)).names).toEqual(['a'])
  vendor.subscriptions.set('Audit.SharePoint', { status: 'disabled', startedAt: new Date(0) })
  await expect(readAll(vendor)).rejects.toMatchObject({ code: 'subscription_disabled', retryable: false })
})

test('a start that came too soon is tried when the source says', async () => {
  await using vendor = await started()
  vendor.subscriptions.clear()
  const settings = { startSubscriptions: true }
  await readAll(vendor, null, { settings })
  vendor.subscriptions.clear()
  vendor.clock.advance(60_000)
  const refused = await readAll(vendor, null, { settings }).catch((error) => error)
  expect(refused).toMatchObject({ code: 'source_throttled' })
  expect(refused.retryAfterMs).toBeGreaterThan(13 * 60_000)
})

test('DLP without its permission stops nothing but DLP', async () => {
  await using vendor = await started()
  vendor.roles.delete('ActivityFeed.ReadDlp')
  add(vendor, 'a', '2026-11-20T11:00:00Z')
  const pages: Page[] = []
  const reading = async () => {
    const input = inputOf(vendor, { contentTypes: ['DLP.All', 'Audit.SharePoint'] })
    const seen = async () => new Set<string>()
    for await (const page of office365Activity.read({ ...input, position: null, seen, until: vendor.clock.now() }))
      pages.push(page)
  }
  await expect(reading()).rejects.toMatchObject({ code: 'permission_missing' })
  expect(pages.flatMap((page) => [...(page.records as any[])])).toHaveLength(1)
})

test('a subscription that is disabled keeps no other content from being read, and is told at the end', async () => {
  await using vendor = await started()
  vendor.subscriptions.set('Audit.Exchange', { status: 'disabled', startedAt: new Date(0) })
  add(vendor, 'a', '2026-11-20T11:00:00Z')
  const pages: Page[] = []
  const input = inputOf(vendor, { contentTypes: ['Audit.Exchange', 'Audit.SharePoint'] })
  const seen = async () => new Set<string>()
  const reading = async () => {
    for await (const page of office365Activity.read({ ...input, position: null, seen, until: vendor.clock.now() }))
      pages.push(page)
  }
  await expect(reading()).rejects.toMatchObject({ code: 'subscription_disabled' })
  expect(pages.flatMap((page) => [...(page.records as any[])])).toHaveLength(1)
})

test('a sweep and a range that were left half done for long go on with what is still kept', async () => {
  await using vendor = await started()
  const window = (from: string, to: string) => ({ contentType: 'Audit.SharePoint', from, to, next: null })
  const old = window('2026-11-12T00:00:00.000Z', '2026-11-12T12:00:00.000Z')
  const half = window('2026-11-12T13:00:00.000Z', '2026-11-13T13:00:00.000Z')
  add(vendor, 'kept', '2026-11-13T12:30:00Z')
  const range = { from: new Date('2026-11-12T00:00:00Z'), to: new Date('2026-11-13T13:00:00Z') }
  expect((await readAll(vendor, { v: 1, windows: [old, half] }, { range })).names).toEqual(['kept'])
  const position = { v: 1, readTo: { 'Audit.SharePoint': '2026-11-20T11:00:00.000Z' }, live: {}, sweptAt: NOW }
  const swept = await readAll(vendor, { ...position, sweep: [old, half] })
  expect(swept.names).toEqual(['kept'])
  expect(swept.position).toMatchObject({ sweep: [] })
})

test('a blob on another host is refused', async () => {
  await using vendor = await started()
  const contentUri = 'https://manage.office.example/blob'
  vendor.faults.next({
    match: 'content',
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([{ contentId: '1', contentUri }]),
  })
  await expect(readAll(vendor)).rejects.toMatchObject({ code: 'source_refused' })
})

test('the tenant id is a GUID, and requests may be counted for another', async () => {
  await using vendor = await started()
  expect(() => inputOf(vendor, { tenantId: 'acme.example' })).toThrow(expect.objectContaining({ field: 'tenantId' }))
  expect(inputOf(vendor, { publisherId: OFFICE_APP.clientId }).config.publisherId).toBe(OFFICE_APP.clientId)
})

const check = async (vendor: Office, id: string, settings: object = {}, history: object = {}) =>
  office365Activity.prerequisites
    .find((each) => each.id === id)
    ?.check({
      ...inputOf(vendor, { contentTypes: ['Audit.General', 'DLP.All'], ...settings }),
      now: vendor.clock.now(),
      history: { ...NO_HISTORY, ...history },
    })

test('the checks tell apart: consented, not consented, auditing off, another tenant, secret over', async () => {
  await using vendor = await started()
  expect(await check(vendor, 'feed-readable')).toMatchObject({ state: 'met', code: 'consented' })
  vendor.roles.clear()
  expect(await check(vendor, 'feed-readable')).toMatchObject({
    state: 'unmet',
    code: 'permission_missing',
    detail: expect.stringContaining('ActivityFeed.Read'),
  })
  vendor.roles.add('ActivityFeed.Read')
  expect(await check(vendor, 'dlp-readable')).toMatchObject({ state: 'unmet', code: 'permission_missing' })
  expect(await check(vendor, 'dlp-readable', { contentTypes: ['Audit.General'] })).toMatchObject({
    code: 'not_chosen',
  })
  vendor.audited = false
  expect(await check(vendor, 'feed-readable')).toMatchObject({
    state: 'unmet',
    code: 'auditing_off',
    detail: expect.stringContaining('UnifiedAuditLogIngestionEnabled'),
  })
  vendor.faults.next({ match: 'subscriptions', status: 500, body: 'DataServiceException: Tenant aa does not exist.' })
  expect(await check(vendor, 'feed-readable')).toMatchObject({ code: 'auditing_off' })
  vendor.faults.next({ match: 'subscriptions', code: 'AF20010' })
  expect(await check(vendor, 'feed-readable')).toMatchObject({ state: 'unmet', code: 'settings_invalid' })
  vendor.entra.refusesSignInWith = 7000222
  expect(await check(vendor, 'feed-readable')).toMatchObject({ state: 'unmet', code: 'credential_expired' })
})

test('and: subscribed, not started, started with the admin’s consent, disabled by an admin', async () => {
  await using vendor = await started()
  expect(await check(vendor, 'subscribed')).toMatchObject({ state: 'met', code: 'subscribed' })
  vendor.subscriptions.clear()
  expect(await check(vendor, 'dlp-readable')).toMatchObject({ state: 'unknown', code: 'subscription_not_started' })
  expect(await check(vendor, 'subscribed')).toMatchObject({
    state: 'unmet',
    code: 'subscription_not_started',
    detail: expect.stringContaining('Audit.General, DLP.All'),
  })
  const allowed = { startSubscriptions: true }
  expect(await check(vendor, 'subscribed', allowed)).toMatchObject({ state: 'met', code: 'subscriptions_started' })
  expect([...vendor.subscriptions.keys()]).toEqual(['Audit.General', 'DLP.All'])
  vendor.subscriptions.set('DLP.All', { status: 'disabled', startedAt: new Date(0) })
  expect(await check(vendor, 'subscribed', allowed)).toMatchObject({
    state: 'unmet',
    code: 'subscription_disabled',
    detail: expect.stringMatching(/: DLP\.All\./),
  })
})

test('and: nothing yet within twelve hours, nothing after them, something', async () => {
  await using vendor = await started()
  const waited = (hours: number, recentEvents = new Map<string, number>()) =>
    check(vendor, 'content-arrives', {}, { activatedAt: new Date(Date.parse(NOW) - hours * 3_600_000), recentEvents })
  expect(await waited(11)).toMatchObject({ state: 'unknown', code: 'nothing_yet' })
  expect(await waited(13)).toMatchObject({ state: 'unmet', code: 'nothing_arrives' })
  expect(await waited(13, new Map([['Send', 1]]))).toMatchObject({ state: 'met', code: 'content_seen' })
  expect(await check(vendor, 'content-arrives')).toMatchObject({ state: 'unknown', code: 'nothing_yet' })
})
