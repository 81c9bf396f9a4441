import { readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import type { Activity, Mapped } from '../../domain/signal.ts'
import { csvOf, hourOf, type LogFileDraft, type Salesforce, startSalesforce } from '../../sandbox/salesforce.ts'
import { virtualAccess } from '../../test/harness/access.ts'
import { keptOf } from '../../test/harness/kept.ts'
import { NO_HISTORY, type Page, type Position, type SourceRecord } from '../connector.ts'
import { salesforce } from './connector.ts'
import { idIn, longId } from './ids.ts'
import type { LogRow } from './log-file.ts'
import { Users } from './users.ts'

const record = (name: string): any =>
  JSON.parse(readFileSync(path.join(import.meta.dirname, 'records', `${name}.json`), 'utf8'))
const map = (from: unknown, personBy = 'email'): Mapped => salesforce.map(from, { personBy })
const changed = (name: string, row: object, more: object = {}) => {
  const from = record(name)
  return { ...from, ...more, row: { ...from.row, ...row } }
}

describe('records', () => {
  test('a download keeps its instant, its person, its object and its bytes', () => {
    const { raw, sourceId, ...mapped } = map(record('content-transfer')) as Activity
    expect(mapped).toEqual({
      type: 'activity',
      actor: { scheme: 'address', value: 'dana@acme.example' },
      actorKind: 'user',
      at: new Date('2026-11-20T09:03:11.123Z'),
      verb: 'download',
      nativeEvent: 'ContentTransfer',
      outcome: 'success',
      object: '0695g0000022222AAA',
      sizeBytes: 4_811_223,
    })
    expect(sourceId).toMatch(/^[0-9a-f]{64}$/)
    expect(raw).toEqual(record('content-transfer'))
  })

  test.each([
    ['content-upload', { verb: 'upload', sizeBytes: 1200, at: new Date('2026-11-20T09:10:00Z') }],
    [
      'report-export',
      { verb: 'export_report', object: 'All accounts, with "private" notes\nand revenue', originIp: '91.198.174.10' },
    ],
    ['report', { verb: 'query_data', itemCount: 25_000, container: 'AccountList', flags: ['rendered_for_export'] }],
    [
      'rest-api',
      { verb: 'query_data', itemCount: 2000, sizeBytes: 512_000, object: 'Contact', userAgent: 'curl/8.5.0' },
    ],
    ['bulk-api-2', { verb: 'query_data', itemCount: 180_000, object: 'Opportunity', flags: ['by_api', 'bulk'] }],
    ['login-failed', { verb: 'login_failed', outcome: 'failure', originIp: '91.198.174.10' }],
    ['attachment-download', { verb: 'download', object: '00P5g000009abcd' }],
    ['public-link', { verb: 'link_create', audienceAfter: 'anyone_with_link', destinationIsExternal: true }],
    [
      'login-as',
      {
        verb: 'login',
        actor: { scheme: 'address', value: 'kim@acme.example' },
        object: '0055g00000AAAAAAA5',
        flags: ['impersonation'],
      },
    ],
  ])('%s', (name, expected) => {
    expect(map(record(name))).toMatchObject({ type: 'activity', ...expected })
  })

  test('writing through an API is no query, and a job that goes on is counted once', () => {
    const verb = (name: string, row: object) => (map(changed(name, row)) as Activity).verb
    expect(verb('rest-api', { method: 'PATCH' })).toBe('edit')
    expect(verb('rest-api', { method: 'DELETE' })).toBe('delete')
    expect(verb('bulk-api-2', { operation_type: 'hardDelete' })).toBe('purge')
    expect(verb('rest-api', { event_type: 'API', method: '', method_name: 'describeSObjects' })).toBe('other')
    expect(map(changed('bulk-api-2', { job_status: 'InProgress' }))).toMatchObject({
      flags: ['by_api', 'bulk', 'secondary'],
    })
    expect(map(changed('bulk-api-2', { job_status: 'Failed' }))).toMatchObject({ outcome: 'failure' })
    expect(map(changed('content-transfer', { transaction_type: 'VersionDownloadApi' }))).toMatchObject({
      verb: 'download',
      flags: ['by_api'],
    })
  })

  test('an address that is none is no origin', () => {
    expect((map(record('bulk-api-2')) as Activity).originIp).toBeUndefined()
  })

  test('who it was: by address, by username, by federation id; without a user by the id that survives a change of case', () => {
    const named = (personBy: string, more = {}) =>
      (map({ ...record('content-transfer'), ...more }, personBy) as Activity).actor
    expect(named('username').value).toBe('dana@acme.example.crm')
    expect(named('federation_id').value).toBe('d.roe@acme.example')
    expect(named('email', { user: undefined })).toEqual({ scheme: 'vendor_id', value: 'salesforce:0055g00000AAAAAAA5' })
    const login = changed('login-failed', {}, { user: undefined })
    expect((map(login) as Activity).actor).toEqual({ scheme: 'address', value: 'dana@acme.example.crm' })
    const guest = changed('rest-api', { user_id: '', user_id_derived: '', user_type: 'Guest' }, { user: undefined })
    expect(map(guest)).toMatchObject({ actor: { value: 'salesforce:nobody' }, actorKind: 'anonymous' })
    expect(map(changed('report', {}, { user: { UserType: 'PowerPartner' } }))).toMatchObject({ actorKind: 'external' })
  })

  test('the same row is the same event: later, in the daily file, with other timings, other order, new empty columns', () => {
    const id = (from: unknown) => (map(from) as Activity).sourceId
    const { row, ...rest } = record('content-transfer')
    const again = {
      ...rest,
      file: { id: '0AT5g00000ZZZZZGAV', type: 'ContentTransfer', interval: 'Daily' },
      row: { new_column: '', ...Object.fromEntries(Object.entries(row).reverse()), run_time: '99', cpu_time: '0' },
    }
    expect(id(again)).toBe(id(record('content-transfer')))
    expect(id(changed('content-transfer', { request_id: 'other' }))).not.toBe(id(record('content-transfer')))
  })

  test('what is unknown is kept; what has no type or time is rejected with its column', () => {
    expect(map(changed('report', { event_type: 'InventedTomorrow' }))).toMatchObject({
      verb: 'other',
      nativeEvent: 'InventedTomorrow',
    })
    expect(map(changed('report', { event_type: '' }))).toMatchObject({ code: 'field_invalid', cell: 'EVENT_TYPE' })
    expect(map(changed('report', { timestamp_derived: '1763629391', timestamp: '' }))).toMatchObject({
      code: 'date_invalid',
      cell: 'TIMESTAMP_DERIVED',
    })
    expect(map(changed('report', { timestamp_derived: '' }))).toMatchObject({ at: new Date('2026-11-20T10:15:12Z') })
    expect(map({ file: {}, row: { cells: ['half'] } })).toMatchObject({ code: 'column_count' })
    expect(map({ file: {}, row: { event_type: 7 } })).toMatchObject({ code: 'field_invalid' })
  })

  test('no row at all breaks the mapping', () => {
    const one = record('report')
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(one.row)), (value, column) => {
        expect(['activity', 'rejected']).toContain(map({ ...one, row: { ...one.row, [column]: value } }).type)
        expect(['activity', 'rejected']).toContain(map({ ...one, user: value }).type)
      }),
    )
  })

  test('a short id has the long one that Salesforce gives it', () => {
    expect(longId('0055g00000AAAAA')).toBe('0055g00000AAAAAAA5'.slice(0, 15) + longId('0055g00000AAAAA')!.slice(15))
    expect(longId('001A0000006Vm9u')).toBe('001A0000006Vm9uIAC')
    expect([longId('nobody'), longId(''), longId(undefined)]).toEqual([undefined, undefined, undefined])
    expect(idIn('/lightning/r/Report/00O5g000006XyZaEAK/view', '00O')).toBe('00O5g000006XyZaEAK')
  })
})

