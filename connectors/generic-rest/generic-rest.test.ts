import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import { listen } from '../../sandbox/listening.ts'
import { REST_ACCOUNT, REST_CLIENT, REST_KEY, type RestApi, startRestApi } from '../../sandbox/rest-api.ts'
import { virtualAccess } from '../../test/harness/access.ts'
import { AccessBook } from '../access.ts'
import { limitOf, NO_HISTORY, type Page, type Position, type SourceRecord } from '../connector.ts'
import { JSON_POINTER, pointed } from '../http/json-pointer.ts'
import { genericRest } from './connector.ts'

const NOON = '2026-11-20T12:00:00Z'
const KEY = { headerName: 'X-Api-Key', headerSecret: REST_KEY }
const MAPPING = { columns: { person: 'who', at: 'time' }, verb: 'download', eventIdColumns: ['id'] }
const BY_TIME = { sinceParameter: 'since', untilParameter: 'until', startDaysBack: 1 }
const CURSOR = { paging: 'cursor', recordsAt: '/data/items', nextAt: '/meta/next~1cursor', pageParameter: 'cursor' }

/** Every way to page, with the settings of its list. */
const WAYS: Record<string, Record<string, unknown>> = {
  link: { paging: 'link_header' },
  'body-link': { paging: 'link_in_body', recordsAt: '/value', nextAt: '/paging/next' },
  cursor: CURSOR,
  page: { paging: 'page', recordsAt: '/events', pageParameter: 'page' },
  offset: { paging: 'offset', recordsAt: '/events', pageParameter: 'offset' },
}

async function started(): Promise<RestApi> {
  const vendor = await startRestApi({ pageRecords: 2 })
  vendor.clock.set(NOON)
  return vendor
}
function add(vendor: RestApi, id: string, at: string, availableAt = at): void {
  const time = new Date(at)
  vendor.log.add({ id, time: at, who: 'dana@example.com' }, time, { availableAt: new Date(availableAt) })
}
const fill = (vendor: RestApi): void => {
  for (const hour of ['07', '08', '09', '10', '11']) add(vendor, hour, `2026-11-20T${hour}:00:00Z`)
}
const ALL = ['07', '08', '09', '10', '11']

function inputOf(vendor: RestApi, way: string, settings: Record<string, unknown> = {}, position: Position = null) {
  const given = { url: `${vendor.url}/${way}/events`, ...KEY, ...MAPPING, ...BY_TIME, ...WAYS[way], ...settings }
  const config = parseSettings(genericRest.config, given)
  return {
    config,
    position,
    seen: async () => new Set<string>(),
    signal: new AbortController().signal,
    access: virtualAccess(vendor.clock, limitOf(genericRest, config)),
  }
}

async function drain(found: AsyncIterable<Page>) {
  const pages: Page[] = []
  for await (const page of found) pages.push(page)
  const records = pages.flatMap((page) => [...(page.records as SourceRecord<any>[])])
  return { pages, ids: records.map(({ record }) => record.id), position: pages.at(-1)?.after ?? null }
}
const readAll = (vendor: RestApi, way: string, settings = {}, position: Position = null) =>
  drain(genericRest.read({ ...inputOf(vendor, way, settings, position), until: vendor.clock.now() }))

const operations = (vendor: RestApi, operation: string) =>
  vendor.requests.filter((request) => request.operation === operation)

