import { readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import type { Activity, Mapped } from '../../domain/signal.ts'
import { DROPBOX_APP, type Dropbox, startDropbox } from '../../sandbox/dropbox.ts'
import { virtualAccess } from '../../test/harness/access.ts'
import { NO_HISTORY, type Page, type Position } from '../connector.ts'
import { dropbox } from './connector.ts'

const record = (name: string): any =>
  JSON.parse(readFileSync(path.join(import.meta.dirname, 'records', `${name}.json`), 'utf8'))
const map = (event: unknown): Mapped => dropbox.map(event, undefined)

describe('records', () => {
  test('a download keeps its instant, its person, and counts every asset', () => {
    const { raw, ...mapped } = map(record('file-download')) as Activity
    expect(mapped).toEqual({
      type: 'activity',
      sourceId: expect.stringMatching(/^[0-9a-f]{64}$/),
      actor: { scheme: 'address', value: 'dana@example.com' },
      actorKind: 'user',
      at: new Date('2026-11-20T09:03:11Z'),
      verb: 'download',
      nativeEvent: 'file_download',
      outcome: 'success',
      object: '/Finance/q4.xlsx',
      container: '1234',
      sizeBytes: 4812223,
      itemCount: 8,
      originIp: '91.198.174.10',
      flags: ['via_desktop'],
    })
    expect(raw).toEqual(record('file-download'))
  })

  test('a link made public by an admin in somebody else’s name', () => {
    expect(map(record('shared-link-made-public'))).toMatchObject({
      verb: 'share_change',
      audienceAfter: 'anyone_with_link',
      destinationIsExternal: true,
      actor: { scheme: 'address', value: 'lee@example.com' },
      object: 'Roadmap',
      originIp: '2a01:e0a::7',
      flags: ['impersonated'],
    })
  })

  test('an outsider invited', () => {
    expect(map(record('invited-outsider'))).toMatchObject({
      verb: 'share_add',
      audienceAfter: 'specific_external',
      destinationIsExternal: true,
      object: '/Finance',
      sizeBytes: 0,
    })
  })

  test('a visitor without a name is no person, and looking is not giving away', () => {
    const mapped = map(record('anonymous-view')) as Activity
    expect(mapped).toMatchObject({ verb: 'preview', actorKind: 'anonymous', object: '/a.pdf' })
    expect(mapped.destinationIsExternal).toBeUndefined()
  })

  test('an alert of Dropbox is a finding about the member', () => {
    expect(map(record('alert'))).toMatchObject({
      type: 'finding',
      people: [{ scheme: 'address', value: 'dana@example.com' }],
      severity: 'high',
      category: 'massive_file_operation',
      nativeEvent: 'Massive file operation: delete',
      product: 'dropbox',
      state: 'open',
      at: new Date('2026-11-20T12:00:00Z'),
    })
  })

  test('what the vendor words anew makes no new event; what happened does', () => {
    const one = record('file-download')
    const reworded = structuredClone(one)
    reworded.event_type.description = 'Files heruntergeladen'
    reworded.actor.user.display_name = 'D. Roe-Smith'
    reworded.origin.geo_location.city = 'Potsdam'
    const id = (event: unknown) => (map(event) as Activity).sourceId
    expect(id(reworded)).toBe(id(one))
    const other = structuredClone(one)
    other.assets[0].display_name = 'q3.xlsx'
    expect(id(other)).not.toBe(id(one))
    expect(id({ ...one, timestamp: '2026-11-20T09:03:12Z' })).not.toBe(id(one))
  })

  test('what is unknown is kept; what has no type or time is rejected with its path', () => {
    const one = record('file-download')
    expect(map({ ...one, event_type: { '.tag': 'invented_tomorrow' }, actor: { '.tag': 'other' } })).toMatchObject({
      verb: 'other',
      nativeEvent: 'invented_tomorrow',
      actor: { value: 'dropbox:unknown' },
    })
    expect(map({ ...one, event_type: null })).toMatchObject({ code: 'field_invalid', cell: 'event_type..tag' })
    expect(map({ ...one, timestamp: 1763629391 })).toMatchObject({ code: 'date_invalid', cell: 'timestamp' })
    expect(map({ timestamp: one.timestamp, event_type: one.event_type })).toMatchObject({ type: 'activity' })
  })

  test('never throws, whatever comes', () => {
    const one = record('file-download')
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(one)), (value, member) => {
        expect(['activity', 'finding', 'rejected']).toContain(map({ ...one, [member]: value }).type)
        expect(['activity', 'finding', 'rejected']).toContain(map(value).type)
      }),
    )
  })
})

