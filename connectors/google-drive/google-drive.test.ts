import { readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import type { Activity, Mapped } from '../../domain/signal.ts'
import { type GoogleDrive, startGoogleDrive } from '../../sandbox/google-drive.ts'
import { virtualAccess } from '../../test/harness/access.ts'
import { NO_HISTORY, type Page, type Position } from '../connector.ts'
import { parseJson } from '../http/json.ts'
import { googleDrive } from './connector.ts'
import { eventsOf } from './items.ts'

const item = (name: string): any =>
  JSON.parse(readFileSync(path.join(import.meta.dirname, 'records', `${name}.json`), 'utf8'))
const OWN = { admin: 'admin@example.com', internalDomains: ['example.org'] }
const map = (record: unknown): Mapped => googleDrive.map(record, OWN)
const only = (name: string): unknown => eventsOf(item(name))[0]

describe('records', () => {
  test('a download keeps its instant, its person, its object and the owner', () => {
    const { raw, ...mapped } = map(only('download')) as Activity
    expect(mapped).toEqual({
      type: 'activity',
      sourceId: 'C0abc12|drive|2026-11-20T09:03:11.123Z|-4467811230098177|0',
      actor: { scheme: 'address', value: 'dana@example.com' },
      actorKind: 'user',
      at: new Date('2026-11-20T09:03:11.123Z'),
      verb: 'download',
      nativeEvent: 'download',
      outcome: 'success',
      object: 'Q4 forecast',
      container: 'dana@example.com',
      originIp: '91.198.174.10',
    })
    expect(raw).toEqual({ ...item('download'), eventIndex: 0 })
  })

  test('shared with somebody of another domain', () => {
    expect(map(only('share-external'))).toMatchObject({
      sourceId: 'C0abc12|drive|2026-11-20T10:15:00.004Z|-9223372036854775807|0',
      verb: 'share_add',
      nativeEvent: 'change_user_access',
      audienceAfter: 'specific_external',
      destinationIsExternal: true,
      flags: ['visibility_external'],
    })
  })

  test('an item of three events is three activities; consequences are secondary, a further own domain is inside', () => {
    const mapped = eventsOf(item('edit-and-share')).map((each) => map(each) as Activity)
    expect(mapped.map(({ verb, flags }) => [verb, flags])).toEqual([
      ['edit', undefined],
      ['share_change', ['secondary']],
      ['share_remove', ['secondary']],
    ])
    expect(mapped.map(({ sourceId }) => sourceId.slice(-21))).toEqual([
      '7310000000000000123|0',
      '7310000000000000123|1',
      '7310000000000000123|2',
    ])
    expect(mapped[1]).toMatchObject({ audienceAfter: 'specific_internal', destinationIsExternal: false })
    expect(mapped[2]?.destinationIsExternal).toBeUndefined()
  })

  test('a link for anyone is outside; taking it back gives nobody anything', () => {
    expect(map(only('link-for-anyone'))).toMatchObject({
      verb: 'share_add',
      at: new Date('2026-11-20T12:30:00Z'),
      audienceAfter: 'anyone_with_link',
      destinationIsExternal: true,
    })
    const back = only('link-for-anyone') as any
    for (const parameter of back.events[0].parameters) {
      if (parameter.name === 'old_value') parameter.multiValue = ['people_with_link']
      if (parameter.name === 'new_value') parameter.multiValue = ['private']
      if (parameter.name === 'visibility') parameter.value = 'private'
    }
    const mapped = map(back) as Activity
    expect([mapped.verb, mapped.audienceAfter, mapped.destinationIsExternal]).toEqual([
      'share_remove',
      'private',
      undefined,
    ])
  })

  test('a visitor without a name is no person; a shared drive is the container', () => {
    const mapped = map(only('anonymous-view')) as Activity
    expect(mapped).toMatchObject({
      actor: { scheme: 'vendor_id', value: 'google:anonymous' },
      actorKind: 'anonymous',
      verb: 'view',
      object: 'Roadmap',
      container: '0ADrive',
      flags: ['shared_drive'],
    })
    expect([mapped.originIp, mapped.destinationIsExternal]).toEqual([undefined, undefined])
  })

  test('outsiders, accounts of apps and an outside owner are told apart', () => {
    const by = (email: string) => map({ ...(only('download') as object), actor: { email } }) as Activity
    expect(by('rival@other.example').actorKind).toBe('external')
    expect(by('app@p.iam.gserviceaccount.com').actorKind).toBe('service')
    const foreign = JSON.parse(JSON.stringify(only('download')).replace('"value":"dana@', '"value":"dana@sub.'))
    expect((map(foreign) as Activity).flags).toEqual(['owner_external'])
  })

  test('a qualifier beyond 2^53 that comes as a number keeps its digits', () => {
    const sent = JSON.stringify(only('share-external')).replace('"-9223372036854775807"', '-9223372036854775807')
    expect((map(parseJson(sent)) as Activity).sourceId).toContain('|-9223372036854775807|')
  })

  test('what is unknown is kept; what has no id, name or time is rejected with its path', () => {
    const one = only('download') as any
    const named = (name: unknown) => ({ ...one, events: [{ name }] })
    expect(map(named('invented_tomorrow'))).toMatchObject({ verb: 'other', nativeEvent: 'invented_tomorrow' })
    expect(map(named('move_hierarchy_reconciled'))).toMatchObject({ verb: 'other', flags: ['secondary'] })
    expect(map(named(7))).toMatchObject({ code: 'field_invalid', cell: 'events[0].name' })
    expect(map({ ...one, id: { time: one.id.time } })).toMatchObject({ code: 'event_id_missing' })
    expect(map({ ...one, id: { ...one.id, time: 1763629391 } })).toMatchObject({
      code: 'date_invalid',
      cell: 'id.time',
    })
    expect(eventsOf({ id: 1 })).toEqual([{ id: 1 }])
  })

  test('never throws, whatever comes', () => {
    const one = only('share-external') as any
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(one)), (value, member) => {
        for (const each of [...eventsOf({ ...one, [member]: value }), ...eventsOf(value)]) {
          expect(['activity', 'rejected']).toContain(map(each).type)
        }
      }),
    )
  })
})

