import { readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import { describe, expect, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import type { Activity, Mapped } from '../../domain/signal.ts'
import { BOX_APP, type Box, type BoxOptions, startBox } from '../../sandbox/box.ts'
import { virtualAccess } from '../../test/harness/access.ts'
import type { Page, Position } from '../connector.ts'
import { box } from './connector.ts'

const record = (name: string): any =>
  JSON.parse(readFileSync(path.join(import.meta.dirname, 'records', `${name}.json`), 'utf8'))
const map = (event: unknown): Mapped => box.map(event, undefined)

describe('records', () => {
  test('a download keeps its instant, its person and its size', () => {
    const { raw, ...mapped } = map(record('download')) as Activity
    expect(mapped).toEqual({
      type: 'activity',
      sourceId: 'c1d2e3f4-0a1b-4c2d-8e3f-405162738495',
      actor: { scheme: 'address', value: 'dana@example.com' },
      actorKind: 'user',
      at: new Date('2026-11-20T09:03:11Z'),
      verb: 'download',
      nativeEvent: 'DOWNLOAD',
      outcome: 'success',
      object: 'q4.xlsx',
      container: '99001',
      sizeBytes: 4811223,
      originIp: '91.198.174.10',
    })
    expect(raw).toEqual(record('download'))
  })

  test('a collaborator of another domain is outside, one of the owner’s own is not', () => {
    const invite = record('collaboration-invite')
    expect(map(invite)).toMatchObject({
      verb: 'share_add',
      at: new Date('2026-11-20T09:00:00Z'),
      object: 'Finance',
      audienceAfter: 'specific_external',
      destinationIsExternal: true,
    })
    const inside = { ...invite, accessible_by: { type: 'user', id: '8', login: 'kim@EXAMPLE.com' } }
    expect(map(inside)).toMatchObject({ audienceAfter: 'specific_internal', destinationIsExternal: false })
  })

  test('a link open to all is outside', () => {
    const share = { ...record('download'), event_type: 'SHARE', additional_details: { access: 'open' } }
    expect(map(share)).toMatchObject({
      verb: 'link_create',
      audienceAfter: 'anyone_with_link',
      destinationIsExternal: true,
    })
  })

  test('what Shield blocked keeps its verb and its outcome', () => {
    expect(map(record('download-blocked'))).toMatchObject({
      verb: 'download',
      outcome: 'blocked',
      flags: ['impersonated'],
    })
  })

  test('an alert of Shield is a finding about its user', () => {
    expect(map(record('shield-alert'))).toMatchObject({
      type: 'finding',
      people: [{ scheme: 'address', value: 'dana@example.com' }],
      at: new Date('2026-11-20T19:02:22Z'),
      nativeEvent: 'Downloads above own usual',
      severity: 'medium',
      category: 'anomalous_download',
      product: 'box_shield',
    })
  })

  test('a failed sign-in touches no object, and an address that is none is left out', () => {
    const mapped = map(record('failed-login')) as Activity
    expect(mapped).toMatchObject({ verb: 'login_failed', outcome: 'failure' })
    expect([mapped.object, mapped.originIp]).toEqual([undefined, undefined])
  })

  test('what is unknown is kept; what has no id, type or time is rejected with its path', () => {
    const one = record('download')
    expect(map({ ...one, event_type: 'INVENTED_TOMORROW', source: null, created_by: { id: '2' } })).toMatchObject({
      verb: 'other',
      nativeEvent: 'INVENTED_TOMORROW',
      actor: { scheme: 'vendor_id', value: 'box:anonymous' },
      actorKind: 'anonymous',
    })
    expect(map({ ...one, event_id: '' })).toMatchObject({ code: 'event_id_missing', cell: 'event_id' })
    expect(map({ ...one, event_type: null })).toMatchObject({ code: 'field_invalid', cell: 'event_type' })
    expect(map({ ...one, created_at: '2026-11-20 01:03:11' })).toMatchObject({
      code: 'date_invalid',
      cell: 'created_at',
    })
  })

  test('never throws, whatever comes', () => {
    const one = record('shield-alert')
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(one)), (value, member) => {
        expect(['activity', 'finding', 'rejected']).toContain(map({ ...one, [member]: value }).type)
        expect(['activity', 'finding', 'rejected']).toContain(map(value).type)
      }),
    )
  })
})