describe('reading the log', () => {
  const now = new Date('2026-11-20T12:00:00Z')
  const event = (name: string, timestamp: string) => ({
    ...record('file-download'),
    timestamp,
    assets: [{ '.tag': 'file', path: { contextual: name }, file_id: name }],
  })

  async function readAll(vendor: Dropbox, position: Position = null, range?: { from: Date; to: Date }) {
    const pages: Page[] = []
    const input = {
      config: parseSettings(dropbox.config, { ...DROPBOX_APP, apiUrl: vendor.url }),
      position,
      seen: async () => new Set<string>(),
      signal: new AbortController().signal,
      access: virtualAccess(vendor.clock),
    }
    const found = range
      ? dropbox.history?.readRange({ ...input, ...range, pace: async () => {} })
      : dropbox.read({ ...input, until: vendor.clock.now() })
    for await (const page of found as AsyncIterable<Page>) pages.push(page)
    const records = pages.flatMap((page) => [...(page.records as { record: any }[])])
    return {
      pages,
      position: pages.at(-1)?.after ?? position,
      names: records.map((each) => each.record.assets[0].file_id),
    }
  }

  async function started(): Promise<Dropbox> {
    const vendor = await startDropbox({ pageEvents: 2, emptyEvery: 3 })
    vendor.clock.set(now)
    return vendor
  }
  const add = (vendor: Dropbox, name: string, at: string, availableAt = at) =>
    vendor.log.add(event(name, at), new Date(at), { availableAt: new Date(availableAt) })

  test('follows the cursor over short and empty pages, and goes on where it was', async () => {
    await using vendor = await started()
    for (const name of ['a', 'b', 'c', 'd', 'e']) add(vendor, name, `2026-11-20T0${name.charCodeAt(0) - 96}:00:00Z`)
    const first = await readAll(vendor)
    expect(first.names).toEqual(['a', 'b', 'c', 'd', 'e'])
    add(vendor, 'f', '2026-11-20T12:01:00Z')
    vendor.clock.advance(300_000)
    expect((await readAll(vendor, first.position)).names).toEqual(['f'])
  })

  test('finds an event twenty hours late by the sweep of the next day, not before', async () => {
    await using vendor = await started()
    add(vendor, 'a', '2026-11-20T11:00:00Z')
    add(vendor, 'late', '2026-11-19T16:00:00Z', '2026-11-20T12:30:00Z')
    const first = await readAll(vendor)
    expect(first.names).toEqual(['a'])
    vendor.clock.set('2026-11-20T13:00:00Z')
    const second = await readAll(vendor, first.position)
    expect(second.names).toEqual([])
    vendor.clock.set('2026-11-21T12:00:01Z')
    expect((await readAll(vendor, second.position)).names.sort()).toEqual(['a', 'late'])
  })

  test.each(['reset', 'bad_cursor'] as const)(
    'a cursor lost by %s is begun anew before the last event',
    async (kind) => {
      await using vendor = await started()
      add(vendor, 'a', '2026-11-20T11:00:00Z')
      const first = await readAll(vendor)
      vendor.forgetCursors(kind)
      add(vendor, 'b', '2026-11-20T11:59:00Z')
      expect((await readAll(vendor, first.position)).names).toEqual(['a', 'b'])
    },
  )

  test('a range ends before its end, and any of its positions resumes it', async () => {
    await using vendor = await started()
    for (const [name, at] of [
      ['before', '09:59:59'],
      ['first', '10:00:00'],
      ['last', '10:59:59'],
      ['after', '11:00:00'],
    ]) {
      add(vendor, name as string, `2026-11-20T${at}Z`)
    }
    const range = { from: new Date('2026-11-20T10:00:00Z'), to: new Date('2026-11-20T11:00:00Z') }
    const whole = await readAll(vendor, null, range)
    expect(whole.names).toEqual(['first', 'last'])
    expect((await readAll(vendor, whole.position, range)).names).toEqual([])
  })

  test('a missing scope stops the import and says what to do', async () => {
    await using vendor = await started()
    vendor.faults.next({ match: 'get_events', times: 9, code: 'missing_scope' })
    await expect(readAll(vendor)).rejects.toMatchObject({
      code: 'permission_missing',
      fix: expect.stringContaining('events.read'),
    })
    expect(vendor.requests.map(({ operation }) => operation)).toEqual(['token', 'get_events'])
  })

  test('the check says whether the log may be read', async () => {
    await using vendor = await started()
    const [readable] = dropbox.prerequisites
    const check = (settings: object) =>
      readable?.check({
        config: parseSettings(dropbox.config, { ...DROPBOX_APP, apiUrl: vendor.url, ...settings }),
        now,
        history: NO_HISTORY,
        signal: new AbortController().signal,
        access: virtualAccess(vendor.clock),
      })
    expect(await check({})).toMatchObject({ state: 'met' })
    expect(await check({ appSecret: 'wrong' })).toMatchObject({ state: 'unmet', code: 'credential_refused' })
  })
})
