import { createServer } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Fault, Faults, readBody, serve, throttled } from './faults.ts'
import { type Listening, listen } from './listening.ts'

const faults = new Faults()
let handled: string[] = []
let statuses: (number | null)[] = []
let listening: Listening

beforeEach(async () => {
  faults.clear()
  handled = []
  statuses = []
  listening = await listen(
    createServer(
      serve({
        faults,
        operation: () => 'echo',
        async handle(request) {
          const body = await readBody(request, 100)
          if (body === null) return { status: 413, body: 'long' }
          handled.push(`${request.method} ${request.url}`)
          return { status: 200, body: body.length > 0 ? body : '0123456789' }
        },
        wordFault: (_, { code }) => ({ status: 503, headers: { 'x-code': code }, body: `<${code}>` }),
        answered: (_, status) => statuses.push(status),
      }),
    ),
  )
})
afterEach(() => listening.close())

const ask = async (path = '/', init: RequestInit = {}): Promise<string> => {
  try {
    const response = await fetch(`http://127.0.0.1:${listening.port}${path}`, init)
    return `${response.status} ${await response.text()}`
  } catch (error) {
    const { cause, name } = error as Error & { cause?: { code?: string } }
    return cause?.code ?? name
  }
}

describe('which request meets a fault', () => {
  test.each<[string, Fault['match'], string]>([
    ['nothing said: any', undefined, '500 500 200'],
    ['the name of the operation', 'echo', '500 500 200'],
    ['a part of the line', '/b', '200 500 500'],
    ['a pattern, also one that keeps its place', /GET \/b/g, '200 500 500'],
    ['a function', ({ query }) => query.get('q') === 'ü', '200 200 500'],
    ['none', 'other', '200 200 200'],
  ])('%s', async (_, match, expected) => {
    faults.next({ ...(match === undefined ? {} : { match }), times: 2, status: 500 })
    const seen = []
    for (const path of ['/a', '/b', '/b?q=%C3%BC']) seen.push((await ask(path)).slice(0, 3))
    expect(seen.join(' ')).toBe(expected)
  })

  test('the one armed first wins, and skip lets some pass', async () => {
    const first = faults.next({ status: 500, skip: 1 })
    const second = faults.next({ status: 501, times: 2 })
    const seen = [await ask(), await ask(), await ask(), await ask()].map((text) => text.slice(0, 3))
    expect(seen).toEqual(['501', '500', '501', '200'])
    expect([first.hits, second.hits, faults.pending]).toEqual([1, 2, 0])
    faults.next({ status: 500 }).disarm()
    expect((await ask()).slice(0, 3)).toBe('200')
  })

  test.each([{ times: 0 }, { skip: -1 }, { cutAfterBytes: -1 }, { delayMs: Number.NaN }])(
    '%o cannot be meant',
    (fault) => {
      expect(() => faults.next(fault)).toThrow(RangeError)
    },
  )
})

describe('what a fault does', () => {
  test('another answer, and the request is not carried out', async () => {
    faults.next({ status: 429, headers: { 'retry-after': '7' }, body: 'slow' })
    const response = await fetch(`http://127.0.0.1:${listening.port}/`, { method: 'POST', body: 'x' })
    expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([429, '7', 'slow'])
    expect(handled).toEqual([])
    expect(statuses).toEqual([429])
  })

  test("a code is worded by the stand-in, and the fault's own words go before", async () => {
    faults.next({ code: 'Busy', times: 2 })
    faults.next({ code: 'Busy', status: 500, body: 'html' })
    expect([await ask(), await ask(), await ask()]).toEqual(['503 <Busy>', '503 <Busy>', '500 html'])
  })

  test('a lost acknowledgement: carried out, but not answered so', async () => {
    faults.next({ reset: true, handled: true })
    expect(await ask('/lost')).toMatch(/ECONNRESET|UND_ERR_SOCKET/)
    expect([handled, statuses]).toEqual([['GET /lost'], [null]])
  })

  test('a reset without an answer', async () => {
    faults.next({ reset: true })
    expect(await ask()).toMatch(/ECONNRESET|UND_ERR_SOCKET/)
    expect([handled, statuses]).toEqual([[], [null]])
  })

  test.each([0, 4])('the body is cut after %i bytes', async (cutAfterBytes) => {
    faults.next({ cutAfterBytes })
    const response = await fetch(`http://127.0.0.1:${listening.port}/`)
    expect([response.status, response.headers.get('content-length')]).toEqual([200, '10'])
    let read = 0
    const reading = (async () => {
      for await (const chunk of response.body ?? []) read += (chunk as Uint8Array).length
    })()
    await expect(reading).rejects.toThrow()
    expect(read).toBe(cutAfterBytes)
  })

  test('a body that is shorter than the cut is whole', async () => {
    faults.next({ cutAfterBytes: 10 })
    expect(await ask()).toBe('200 0123456789')
  })

  test('a hang lasts until the other side gives up, and the next request is fine', async () => {
    faults.next({ hang: true })
    expect(await ask('/', { signal: AbortSignal.timeout(60) })).toBe('TimeoutError')
    expect(statuses).toEqual([null])
    expect(await ask()).toBe('200 0123456789')
  })

  test('a delay alone changes nothing else', async () => {
    faults.next({ delayMs: 50 })
    const start = performance.now()
    expect(await ask()).toBe('200 0123456789')
    expect(performance.now() - start).toBeGreaterThanOrEqual(45)
  })

  test.each([
    [true, ['GET /']],
    [false, []],
  ])('an answer is kept back until it is let go (handled: %s)', async (handledFirst, meanwhile) => {
    let letGo = () => {}
    const until = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const kept = faults.next({ until, handled: handledFirst })
    const answer = ask()
    await expect.poll(() => kept.hits).toBe(1)
    expect(await ask('/other')).toBe('200 0123456789')
    expect(handled.filter((line) => line === 'GET /')).toEqual(meanwhile)
    letGo()
    expect(await answer).toBe('200 0123456789')
    expect(handled.filter((line) => line === 'GET /')).toEqual(['GET /'])
  })

  test('throttled writes Retry-After in seconds or as an HTTP date', () => {
    expect(throttled(30)).toEqual({ status: 429, headers: { 'retry-after': '30' } })
    const at = new Date('2026-11-20T09:10:41.500Z')
    expect(throttled(at).headers).toEqual({ 'retry-after': 'Fri, 20 Nov 2026 09:10:41 GMT' })
  })
})

test('a body above the limit is told from one at it', async () => {
  expect(await ask('/', { method: 'POST', body: 'x'.repeat(100) })).toBe(`200 ${'x'.repeat(100)}`)
  expect(await ask('/', { method: 'POST', body: 'x'.repeat(101) })).toBe('413 long')
})

test('a taken port is refused with the system’s own code', async () => {
  await expect(listen(createServer(), listening.port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