describe('reading', () => {
  const now = '2026-11-20T12:00:00Z'

  async function started(options: BoxOptions = {}): Promise<Box> {
    const vendor = await startBox({ pageEvents: 2, ...options })
    vendor.clock.set(now)
    return vendor
  }
  const add = (vendor: Box, name: string, at: string, more = {}) =>
    vendor.log.add({ ...record('download'), event_id: name, created_at: at }, new Date(at), more)

  async function readAll(
    vendor: Box,
    position: Position = null,
    { range, settings = {} }: { range?: { from: Date; to: Date }; settings?: object } = {},
  ) {
    const pages: Page[] = []
    const input = {
      config: parseSettings(box.config, { ...BOX_APP, apiUrl: vendor.url, ...settings }),
      position,
      seen: async () => new Set<string>(),
      signal: new AbortController().signal,
      access: virtualAccess(vendor.clock),
    }
    const found = range
      ? box.history?.readRange({ ...input, ...range, pace: async () => {} })
      : box.read({ ...input, until: vendor.clock.now() })
    for await (const page of found as AsyncIterable<Page>) pages.push(page)
    const names = pages.flatMap((page) => [...(page.records as { record: any }[])].map((each) => each.record.event_id))
    return { pages, names, position: pages.at(-1)?.after ?? position }
  }

  test('keeps positions that no double can hold, and goes on behind them', async () => {
    await using vendor = await started()
    for (const [index, name] of ['a', 'b', 'c'].entries()) add(vendor, name, `2026-11-20T0${index + 1}:00:00Z`)
    const first = await readAll(vendor)
    expect(first.names).toEqual(['a', 'b', 'c'])
    expect(first.position).toMatchObject({ position: '31152922976252290003' })
    add(vendor, 'd', '2026-11-20T12:00:00Z')
    expect((await readAll(vendor, first.position)).names).toEqual(['d'])
  })

  test('an empty stream does not begin anew', async () => {
    await using vendor = await started()
    const first = await readAll(vendor)
    expect([first.names, (first.position as any).position]).toEqual([[], '31152922976252290000'])
    add(vendor, 'a', '2026-11-20T11:59:00Z')
    expect((await readAll(vendor, first.position)).names).toEqual(['a'])
  })

  test('a position that Box has forgotten: the stream from now on, what was before from the log', async () => {
    await using vendor = await started()
    add(vendor, 'a', '2026-11-20T11:00:00Z')
    const first = await readAll(vendor)
    vendor.forgetPositions()
    add(vendor, 'b', '2026-11-20T12:00:00Z')
    vendor.clock.advance(60_000)
    const second = await readAll(vendor, first.position)
    expect(second.names).toEqual(['a', 'b'])
    add(vendor, 'c', '2026-11-20T12:01:00Z')
    expect((await readAll(vendor, second.position)).names).toEqual(['c'])
  })

  test('a connector that slept longer than the stream keeps reads the log of the time between', async () => {
    await using vendor = await started()
    add(vendor, 'a', '2026-11-20T11:00:00Z')
    const first = await readAll(vendor)
    add(vendor, 'dropped', '2026-11-21T00:00:00Z')
    vendor.clock.set('2026-12-20T12:00:00Z')
    add(vendor, 'kept', '2026-12-20T00:00:00Z')
    const { names } = await readAll(vendor, first.position)
    expect([...new Set(names)].sort()).toEqual(['a', 'dropped', 'kept'])
  })

  test('finds what the stream left out by the weekly sweep of the log', async () => {
    await using vendor = await started()
    add(vendor, 'left-out', '2026-11-20T11:00:00Z', { behindCursor: true })
    const first = await readAll(vendor)
    expect(first.names).toEqual([])
    vendor.clock.set('2026-11-26T12:00:00Z')
    const second = await readAll(vendor, first.position)
    expect(second.names).toEqual([])
    vendor.clock.set('2026-11-27T12:00:00Z')
    expect((await readAll(vendor, second.position)).names).toEqual(['left-out'])
  })

  test('a range holds both of its edges, and any of its positions resumes it', async () => {
    await using vendor = await started()
    for (const at of ['09:00:00', '10:00:00', '10:30:00', '10:59:59', '12:00:00']) add(vendor, at, `2026-11-19T${at}Z`)
    const range = { from: new Date('2026-11-19T10:00:00Z'), to: new Date('2026-11-19T11:00:00Z') }
    const whole = await readAll(vendor, null, { range })
    expect(whole.names).toEqual(['10:00:00', '10:30:00', '10:59:59'])
    const half = whole.pages[0]?.after as Position
    expect((await readAll(vendor, half, { range })).names).toEqual(['10:59:59'])
    expect((await readAll(vendor, whole.position, { range })).names).toEqual([])
  })

  test('signs in by JWT, also with a clock that is five minutes off', async () => {
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
    const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' }] }
    await using vendor = await started({ keys })
    vendor.clockOffsetMs = -300_000
    add(vendor, 'a', '2026-11-20T11:00:00Z')
    const settings = { privateKey: await exportPKCS8(privateKey), keyId: 'k1' }
    expect((await readAll(vendor, null, { settings })).names).toEqual(['a'])
  })

  test('a key that is none is said without quoting it', async () => {
    await using vendor = await started()
    const settings = { privateKey: '-----BEGIN RSA PRIVATE KEY----- c2VjcmV0', keyId: 'k1' }
    const error = await readAll(vendor, null, { settings }).catch((caught) => caught)
    expect(error).toMatchObject({ code: 'settings_invalid', field: 'privateKey' })
    expect(String(error) + error.stack).not.toContain('c2VjcmV0')
  })
})
