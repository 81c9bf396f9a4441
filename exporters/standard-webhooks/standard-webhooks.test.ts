import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { Webhook } from 'standardwebhooks'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import { selfSignedCertificate } from '../../sandbox/certificate.ts'
import { listen } from '../../sandbox/listening.ts'
import { startWebhookReceiver } from '../../sandbox/webhook-receiver.ts'
import { context, exporterContract } from '../contract.ts'
import { aManifest, anAlert } from '../contract-events.ts'
import type { OutboundDelivery, Sender, SenderContext } from '../exporter.ts'
import { MAX_RETRY_AFTER_MS, retryAfterOf } from '../http-outcome.ts'
import { webhookBody } from './body.ts'
import { standardWebhooks } from './exporter.ts'

const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const previousSecret = `whsec_${Buffer.alloc(24, 2).toString('base64')}`

exporterContract({
  definition: standardWebhooks,
  settings: ({ host, port, secure, ca }) => ({
    url: `${secure ? 'https' : 'http'}://${host}:${port}/hook`,
    secret,
    ...(ca ? { caCertificate: ca } : {}),
  }),
  secrets: ['secret', 'previousSecret'],
  format: ({ number, event }) => webhookBody(number, event),
  certificate: selfSignedCertificate,
})

const eventId = (number: number) => `01936a3e-0000-7000-8000-${String(number).padStart(12, '0')}`
const delivery = (number: number): OutboundDelivery => ({
  number,
  attempt: 1,
  event: anAlert({ event_id: eventId(number) }),
})
const deliveries = (...numbers: number[]) => numbers.map(delivery)

async function opened(settings: Record<string, unknown>, more: Partial<SenderContext> = {}): Promise<Sender> {
  const sender = await standardWebhooks.open(parseSettings(standardWebhooks.config, { secret, ...settings }), {
    ...context,
    ...more,
  })
  onTestFinished(() => sender.close())
  return sender
}

interface Seen {
  url: string
  headers: Record<string, string>
  body: string
}

/** A receiver that answers as told and keeps every request as it came. */
async function receiver(answer: RequestListener) {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (piece: string) => {
      body += piece
    })
    request.on('end', () => {
      seen.push({ url: request.url ?? '', headers: request.headers as Record<string, string>, body })
      answer(request, response)
    })
  })
  let connections = 0
  server.on('connection', () => {
    connections += 1
  })
  const listening = await listen(server)
  onTestFinished(() => listening.close())
  return {
    seen,
    url: `http://127.0.0.1:${listening.port}/hook`,
    get connections() {
      return connections
    },
  }
}

