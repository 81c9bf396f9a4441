import { randomBytes } from 'node:crypto'
import { defaultPayloadConverter } from '@temporalio/common'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EncryptingCodec } from '../../activities/payload-codec.ts'
import { createKeyRing } from '../../db/keyring.ts'
import { type Api, api } from './api.ts'

const codec = new EncryptingCodec(createKeyRing())
const capability = randomBytes(24).toString('base64url')
const origin = 'http://127.0.0.1:8233'
let t: Api
beforeAll(async () => {
  t = await api({ codec: { codec, capability, origin } })
})
afterAll(() => t[Symbol.asyncDispose]())

const post = (path: string, body: unknown) =>
  fetch(`${t.url}/codec/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json' },
  })

const encode = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString('base64')

test("Temporal's UI reads what workflows were given, and only with the capability", async () => {
  const [payload] = await codec.encode([defaultPayloadConverter.toPayload({ alertId: 'a-1' })])
  const wire = {
    metadata: Object.fromEntries(Object.entries(payload?.metadata ?? {}).map(([name, value]) => [name, encode(value)])),
    data: encode(payload?.data),
  }
  const decoded = await post(`${capability}/decode`, { payloads: [wire] })
  expect(decoded.status).toBe(200)
  expect(decoded.headers.get('Access-Control-Allow-Origin')).toBe(origin)
  const { payloads } = (await decoded.json()) as { payloads: { data: string }[] }
  expect(JSON.parse(Buffer.from(payloads[0]?.data ?? '', 'base64').toString())).toEqual({ alertId: 'a-1' })

  const back = (await (await post(`${capability}/encode`, { payloads })).json()) as { payloads: { data: string }[] }
  expect(back.payloads[0]?.data).not.toBe(payloads[0]?.data)
  const round = (await (await post(`${capability}/decode`, back)).json()) as { payloads: unknown[] }
  expect(round.payloads).toEqual(payloads)

  for (const wrong of ['x', `${capability.slice(0, -1)}~`, `${capability}x`]) {
    const refused = await post(`${wrong}/decode`, { payloads: [wire] })
    expect(refused.status).toBe(404)
    expect(refused.headers.get('Access-Control-Allow-Origin')).toBeNull()
    expect(((await refused.json()) as { code: string }).code).toBe('not_found')
  }
})

test('its preflight answers the one origin; what is no list of payloads is refused', async () => {
  const preflight = await fetch(`${t.url}/codec/${capability}/decode`, { method: 'OPTIONS' })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('Access-Control-Allow-Origin')).toBe(origin)
  expect(preflight.headers.get('Access-Control-Allow-Headers')).toContain('X-Namespace')
  const refused = await post(`${capability}/decode`, { payloads: 'x' })
  expect(refused.status).toBe(400)
  const large = await post(`${capability}/decode`, { payloads: [{ data: 'x'.repeat(5_000_000) }] })
  expect(large.status).toBe(413)
})

test('without it there is no such address', async () => {
  await using plain = await api()
  const answer = await fetch(`${plain.url}/codec/${capability}/decode`, { method: 'POST', body: '{}' })
  expect(answer.status).toBe(404)
})