describe('pages', () => {
  test.each(Object.keys(WAYS))('%s: every record once, and whoever stops goes on where it was', async (way) => {
    await using vendor = await started()
    fill(vendor)
    const whole = await readAll(vendor, way)
    expect(whole.ids).toEqual(ALL)
    const second = whole.pages[1]?.after as Position
    expect((await readAll(vendor, way, {}, second)).ids).toEqual(['11'])
    vendor.clock.advance(600_000)
    // Within the overlap of an hour, and the second before it.
    expect((await readAll(vendor, way, { overlapMinutes: 70 }, whole.position)).ids).toEqual(['11'])
  })

  test('a short page may end the list, which saves a request', async () => {
    await using vendor = await started()
    fill(vendor)
    const size = { sizeParameter: 'limit', pageSize: 2 }
    expect((await readAll(vendor, 'page', size)).ids).toEqual(ALL)
    const withEmpty = operations(vendor, 'events').length
    expect((await readAll(vendor, 'page', { ...size, shortPageEnds: true })).ids).toEqual(ALL)
    expect(operations(vendor, 'events').length - withEmpty).toBe(withEmpty - 1)
  })

  test('a page is asked for by POST with the parameters as JSON, times as seconds', async () => {
    await using vendor = await started()
    fill(vendor)
    const { ids } = await readAll(vendor, 'cursor', {
      method: 'POST',
      timeForm: 'unix_seconds',
      parameters: { kind: 'file' },
    })
    expect(ids).toEqual(ALL)
    expect(operations(vendor, 'events').every(({ method, query }) => method === 'POST' && query.length === 0)).toBe(
      true,
    )
  })

  test('a stream is gone on from by its cursor, which stays where there is nothing new', async () => {
    await using vendor = await started()
    fill(vendor)
    const stream = {
      ...CURSOR,
      recordsAt: '/events',
      nextAt: '/cursor',
      goesOn: 'by_cursor',
      sinceParameter: undefined,
    }
    const first = await readAll(vendor, 'stream', stream)
    expect(first.ids).toEqual(ALL)
    const second = await readAll(vendor, 'stream', stream, first.position)
    expect([second.ids, second.position]).toEqual([[], { v: 1, token: '5' }])
    add(vendor, 'new', '2026-11-20T11:30:00Z')
    expect((await readAll(vendor, 'stream', stream, second.position)).ids).toEqual(['new'])
  })

  test('a list without time is read from the start each time', async () => {
    await using vendor = await started()
    fill(vendor)
    const settings = { goesOn: 'from_start', sinceParameter: undefined }
    const first = await readAll(vendor, 'offset', settings)
    expect((await readAll(vendor, 'offset', settings, first.position)).ids).toEqual(ALL)
    expect(() =>
      genericRest.history!.readRange({
        ...inputOf(vendor, 'offset', settings),
        from: new Date(NOON),
        to: new Date(NOON),
        pace: async () => {},
      }),
    ).toThrow(expect.objectContaining({ code: 'state_conflict' }))
  })

  test('a cursor that is forgotten begins its window anew; one that always is, is told', async () => {
    await using vendor = await started()
    fill(vendor)
    const half = (await readAll(vendor, 'cursor')).pages[0]?.after as Position
    vendor.forgetCursors()
    expect((await readAll(vendor, 'cursor', {}, half)).ids).toEqual(ALL)
    vendor.faults.next({ match: ({ query }) => query.has('cursor'), times: 9, status: 400, body: '{}' })
    await expect(readAll(vendor, 'cursor')).rejects.toMatchObject({ code: 'source_refused' })
  })

  test('a list that does not end is stopped at the declared number of pages', async () => {
    await using vendor = await started()
    vendor.faults.next({
      match: 'events',
      times: 99,
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: '{"events":[{"id":"again"}]}',
    })
    await expect(readAll(vendor, 'page', { maxPages: 7 })).rejects.toMatchObject({
      code: 'source_refused',
      field: 'maxPages',
    })
    expect(operations(vendor, 'events')).toHaveLength(7)
  })

  test('an answer that is larger than declared is refused', async () => {
    await using vendor = await started()
    vendor.faults.next({ match: 'events', status: 200, body: JSON.stringify(['x'.repeat(1_100_000)]) })
    await expect(readAll(vendor, 'link', { maxAnswerMegabytes: 1 })).rejects.toMatchObject({ code: 'body_too_large' })
  })

  test('an event a day late is found by the sweep, a range ends before its end', async () => {
    await using vendor = await started()
    fill(vendor)
    add(vendor, 'late', '2026-11-19T20:00:00Z', '2026-11-20T12:30:00Z')
    const first = await readAll(vendor, 'cursor')
    vendor.clock.set('2026-11-20T13:00:00Z')
    const second = await readAll(vendor, 'cursor', {}, first.position)
    expect(second.ids).toEqual(['11'])
    vendor.clock.set('2026-11-21T12:00:01Z')
    expect((await readAll(vendor, 'cursor', {}, second.position)).ids).toContain('late')
    const range = { from: new Date('2026-11-20T08:00:00Z'), to: new Date('2026-11-20T10:00:00Z') }
    const input = inputOf(vendor, 'cursor')
    const ranged = await drain(genericRest.history!.readRange({ ...input, ...range, pace: async () => {} }))
    expect(ranged.ids).toEqual(['08', '09'])
  })
})