describe('reading', () => {
  async function started(): Promise<GoogleDrive> {
    const vendor = await startGoogleDrive({ pageItems: 2 })
    vendor.clock.set('2026-11-20T12:00:00Z')
    return vendor
  }
  function add(vendor: GoogleDrive, name: string, at: string, availableAt = at) {
    const { id, ...rest } = item('download')
    vendor.log.add({ ...rest, id: { ...id, time: at, uniqueQualifier: name } }, new Date(at), {
      availableAt: new Date(availableAt),
    })
  }
  const inputOf = (vendor: GoogleDrive, position: Position, settings = {}) => ({
    config: parseSettings(googleDrive.config, { ...vendor.settings, startDaysBack: 1, ...settings }),
    position,
    seen: async () => new Set<string>(),
    signal: new AbortController().signal,
    access: virtualAccess(vendor.clock),
  })
  async function readAll(vendor: GoogleDrive, position: Position = null, range?: { from: Date; to: Date }) {
    const pages: Page[] = []
    const input = inputOf(vendor, position)
    const found = range
      ? googleDrive.history?.readRange({ ...input, ...range, pace: async () => {} })
      : googleDrive.read({ ...input, until: vendor.clock.now() })
    for await (const page of found as AsyncIterable<Page>) pages.push(page)
    const records = pages.flatMap((page) => [...(page.records as { record: any }[])])
    return {
      pages,
      names: records.map(({ record }) => record.id.uniqueQualifier),
      position: pages.at(-1)?.after ?? position,
    }
  }

  test('reads windows newest first, resumes in mid-window, and again what lies within the overlap', async () => {
    await using vendor = await started()
    for (const [name, at] of [
      ['a', '08'],
      ['b', '09'],
      ['c', '10'],
      ['d', '11'],
    ]) {
      add(vendor, name as string, `2026-11-20T${at}:00:00Z`)
    }
    const first = await readAll(vendor)
    expect(first.names).toEqual(['d', 'c', 'b', 'a'])
    const half = first.pages.find(({ records }) => [...(records as any)].length > 0)?.after as Position
    expect((await readAll(vendor, half)).names).toEqual(['b', 'a'])
    vendor.clock.advance(600_000)
    expect((await readAll(vendor, first.position)).names).toEqual(['d', 'c', 'b'])
  })

  test('a page token that is refused begins its window anew', async () => {
    await using vendor = await started()
    for (const at of ['08', '09', '10']) add(vendor, at, `2026-11-20T${at}:00:00Z`)
    const first = await readAll(vendor)
    const half = first.pages.find(({ records }) => [...(records as any)].length > 0)?.after as Position
    vendor.forgetPageTokens()
    expect((await readAll(vendor, half)).names).toEqual(['10', '09', '08'])
    vendor.faults.next({ match: ({ query }) => query.has('pageToken'), times: 9, code: 'invalid' })
    await expect(readAll(vendor)).rejects.toMatchObject({ code: 'source_refused' })
  })

  test('finds an event twenty hours late by the sweep of the next day, not before', async () => {
    await using vendor = await started()
    add(vendor, 'late', '2026-11-19T16:00:00Z', '2026-11-20T12:30:00Z')
    const first = await readAll(vendor)
    vendor.clock.set('2026-11-20T13:00:00Z')
    const second = await readAll(vendor, first.position)
    expect([first.names, second.names]).toEqual([[], []])
    vendor.clock.set('2026-11-21T12:00:01Z')
    expect((await readAll(vendor, second.position)).names).toEqual(['late'])
  })

  test('a range ends before its end, and any of its positions resumes it', async () => {
    await using vendor = await started()
    for (const at of ['09:59:59', '10:00:00', '10:30:00', '10:59:59', '11:00:00']) add(vendor, at, `2026-11-19T${at}Z`)
    const range = { from: new Date('2026-11-19T10:00:00Z'), to: new Date('2026-11-19T11:00:00Z') }
    const whole = await readAll(vendor, null, range)
    expect(whole.names).toEqual(['10:59:59', '10:30:00', '10:00:00'])
    expect((await readAll(vendor, whole.pages[0]?.after as Position, range)).names).toEqual(['10:00:00'])
    expect((await readAll(vendor, whole.position, range)).names).toEqual([])
  })

  test('a quota is waited for, a missing privilege is not', async () => {
    await using vendor = await started()
    add(vendor, 'a', '2026-11-20T11:00:00Z')
    vendor.faults.next({ match: 'activities', code: 'userRateLimitExceeded' })
    expect((await readAll(vendor)).names).toEqual(['a'])
    vendor.faults.next({ match: 'activities', times: 9, code: 'accessNotConfigured' })
    await expect(readAll(vendor)).rejects.toMatchObject({
      code: 'permission_missing',
      fix: expect.stringContaining('Admin SDK API'),
    })
  })

  test('the checks tell delegation, admin and privilege apart', async () => {
    await using vendor = await started()
    const check = (id: string, settings = {}) =>
      googleDrive.prerequisites
        .find((each) => each.id === id)
        ?.check({
          ...inputOf(vendor, null, settings),
          now: vendor.clock.now(),
          history: NO_HISTORY,
        })
    expect(await check('delegated')).toMatchObject({ state: 'met' })
    expect(await check('log-readable')).toMatchObject({ state: 'met' })
    expect(await check('delegated', { admin: 'nobody@example.com' })).toMatchObject({ code: 'credential_refused' })
    vendor.faults.next({ match: 'token', code: 'unauthorized_client' })
    expect(await check('delegated')).toMatchObject({ state: 'unmet', code: 'permission_missing' })
    vendor.faults.next({ match: 'activities', code: 'forbidden' })
    expect(await check('log-readable')).toMatchObject({ state: 'unmet', code: 'permission_missing' })
  })

  test('a key file that is none is said without quoting it', async () => {
    await using vendor = await started()
    const broken = vendor.settings.serviceAccountKey.replace('BEGIN PRIVATE', 'BEGIN')
    for (const serviceAccountKey of [broken, 'c2VjcmV0']) {
      let error: any
      try {
        inputOf(vendor, null, { serviceAccountKey })
      } catch (caught) {
        error = caught
      }
      expect(error).toMatchObject({ code: 'settings_invalid', field: 'serviceAccountKey' })
      expect(String(error) + error.stack).not.toContain('c2VjcmV0')
    }
  })
})