describe('messages', () => {
  test('arrive signed, in order and over one connection', async () => {
    await using siem = await startWebhookReceiver({ secret })
    const sender = await opened({ url: siem.url })
    const outcomes = await sender.send([...deliveries(1, 2, 3), { number: 4, attempt: 1, event: aManifest() }])
    expect(outcomes).toEqual(Array(4).fill({ state: 'accepted', responseCode: '204' }))
    expect(siem.messages.map(({ id, body }) => [body.data.sequence, id, body.type])).toEqual([
      [1, eventId(1), 'insider_risk.alert.confirmed'],
      [2, eventId(2), 'insider_risk.alert.confirmed'],
      [3, eventId(3), 'insider_risk.alert.confirmed'],
      [4, aManifest().event_id, 'insider_risk.manifest'],
    ])
    expect(siem.forged).toBe(0)
  })

  test('are one in flight, over a connection that is kept', async () => {
    let inFlight = 0
    let most = 0
    const siem = await receiver((_, response) => {
      most = Math.max(most, ++inFlight)
      setTimeout(() => {
        inFlight -= 1
        response.writeHead(200).end('{"ok":true}')
      }, 5)
    })
    const sender = await opened({ url: siem.url })
    expect(await sender.send(deliveries(1, 2, 3, 4, 5))).toHaveLength(5)
    expect([most, siem.connections]).toEqual([1, 1])
  })

  test('keep id and bytes over attempts, and are signed for the time of each', async () => {
    const siem = await receiver((_, response) => void response.writeHead(siem.seen.length === 1 ? 503 : 204).end())
    const sender = await opened({ url: siem.url })
    expect(await sender.send(deliveries(1))).toMatchObject([{ state: 'retry', responseCode: '503' }])
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    expect(await sender.send([{ ...delivery(1), attempt: 2 }])).toMatchObject([{ state: 'accepted' }])
    const [first, second] = siem.seen as [Seen, Seen]
    expect(second.body).toBe(first.body)
    expect(second.headers['webhook-id']).toBe(first.headers['webhook-id'])
    expect(Number(second.headers['webhook-timestamp'])).toBeGreaterThan(Number(first.headers['webhook-timestamp']))
    for (const { body, headers } of siem.seen) expect(() => new Webhook(secret).verify(body, headers)).not.toThrow()
  })

  test('carry both signatures while a secret is rotated, and only one otherwise', async () => {
    const siem = await receiver((_, response) => void response.writeHead(204).end())
    await (await opened({ url: siem.url, previousSecret })).send(deliveries(1))
    await (await opened({ url: siem.url })).send(deliveries(1))
    const [rotating, settled] = siem.seen as [Seen, Seen]
    expect(rotating.headers['webhook-signature']?.split(' ')).toHaveLength(2)
    for (const each of [secret, previousSecret]) {
      expect(() => new Webhook(each).verify(rotating.body, rotating.headers)).not.toThrow()
    }
    expect(() => new Webhook(previousSecret).verify(settled.body, settled.headers)).toThrow('No matching signature')
  })

  test('go over TLS to a receiver whose authority was entered', async () => {
    const pair = selfSignedCertificate()
    const listening = await listen(
      createSecureServer(pair, (request, response) => request.resume().on('end', () => response.writeHead(202).end())),
    )
    onTestFinished(() => listening.close())
    const sender = await opened({ url: `https://localhost:${listening.port}/hook`, caCertificate: pair.cert })
    expect(await sender.send(deliveries(1, 2))).toEqual(Array(2).fill({ state: 'accepted', responseCode: '202' }))
  })
})

describe('answers', () => {
  test.each([
    [200, 'accepted'],
    [204, 'accepted'],
    [299, 'accepted'],
    [301, 'refused'],
    [304, 'refused'],
    [307, 'refused'],
    [400, 'refused'],
    [401, 'refused'],
    [403, 'refused'],
    [404, 'refused'],
    [408, 'retry'],
    [410, 'refused'],
    [413, 'refused'],
    [422, 'refused'],
    [425, 'retry'],
    [429, 'retry'],
    [500, 'retry'],
    [501, 'retry'],
    [502, 'retry'],
    [503, 'retry'],
    [504, 'retry'],
    [529, 'retry'],
  ])('%i is %s', async (status, state) => {
    const siem = await receiver((_, response) => void response.writeHead(status, { location: '/elsewhere' }).end())
    const [outcome, ...others] = await (await opened({ url: siem.url })).send(deliveries(1))
    expect(others).toEqual([])
    expect(outcome).toMatchObject({ state, responseCode: String(status) })
    if (outcome?.state === 'refused') expect(outcome.fix).toMatch(/\S+ .*\.$/)
    expect(siem.seen.map(({ url }) => url)).toEqual(['/hook'])
  })

  test('that are not an acceptance end the batch', async () => {
    const siem = await receiver(
      (_, response) => void response.writeHead(siem.seen.length === 2 ? 429 : 204, { 'retry-after': '7' }).end(),
    )
    expect(await (await opened({ url: siem.url })).send(deliveries(1, 2, 3))).toEqual([
      { state: 'accepted', responseCode: '204' },
      { state: 'retry', responseCode: '429', detail: 'the receiver answered 429', retryAfterMs: 7_000 },
    ])
    expect(siem.seen).toHaveLength(2)
  })

  test.each([
    ['0', 0],
    ['120', 120_000],
    ['99999999', MAX_RETRY_AFTER_MS],
    ['Wed, 04 Mar 2026 12:00:30 GMT', 30_000],
    ['Wed, 04 Mar 2026 11:00:00 GMT', 0],
    ['Thu, 04 Mar 2027 12:00:00 GMT', MAX_RETRY_AFTER_MS],
    ['soon', null],
    ['-5', null],
    ['1.5', null],
    ['', null],
    [undefined, null],
  ])('Retry-After %s waits %s ms', (header, expected) => {
    expect(retryAfterOf(header, Date.parse('2026-03-04T12:00:00Z'))).toBe(expected)
  })

  test('that got lost are asked for again, and the receiver knows the message by its id', async () => {
    await using siem = await startWebhookReceiver({ secret })
    siem.answer({ times: 1, cut: true })
    const sender = await opened({ url: siem.url })
    expect(await sender.send(deliveries(1))).toMatchObject([{ state: 'retry' }])
    expect(await sender.send(deliveries(1))).toMatchObject([{ state: 'accepted' }])
    expect([siem.messages.length, siem.repeats]).toEqual([1, 1])
  })

  test.each(['never come', 'drip in'])('that %s are given up after the time-out', async (how) => {
    const siem = await receiver((request) => {
      if (how === 'never come') return
      request.socket.write('HTTP/1.1 200 OK\r\n')
      const drip = setInterval(() => request.socket.write('x: y\r\n'), 100)
      request.socket.on('close', () => clearInterval(drip)).on('error', () => {})
    })
    const started = performance.now()
    const outcomes = await (await opened({ url: siem.url, timeoutMs: 1_000 })).send(deliveries(1))
    expect(outcomes).toMatchObject([{ state: 'retry', responseCode: 'timeout' }])
    expect(performance.now() - started).toBeLessThan(3_000)
  })

  test('of any length cost no more than the connection', async () => {
    const siem = await receiver((_, response) => {
      response.writeHead(200)
      response.on('error', () => {}).write(Buffer.alloc(1_000_000))
    })
    expect(await (await opened({ url: siem.url })).send(deliveries(1, 2))).toEqual(
      Array(2).fill({ state: 'accepted', responseCode: '200' }),
    )
    expect(siem.connections).toBe(2)
  })

  test('of a kept connection that died meanwhile are asked for once more at once', async () => {
    const requests = new Map<unknown, number>()
    const siem = await receiver((request, response) => {
      const count = (requests.get(request.socket) ?? 0) + 1
      requests.set(request.socket, count)
      if (count === 2) request.socket.resetAndDestroy()
      else response.writeHead(204).end()
    })
    const outcomes = await (await opened({ url: siem.url })).send(deliveries(1, 2))
    expect(outcomes).toEqual(Array(2).fill({ state: 'accepted', responseCode: '204' }))
    expect(siem.connections).toBe(2)
  })
})

