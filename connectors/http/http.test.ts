import { setTimeout as sleep } from 'node:timers/promises'
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import { describe, expect, test } from 'vitest'
import { VirtualClock } from '../../sandbox/clock.ts'
import { type Fault, throttled } from '../../sandbox/faults.ts'
import { isValidAssertion, json, TokenOffice } from '../../sandbox/vendor/tokens.ts'
import { startVendor, type Vendor } from '../../sandbox/vendor/vendor.ts'
import { type VirtualAccess, virtualAccess } from '../../test/harness/access.ts'
import type { RequestLimit } from '../access.ts'
import { backoffMs, retryAfterMs } from './backoff.ts'
import { type Http, openHttp } from './client.ts'
import { parseJson } from './json.ts'
import { basic, clientCredentials, jwtBearer, type SignIn } from './sign-in.ts'

const SECRET = 'a-secret-of-the-client'
const never = new AbortController().signal

interface Bench extends AsyncDisposable {
  vendor: Vendor
  tokens: TokenOffice
  access: VirtualAccess
  http: Http
  fail(fault: Fault): void
  data(): number
}

async function bench({
  limit = null,
  lifetimeSeconds = 3600,
  announcesLife = true,
  body = { ok: true },
  signIn,
}: {
  limit?: RequestLimit | null
  lifetimeSeconds?: number
  announcesLife?: boolean
  body?: unknown
  signIn?: (url: string) => SignIn
} = {}): Promise<Bench> {
  const clock = new VirtualClock()
  clock.set('2026-11-20T09:00:00Z')
  const tokens = new TokenOffice({
    clock,
    lifetimeSeconds,
    announcesLife,
    grants: (form) => form.get('client_secret') === SECRET,
  })
  const vendor = await startVendor(
    {
      operation: (_, path) => (path === '/token' ? 'token' : 'data'),
      handle: (request, operation) => {
        if (operation === 'token') return tokens.answer(request.body, request.headers)
        return tokens.verdict(request.headers) === 'valid' ? json(200, body) : json(401, { error: 'expired' })
      },
    },
    { clock },
  )
  const access = virtualAccess(clock, limit)
  return {
    vendor,
    tokens,
    access,
    http: openHttp({
      access,
      signal: never,
      base: `${vendor.url}/v1`,
      signIn:
        signIn?.(vendor.url) ?? clientCredentials({ url: `${vendor.url}/token`, clientId: 'me', clientSecret: SECRET }),
    }),
    fail: (fault) => void vendor.faults.next(fault),
    data: () => vendor.requests.filter(({ operation }) => operation === 'data').length,
    [Symbol.asyncDispose]: vendor.close,
  }
}

const call = { doing: 'reading events', to: 'events' }