describe('reading', () => {
  const NOON = '2026-11-20T12:00:00Z'
  async function started(options: Parameters<typeof startSalesforce>[0] = {}): Promise<Salesforce> {
    const vendor = await startSalesforce({ pageRecords: 2, ...options })
    vendor.clock.set(NOON)
    vendor.addUser({ Id: '0055g00000AAAAAAA5', Username: 'dana@acme.example.crm', Email: 'dana@acme.example' })
    return vendor
  }
  const row = (name: string, at: string) => ({
    EVENT_TYPE: 'ContentTransfer',
    REQUEST_ID: name,
    USER_ID: '0055g00000AAAAA',
    TIMESTAMP_DERIVED: new Date(at).toISOString(),
  })
  function add(vendor: Salesforce, name: string, at: string, more: Partial<LogFileDraft> = {}): string {
    const when = new Date(at)
    const eventType = 'ContentTransfer'
    return vendor.addFile({ eventType, rows: [row(name, at)], logDate: hourOf(when), availableAt: when, ...more })
  }
  const inputOf = (vendor: Salesforce, position: Position, settings = {}) => ({
    config: parseSettings(salesforce.config, { ...vendor.settings, startDaysBack: 5, ...settings }),
    position,
    signal: new AbortController().signal,
    access: virtualAccess(vendor.clock),
  })
  interface Asked extends Record<string, unknown> {
    position?: Position
    /** The seen-set, which is added to. */
    keys?: Set<string>
    range?: { from: Date; to: Date } | null
  }
  interface Told {
    pages: Page[]
    names: string[]
    position: Position
  }
  async function readAll(
    vendor: Salesforce,
    { position = null, keys = new Set(), range = null, ...settings }: Asked = {},
  ): Promise<Told> {
    const told: Told = { pages: [], names: [], position }
    const input = {
      ...inputOf(vendor, position, settings),
      seen: async (asked: readonly string[]) => new Set(asked.filter((key) => keys.has(key))),
    }
    const found = range
      ? salesforce.history!.readRange({ ...input, ...range, pace: async () => {} })
      : salesforce.read({ ...input, until: vendor.clock.now() })
    for await (const page of found as AsyncIterable<Page>) {
      const records: SourceRecord<any>[] = []
      for await (const each of page.records) records.push(each as SourceRecord<any>)
      told.pages.push({ ...page, records })
      told.names.push(...records.map(({ record: { row: cells, file } }) => cells?.request_id ?? `gone ${file.id}`))
      for (const key of page.seenKeys ?? []) keys.add(key)
      told.position = page.after
    }
    return told
  }

  test('reads each file once, in order of creation, whatever page lists it, with the user of each row', async () => {
    await using vendor = await started()
    for (const at of ['08', '09', '10', '11']) add(vendor, at, `2026-11-20T${at}:00:00Z`)
    const keys = new Set<string>()
    const first = await readAll(vendor, { keys })
    expect(first.names).toEqual(['08', '09', '10', '11'])
    const records = first.pages.flatMap((page) => [...(page.records as SourceRecord<LogRow>[])])
    expect(records[0]?.record.user?.Email).toBe('dana@acme.example')
    expect(await keptOf(records)).toEqual(records.map(({ record }) => record))
    expect(vendor.requests.filter(({ operation }) => operation === 'more')).toHaveLength(1)
    expect((await readAll(vendor, { position: first.position, keys })).names).toEqual([])
  })

  test('whoever stops anywhere goes on with the very same file, though another one has come before it', async () => {
    await using vendor = await started()
    for (const at of ['08', '09', '10']) add(vendor, at, `2026-11-20T${at}:00:00Z`)
    const whole = await readAll(vendor)
    add(vendor, 'late', '2026-11-20T07:00:00Z')
    const [listed] = whole.pages
    const resumed = await readAll(vendor, { position: listed?.after as Position })
    expect(resumed.names.slice(0, 2)).toEqual(['08', '09'])
    // A file counts as read with the page behind it: one that stopped between the two marks it first.
    const between = whole.pages.find(({ records }) => (records as unknown[]).length > 0)?.after as Position
    const keys = new Set<string>()
    const after = await readAll(vendor, { position: between, keys })
    expect(after.pages[0]).toMatchObject({ records: [], seenKeys: ['0AT000000000001AAA'] })
    expect(after.names).not.toContain('08')
  })

  test('a further file of the same hour is read, and one that shows up 30 hours late', async () => {
    await using vendor = await started()
    add(vendor, 'a', '2026-11-20T08:10:00Z')
    const keys = new Set<string>()
    const first = await readAll(vendor, { keys })
    add(vendor, 'b', '2026-11-20T08:20:00Z', { sequence: 2, availableAt: new Date('2026-11-20T11:00:00Z') })
    add(vendor, 'late', '2026-11-19T06:00:00Z', { availableAt: new Date(NOON) })
    expect((await readAll(vendor, { position: first.position, keys })).names).toEqual(['b', 'late'])
  })

  test('daily files are another choice, and hours that were read before are told by their rows', async () => {
    await using vendor = await started()
    add(vendor, 'a', '2026-11-19T08:10:00Z')
    add(vendor, 'a', '2026-11-19T08:10:00Z', { interval: 'Daily', availableAt: new Date('2026-11-20T03:00:00Z') })
    const keys = new Set<string>()
    const hourly = await readAll(vendor, { keys })
    const daily = await readAll(vendor, { position: hourly.position, keys, interval: 'daily' })
    const ids = [hourly, daily].map(({ pages }) =>
      pages
        .flatMap((page) => [...(page.records as SourceRecord[])])
        .map(({ record: each }) => (map(each) as Activity).sourceId),
    )
    expect(ids[0]).toHaveLength(1)
    expect(ids[1]).toEqual(ids[0])
  })

  test('types are left out or chosen', async () => {
    await using vendor = await started()
    add(vendor, 'a', '2026-11-20T08:00:00Z')
    add(vendor, 'noise', '2026-11-20T08:00:00Z', { eventType: 'ApexTrigger' })
    add(vendor, 'new', '2026-11-20T08:00:00Z', { eventType: 'InventedTomorrow' })
    expect((await readAll(vendor)).names).toEqual(['a', 'new'])
    expect((await readAll(vendor, { leaveOut: [] })).names).toEqual(['a', 'noise', 'new'])
    expect((await readAll(vendor, { eventTypes: ['ApexTrigger'] })).names).toEqual(['noise'])
  })

  test('a list too long to keep is listed anew behind what was read', async () => {
    await using vendor = await started({ pageRecords: 2000 })
    for (let minute = 0; minute < 205; minute += 1)
      add(vendor, String(minute), new Date(Date.parse('2026-11-20T08:00:00Z') + minute * 60_000).toISOString())
    const { names, pages } = await readAll(vendor)
    expect(names).toEqual(Array.from({ length: 205 }, (_, minute) => String(minute)))
    expect(Math.max(...pages.map(({ after }) => (after as any).walk?.pending.length ?? 0))).toBe(200)
  })

  test('what is listed anew before anything is stored is read once all the same', async () => {
    await using vendor = await started({ pageRecords: 2000 })
    for (let file = 0; file < 205; file += 1) add(vendor, String(file), '2026-11-20T08:00:00Z')
    const input = { ...inputOf(vendor, null), seen: async () => new Set<string>(), until: vendor.clock.now() }
    const marked: string[] = []
    for await (const { seenKeys = [] } of salesforce.read(input)) marked.push(...seenKeys)
    expect([marked.length, new Set(marked).size]).toEqual([205, 205])
  })

  test('a place that is forgotten is listed anew, a file that is gone is a gap', async () => {
    await using vendor = await started()
    for (const at of ['08', '09', '10']) add(vendor, at, `2026-11-20T${at}:00:00Z`)
    vendor.faults.next({ match: 'more', code: 'INVALID_QUERY_LOCATOR' })
    vendor.faults.next({ match: ({ path: at }) => at.includes('0AT000000000002'), code: 'NOT_FOUND' })
    expect((await readAll(vendor)).names).toEqual(['08', 'gone 0AT000000000002AAA', '10'])
  })

  test('columns in another order, quotes and line ends in cells', async () => {
    await using vendor = await started()
    const odd = { TIMESTAMP_DERIVED: '2026-11-20T08:00:00.000Z', REQUEST_ID: 'a,"b"\nc', EVENT_TYPE: 'ReportExport' }
    add(vendor, '', '2026-11-20T08:00:00Z', { rows: [odd, { ...odd, REQUEST_ID: 'd' }] })
    expect((await readAll(vendor)).names).toEqual(['a,"b"\nc', 'd'])
  })

  test('a range is that of the hours of its files, and any of its positions resumes it', async () => {
    await using vendor = await started()
    for (const at of ['09:59', '10:00', '10:30', '11:00']) add(vendor, at, `2026-11-18T${at}:00Z`)
    const range = { from: new Date('2026-11-18T10:00:00Z'), to: new Date('2026-11-18T11:00:00Z') }
    const whole = await readAll(vendor, { range })
    expect(whole.names).toEqual(['10:00', '10:30'])
    const half = whole.pages.find(({ records }) => (records as unknown[]).length > 0)?.after as Position
    expect((await readAll(vendor, { range, position: half })).names).toEqual(['10:30'])
    expect((await readAll(vendor, { range, position: whole.position })).names).toEqual([])
  })

  test('reading pauses for an hour at its share of the daily calls, and at the end of them', async () => {
    await using vendor = await started({ dailyCalls: 100 })
    for (const at of ['08', '09', '10']) add(vendor, at, `2026-11-20T${at}:00:00Z`)
    vendor.spend(77)
    await expect(readAll(vendor)).rejects.toMatchObject({ code: 'source_throttled', retryAfterMs: 3_600_000 })
    expect(vendor.requests.filter(({ operation }) => operation !== 'token')).toHaveLength(3)
    vendor.clock.advance(86_400_000)
    expect((await readAll(vendor)).names).toEqual(['08', '09', '10'])
    vendor.spend(100)
    await expect(readAll(vendor)).rejects.toMatchObject({ code: 'source_throttled', retryAfterMs: 3_600_000 })
  })

  test('too many calls at one moment are waited for in seconds', async () => {
    await using vendor = await started()
    add(vendor, 'a', '2026-11-20T08:00:00Z')
    vendor.faults.next({ match: 'query', code: 'REQUEST_LIMIT_EXCEEDED' })
    expect((await readAll(vendor)).names).toEqual(['a'])
  })

  test('a session that ends in mid-run is begun anew, by either way to sign in', async () => {
    await using vendor = await started()
    for (const at of ['08', '09', '10']) add(vendor, at, `2026-11-20T${at}:00:00Z`)
    const { clientSecret } = vendor
    for (const settings of [{}, { signIn: 'client_credentials', clientSecret, privateKey: undefined }]) {
      vendor.faults.next({ match: 'file', skip: 1, code: 'INVALID_SESSION_ID' })
      expect((await readAll(vendor, settings)).names).toEqual(['08', '09', '10'])
    }
    expect(vendor.tokens.issued).toBe(4)
  })

  test('a user is looked up once a day', async () => {
    let asked = 0
    let now = 0
    const users = new Users(() => now)
    const find = async (ids: readonly string[]) => {
      asked += ids.length
      return []
    }
    await users.know(new Set(['a', 'b']), find)
    await users.know(new Set(['a', 'b', 'c']), find)
    expect(asked).toBe(3)
    now = 86_400_000
    await users.know(new Set(['a']), find)
    expect(asked).toBe(4)
  })

  test('the checks tell sign-in, organisation, permission and interval apart', async () => {
    await using vendor = await started()
    const check = (id: string, settings = {}) =>
      salesforce.prerequisites
        .find((each) => each.id === id)
        ?.check({
          ...inputOf(vendor, null, settings),
          now: vendor.clock.now(),
          history: { ...NO_HISTORY, lastCompletedImportAt: vendor.clock.now(), recentEvents: new Map([['Login', 3]]) },
        })
    for (const id of ['signed-in', 'log-readable', 'users-readable'])
      expect(await check(id)).toMatchObject({ state: 'met' })
    expect(await check('signed-in', { username: 'nobody@example.com' })).toMatchObject({ code: 'credential_refused' })
    expect(await check('signed-in', { url: 'https://other.my.salesforce.com' })).toMatchObject({
      state: 'unmet',
      code: 'settings_invalid',
      detail: expect.stringContaining('My Domain'),
    })
    vendor.faults.next({ match: 'token', code: 'invalid_app_access' })
    expect(await check('signed-in')).toMatchObject({ state: 'unmet', code: 'permission_missing' })
    vendor.faults.next({ match: 'query', code: 'INVALID_TYPE' })
    expect(await check('log-readable')).toMatchObject({
      state: 'unmet',
      code: 'permission_missing',
      detail: expect.stringContaining('View Event Log Files'),
    })
    expect(await check('interval-available')).toMatchObject({ state: 'unknown', code: 'no_files' })
    add(vendor, 'a', '2026-11-19T00:00:00Z', { interval: 'Daily' })
    expect(await check('interval-available')).toMatchObject({ state: 'unmet', code: 'other_interval' })
    expect(await check('interval-available', { interval: 'daily' })).toMatchObject({ state: 'met' })
    expect(await check('event-monitoring')).toMatchObject({ state: 'unknown', code: 'no_licensed_events' })
  })

  test('settings without what their way to sign in needs are refused by name', async () => {
    await using vendor = await started()
    for (const [settings, field] of [
      [{ privateKey: undefined }, 'privateKey'],
      [{ privateKey: 'no key' }, 'privateKey'],
      [{ username: undefined }, 'username'],
      [{ signIn: 'client_credentials' }, 'clientSecret'],
      [{ eventTypes: ["Login') OR (1=1"] }, 'eventTypes.0'],
    ] as const) {
      expect(() => inputOf(vendor, null, settings)).toThrow(
        expect.objectContaining({ code: 'settings_invalid', field }),
      )
    }
  })

  test('a file is a stream: of one that does not end, what has come is handed on', async () => {
    await using vendor = await started()
    add(vendor, 'a', '2026-11-20T08:00:00Z')
    const rows = csvOf(Array.from({ length: 1_000 }, (_, index) => row(String(index), NOON)))
    const [header = '', ...lines] = rows.trim().split('\n')
    let sent = 0
    const endless = new ReadableStream<Uint8Array>({
      pull(stream) {
        sent += 1
        stream.enqueue(Buffer.from(`${sent === 1 ? `${header}\n` : ''}${lines.join('\n')}\n`))
      },
    })
    const input = inputOf(vendor, null)
    const { access } = input
    const fetchReal = access.fetch
    access.fetch = async (url, init) =>
      String(url).endsWith('/LogFile') ? new Response(endless) : fetchReal(url, init)
    let met = 0
    for await (const page of salesforce.read({
      ...input,
      seen: async () => new Set<string>(),
      until: new Date(NOON),
    })) {
      for await (const _ of page.records) {
        met += 1
        if (met === 20_000) break
      }
      if (met > 0) break
    }
    expect(met).toBe(20_000)
    // What was asked for beyond is a few pieces, not the file.
    expect(sent).toBeLessThan(40)
  })
})