describe('who asks, and where', () => {
  test.each([
    ['a key in a header', KEY],
    ['basic authentication', { auth: 'basic', ...REST_ACCOUNT }],
    ['OAuth, the client in the form', { auth: 'client_credentials', ...REST_CLIENT }],
    [
      'OAuth, the client in a header',
      { auth: 'client_credentials', ...REST_CLIENT, clientIn: 'header', scope: 'read' },
    ],
  ])('%s', async (_, settings) => {
    await using vendor = await started()
    fill(vendor)
    const tokenUrl = `${vendor.url}/oauth/token`
    expect((await readAll(vendor, 'link', { ...settings, tokenUrl })).ids).toEqual(ALL)
    await expect(
      readAll(vendor, 'link', { ...settings, tokenUrl, headerSecret: 'x', password: 'x', clientSecret: 'x' }),
    ).rejects.toMatchObject({ code: 'credential_refused' })
  })

  test('neither a redirect nor a link leads to another host, or to another port of this one', async () => {
    await using vendor = await started()
    fill(vendor)
    let met = 0
    const elsewhere = await listen(
      createServer((_, response) => {
        met += 1
        response.end('[]')
      }),
    )
    const away = `http://127.0.0.1:${elsewhere.port}/link/events?cursor=c1`
    try {
      vendor.faults.next({ match: 'events', status: 302, headers: { location: away } })
      await expect(readAll(vendor, 'link')).rejects.toMatchObject({
        code: 'settings_invalid',
        fix: expect.stringContaining('redirects are not followed'),
      })
      const head = { status: 200, headers: { 'content-type': 'application/json', link: `<${away}>; rel=next` } }
      vendor.faults.next({ match: 'events', ...head, body: '[{"id":"1"}]' })
      await expect(readAll(vendor, 'link')).rejects.toMatchObject({
        code: 'source_refused',
        message: expect.stringContaining('another host'),
      })
      vendor.faults.next({ match: 'events', ...head, body: JSON.stringify({ value: [], paging: { next: away } }) })
      await expect(readAll(vendor, 'body-link')).rejects.toMatchObject({ code: 'source_refused' })
      expect(met).toBe(0)
    } finally {
      await elsewhere.close()
    }
  })

  test('a changed limit holds from the next opening on, and keeps what is signed in', () => {
    const book = new AccessBook()
    const first = book.of('a', { requests: 10, perSeconds: 60 })
    const { budget } = first
    expect(book.of('a', { requests: 10, perSeconds: 60 }).budget).toBe(budget)
    const second = book.of('a', { requests: 20, perSeconds: 60 })
    expect([second, second.budget === budget]).toEqual([first, false])
  })
})