describe('waiting and trying again', () => {
  test.each([
    ['seconds', 7, 7_000],
    ['an HTTP date', new Date('2026-11-20T09:00:12Z'), 12_000],
  ])('waits as long as the source asks in %s', async (_, asked, waited) => {
    await using b = await bench()
    b.fail({ match: 'data', ...throttled(asked) })
    expect((await b.http.json(call)).body).toEqual({ ok: true })
    expect(b.access.pauses).toEqual([waited])
  })

  test('hands a long wait on, capped, instead of sitting it out', async () => {
    await using b = await bench()
    b.fail({ match: 'data', ...throttled(86_400) })
    await expect(b.http.json(call)).rejects.toMatchObject({ code: 'source_throttled', retryAfterMs: 900_000 })
    expect(b.data()).toBe(1)
  })

  test.each([
    ['a 503 without a wait', { status: 503 }],
    ['a 500', { status: 500, body: '{"error":"x"}' }],
    ['a connection cut in mid-body', { cutAfterBytes: 3 }],
    ['a connection reset', { reset: true }],
    ['a page of a proxy', { status: 200, body: '<html>please sign in</html>' }],
    ['an empty body', { status: 200, body: '' }],
    ['a bad gateway', { status: 502, body: '<html></html>' }],
  ])('tries again after %s', async (_, fault) => {
    await using b = await bench()
    b.fail({ match: 'data', times: 2, ...fault })
    expect((await b.http.json(call)).body).toEqual({ ok: true })
    expect([b.data(), b.access.pauses.length]).toEqual([3, 2])
  })

  test.each([
    [400, 'source_refused'],
    [403, 'permission_missing'],
    [404, 'source_refused'],
    [422, 'source_refused'],
  ])('asks once where the answer is %d', async (status, code) => {
    await using b = await bench()
    b.fail({ match: 'data', times: 99, status, body: 'secret stuff about dana@example.com' })
    const error = await b.http.json(call).catch((caught) => caught)
    expect(error).toMatchObject({ code, retryable: false, message: `reading events failed: ${status}` })
    expect(b.data()).toBe(1)
    // What a log prints of an error: nothing of the body.
    expect(JSON.stringify({ ...error }) + String(error) + error.stack).not.toContain('dana')
  })

  test('gives up in the end with a code that is tried later', async () => {
    await using b = await bench()
    b.fail({ match: 'data', times: 99, reset: true })
    await expect(b.http.json(call)).rejects.toMatchObject({ code: 'connector_unreachable', retryable: true })
    expect(b.data()).toBe(5)
  })

  test('an import that is cancelled waits for nothing', async () => {
    await using b = await bench()
    const stop = new AbortController()
    const http = openHttp({ access: b.access, signal: stop.signal, base: b.vendor.url, signIn: basic('a', 'b') })
    b.fail({ hang: true })
    setTimeout(() => stop.abort(new Error('stopped')), 50)
    await expect(http.json(call)).rejects.toThrow('stopped')
  })

  test('an answer that never comes is a time-out', async () => {
    await using b = await bench()
    b.fail({ match: 'data', times: 9, hang: true })
    await expect(b.http.json({ ...call, timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout', retryable: true })
  })

  test('a body may take longer than a source may be silent, and so may whoever reads it', async () => {
    await using b = await bench()
    const pieces = async function* () {
      for (const piece of ['a', 'b', 'c']) {
        await sleep(60)
        yield Buffer.from(piece)
      }
    }
    b.access.fetch = async () => new Response(ReadableStream.from(pieces()) as ReadableStream)
    const http = openHttp({ access: b.access, signal: never, base: b.vendor.url, signIn: basic('a', 'b') })
    let text = ''
    for await (const piece of (await http.stream({ ...call, timeoutMs: 100 })).body) {
      text += Buffer.from(piece).toString()
      await sleep(60)
    }
    expect(text).toBe('abc')
  })

  test('a body that falls silent is a time-out', async () => {
    await using b = await bench()
    const silent = async (_: unknown, init?: RequestInit) =>
      new Response(
        new ReadableStream({
          start(stream) {
            stream.enqueue(Buffer.from('a'))
            init?.signal?.addEventListener('abort', () => stream.error(init.signal?.reason))
          },
        }),
      )
    b.access.fetch = silent as typeof fetch
    const http = openHttp({ access: b.access, signal: never, base: b.vendor.url, signIn: basic('a', 'b') })
    const { body } = await http.stream({ ...call, timeoutMs: 50 })
    const drain = async () => {
      for await (const _ of body);
    }
    await expect(drain()).rejects.toMatchObject({ code: 'timeout', retryable: true })
  })

  test('jitter is full, doubles, and is capped', () => {
    expect([1, 2, 3, 20].map((attempt) => backoffMs(attempt, () => 1))).toEqual([2_000, 4_000, 8_000, 300_000])
    expect(backoffMs(5, () => 0)).toBe(0)
    expect(retryAfterMs('soon', 0)).toBeUndefined()
    expect(retryAfterMs('Thu, 01 Jan 1970 00:00:00 GMT', 5_000)).toBe(0)
  })
})

describe('signing in', () => {
  test('one token serves many calls at once and is renewed when four fifths of its life are over', async () => {
    await using b = await bench({ lifetimeSeconds: 100 })
    await Promise.all([b.http.json(call), b.http.json(call), b.http.json(call)])
    b.vendor.clock.advance(79_000)
    await b.http.json(call)
    expect(b.tokens.issued).toBe(1)
    b.vendor.clock.advance(2_000)
    await b.http.json(call)
    expect(b.tokens.issued).toBe(2)
    expect(b.vendor.requests.filter(({ status }) => status === 401)).toEqual([])
  })

  test('a token taken back before its time is renewed once', async () => {
    await using b = await bench({ announcesLife: false })
    await b.http.json(call)
    b.tokens.revokeAll()
    expect((await b.http.json(call)).body).toEqual({ ok: true })
    expect(b.tokens.issued).toBe(2)
  })

  test('a source that refuses a fresh token is asked no more', async () => {
    await using b = await bench()
    b.fail({ match: 'data', times: 99, status: 401 })
    await expect(b.http.json(call)).rejects.toMatchObject({ code: 'credential_refused', retryable: false })
    expect([b.data(), b.tokens.issued]).toEqual([2, 2])
  })

  test('a refused secret is said, not shown', async () => {
    await using b = await bench({
      signIn: (url) => clientCredentials({ url: `${url}/token`, clientId: 'me', clientSecret: 'wrong-secret' }),
    })
    const error = await b.http.json(call).catch((caught) => caught)
    expect(error).toMatchObject({ code: 'credential_refused', message: 'signing in failed: 400 invalid_grant' })
    expect(JSON.stringify({ ...error }) + error.stack).not.toContain('wrong-secret')
    expect(b.tokens.refused).toBe(1)
  })

  test.each([
    ['RS256', 'RS256'],
    ['PS256', 'PS256'],
  ] as const)(
    'a signed statement (%s) is accepted, also by a source whose clock is five minutes ahead',
    async (_, algorithm) => {
      const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
      const pem = await exportPKCS8(privateKey)
      const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: algorithm }] }
      await using vendor = await startVendor({
        operation: () => 'token',
        async handle({ path, body }) {
          if (path !== '/token') return json(200, { ok: true })
          const rules = {
            clock: vendor.clock,
            keys,
            issuer: 'service@example.com',
            audience: 'https://vendor.test/token',
            maxLifetimeSeconds: 60,
            clockOffsetMs: vendor.clockOffsetMs,
          }
          return (await isValidAssertion(new URLSearchParams(body.toString()).get('assertion'), rules))
            ? json(200, { access_token: 't', expires_in: 60, token_type: 'Bearer' })
            : json(400, { error: 'invalid_grant' })
        },
      })
      const ask = () => {
        const access = virtualAccess(vendor.clock)
        const signIn = jwtBearer({
          url: `${vendor.url}/token`,
          privateKey: pem,
          keyId: 'k1',
          algorithm,
          issuer: 'service@example.com',
          audience: 'https://vendor.test/token',
          lifetimeSeconds: 45,
        })
        return openHttp({ access, signal: never, base: vendor.url, signIn }).json(call)
      }
      await expect(ask()).resolves.toMatchObject({ body: { ok: true } })
      vendor.clockOffsetMs = 300_000
      await expect(ask()).resolves.toMatchObject({ body: { ok: true } })
      vendor.clockOffsetMs = 0
      keys.keys.pop()
      await expect(ask()).rejects.toMatchObject({ code: 'credential_refused' })
    },
  )
})