describe('addresses', () => {
  test('without TLS are refused unless private addresses are allowed', async () => {
    const siem = await receiver((_, response) => void response.writeHead(204).end())
    const sender = await opened({ url: siem.url }, { allowPrivateAddresses: false })
    expect(await sender.send(deliveries(1))).toMatchObject([{ state: 'refused', responseCode: 'url_insecure' }])
    expect(siem.connections).toBe(0)
  })

  test.each([
    '169.254.169.254',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '0.0.0.0',
    '2130706433',
    '0x7f.1',
    '017700000001',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:a00:1]',
    '[fd00:ec2::254]',
    '[fe80::1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
  ])('of %s are refused before anything is sent', async (host) => {
    const sender = await opened({ url: `https://${host}/hook` }, { allowPrivateAddresses: false })
    expect(await sender.send(deliveries(1))).toMatchObject([{ state: 'refused', responseCode: 'address_private' }])
  })
})

describe('settings', () => {
  test.each([
    ['url', 'ftp://siem.example.com/hook'],
    ['url', 'https://user:word@siem.example.com/hook'],
    ['url', 'siem.example.com'],
    ['secret', 'hunter2hunter2hunter2hunter2hunter2'],
    ['secret', `whsec_${Buffer.alloc(23).toString('base64')}`],
    ['secret', `whsec_${Buffer.alloc(65).toString('base64')}`],
    ['timeoutMs', 500],
    ['timeoutMs', 60_000],
    ['caCertificate', 'not a certificate'],
  ])('%s %s is refused by name, without its value', (field, value) => {
    const parse = () =>
      parseSettings(standardWebhooks.config, { url: 'https://siem.example.com/hook', secret, [field]: value })
    expect(parse).toThrow(expect.objectContaining({ code: 'settings_invalid', field }))
    expect(parse).not.toThrow(String(value))
  })

  test('have a time-out of 20 seconds unless told otherwise', () => {
    expect(parseSettings(standardWebhooks.config, { url: 'https://siem.example.com/hook', secret })).toMatchObject({
      timeoutMs: 20_000,
    })
  })
})