describe('records of others', () => {
  const folder = path.join(import.meta.dirname, '../../../shared/data/stratus-red-team-cloudtrail')

  test.skipIf(!existsSync(folder))(
    'real records of an audit log come in by the list, none refused without a reason',
    async () => {
      const events = readdirSync(folder)
        .filter((name) => name.endsWith('.json'))
        .flatMap((name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as any[])
      await using vendor = await startRestApi({ pageRecords: 100 })
      vendor.clock.set('2030-01-01T00:00:00Z')
      for (const event of events) vendor.log.add(event, new Date(event.eventTime))
      const columns = { person: 'userIdentity.arn', at: 'eventTime', action: 'eventName', container: 'eventSource' }
      const mapping = { columns, verb: undefined, eventIdColumns: ['eventID'], personScheme: 'aws_principal' }
      const settings = { ...mapping, startDaysBack: 3_660, windowHours: 744 }
      const { config, ...rest } = inputOf(vendor, 'cursor', settings)
      const { pages } = await drain(genericRest.read({ config, ...rest, until: vendor.clock.now() }))
      const records = pages.flatMap((page) => [...(page.records as SourceRecord<any>[])])
      expect(records).toHaveLength(events.length)
      const wrong = records.filter(({ record }) => genericRest.map(record, config).type !== 'activity')
      // What the cloud does itself, or a role that is still to be assumed, is by nobody that has a name.
      expect(wrong.every(({ record }) => record.userIdentity.arn === undefined)).toBe(true)
      expect(wrong.length).toBeLessThan(events.length / 10)
    },
  )
})

describe('settings and checks', () => {
  test.each([
    [{ headerSecret: undefined }, 'headerSecret'],
    [{ auth: 'basic' }, 'username'],
    [{ auth: 'client_credentials' }, 'tokenUrl'],
    [{ nextAt: undefined }, 'nextAt'],
    [{ sinceParameter: undefined }, 'sinceParameter'],
    [{ paging: 'page', goesOn: 'by_cursor' }, 'goesOn'],
    [{ recordsAt: 'data.items' }, 'recordsAt'],
    [{ headers: { Authorization: 'Bearer x' } }, 'headers.Authorization'],
    [{ sweepHours: 12 }, 'sweepHours'],
    [{ columns: { person: 'who' } }, 'columns.at'],
  ])('%j is refused by name', async (settings, field) => {
    await using vendor = await started()
    expect(() => inputOf(vendor, 'cursor', settings)).toThrow(
      expect.objectContaining({ code: 'settings_invalid', field }),
    )
  })

  test('the checks tell address, account, place of the list and mapping apart', async () => {
    await using vendor = await started()
    const check = (id: string, settings = {}, way = 'cursor') =>
      genericRest.prerequisites
        .find((each) => each.id === id)
        ?.check({
          ...inputOf(vendor, way, settings),
          now: vendor.clock.now(),
          history: NO_HISTORY,
        })
    expect(await check('list-readable')).toMatchObject({ state: 'met', code: 'read_none' })
    fill(vendor)
    expect(await check('list-readable')).toMatchObject({ state: 'met', code: 'read' })
    expect(await check('mapping-fits')).toMatchObject({ state: 'met', code: 'fits' })
    expect(await check('list-readable', { headerSecret: 'wrong' })).toMatchObject({ code: 'credential_refused' })
    expect(await check('list-readable', { url: `${vendor.url}/nowhere` })).toMatchObject({ code: 'source_refused' })
    expect(await check('list-readable', { recordsAt: '/data' })).toMatchObject({
      state: 'unmet',
      code: 'settings_invalid',
      detail: expect.stringContaining('no list at /data'),
    })
    expect(await check('mapping-fits', { columns: { person: 'whom', at: 'time' } })).toMatchObject({
      state: 'unmet',
      code: 'mapping_fits_nothing',
      detail: expect.stringContaining('required_cell_empty at whom'),
    })
    vendor.faults.next({ match: 'events', status: 403, body: '{}' })
    expect(await check('list-readable')).toMatchObject({ state: 'unmet', code: 'permission_missing' })
  })

  test('pointers lead through lists, escaped names and nothing else', () => {
    const value = { 'a/b': { '~': [{ c: 1 }] }, list: [] }
    expect(pointed(value, '/a~1b/~0/0/c')).toBe(1)
    expect(pointed(value, '')).toBe(value)
    for (const nowhere of ['/a', '/list/0', '/list/00', '/list/length', '/constructor', '/__proto__'])
      expect(pointed(value, nowhere), nowhere).toBeUndefined()
    expect(['', '/', '/a~1b', 'a', '/~2'].map((pointer) => JSON_POINTER.test(pointer))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ])
  })
})