describe('staying at home', () => {
  test.each([301, 302, 307, 308])('follows no redirect (%d)', async (status) => {
    await using b = await bench()
    await using elsewhere = await startVendor({ operation: () => 'trap', handle: () => json(200, {}) })
    b.fail({ match: 'data', times: 9, status, headers: { location: `${elsewhere.url}/v1/events` } })
    await expect(b.http.json(call)).rejects.toMatchObject({ code: 'settings_invalid', retryable: false })
    expect(elsewhere.requests).toEqual([])
  })

  test.each(['http://localhost:1/v1/events?page=2', '//127.0.0.2/x', 'https://127.0.0.1/x', 'http://a@b:c'])(
    'a next page at %s is not asked for',
    async (to) => {
      await using b = await bench()
      await expect(b.http.json({ ...call, to })).rejects.toMatchObject({ code: 'source_refused' })
      expect(b.vendor.requests).toEqual([])
    },
  )

  test('a next page at home is', async () => {
    await using b = await bench()
    await b.http.json({ ...call, to: `${b.vendor.url}/v1/events?page=2`, query: { limit: 5 } })
    expect(b.vendor.requests.at(-1)).toMatchObject({ path: '/v1/events', query: ['limit', 'page'] })
  })
})

test('stays below the documented limit in every stretch of its length', async () => {
  await using b = await bench({ limit: { requests: 10, perSeconds: 60 } })
  for (let index = 0; index < 30; index += 1) await b.http.json(call)
  const times = b.vendor.requests.map(({ at }) => at.getTime())
  const most = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 60_000).length))
  expect(most).toBe(9)
})

test('an answer longer than allowed is not taken in', async () => {
  await using b = await bench({ body: { long: 'x'.repeat(5_000) } })
  await expect(b.http.json({ ...call, maxBytes: 1_000 })).rejects.toMatchObject({ code: 'body_too_large' })
})

test('streams a body, and says when it was cut', async () => {
  await using b = await bench({ body: { long: 'x'.repeat(5_000) } })
  const read = async () => {
    let bytes = 0
    for await (const chunk of (await b.http.stream(call)).body) bytes += chunk.length
    return bytes
  }
  expect(await read()).toBe(5_011)
  b.fail({ match: 'data', cutAfterBytes: 100 })
  await expect(read()).rejects.toMatchObject({ code: 'connector_unreachable' })
  b.fail({ match: 'data', status: 403 })
  await expect(read()).rejects.toMatchObject({ code: 'permission_missing' })
})

test('integers that do not fit are kept as their digits', () => {
  expect(
    parseJson(
      '{"p":31152922976252290123,"q":-9007199254740993,"n":12,"f":0.1234567890123456789,"s":"1234567890123456789"}',
    ),
  ).toEqual({
    p: '31152922976252290123',
    q: '-9007199254740993',
    n: 12,
    f: 0.12345678901234568,
    s: '1234567890123456789',
  })
  expect(parseJson('{"a":')).toBeUndefined()
  expect(parseJson('')).toBeUndefined()
})
