import { createServer } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parseSettings } from '../../domain/form.ts'
import { listen } from '../../sandbox/listening.ts'
import { type SyslogReceiver, selfSignedCertificate, startSyslogReceiver } from '../../sandbox/syslog-receiver.ts'
import { context, exporterContract } from '../contract.ts'
import { anAlert, someEvidence } from '../contract-events.ts'
import type { DeliveryOutcome, OutboundDelivery, Sender } from '../exporter.ts'
import { syslog } from './exporter.ts'
import { syslogMessage } from './frame.ts'
import { LINE_LIMITS, type LineLimits, openLine } from './line.ts'
import type { SyslogConfig } from './settings.ts'

exporterContract({
  definition: syslog,
  settings: ({ host, port, secure, ca }) => ({
    host,
    port,
    transport: secure ? 'tls' : 'tcp',
    ...(ca ? { caCertificate: ca } : {}),
  }),
  secrets: ['clientKey'],
  format: ({ number, event }, each) =>
    syslogMessage(number, event, { facility: 13, enterpriseId: '32473', appName: 'openirm' }, each),
  certificate: selfSignedCertificate,
})

const eventId = (number: number) => `01936a3e-0000-7000-8000-${String(number).padStart(12, '0')}`
const delivery = (number: number): OutboundDelivery => ({
  number,
  attempt: 1,
  event: anAlert({ event_id: eventId(number) }),
})
const range = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => delivery(first + index))
const accepted: DeliveryOutcome = { state: 'accepted', responseCode: 'read' }
const all = (count: number) => Array(count).fill(accepted)
const numbers = (receiver: SyslogReceiver) => receiver.messages.map(({ cef }) => Number(cef?.extension.get('cn2')))
const until = (done: () => boolean) => expect.poll(done, { timeout: 5_000, interval: 5 }).toBe(true)

async function opened(settings: Record<string, unknown>): Promise<Sender> {
  const sender = await syslog.open(parseSettings(syslog.config, { host: '127.0.0.1', ...settings }), context)
  onTestFinished(() => sender.close())
  return sender
}

async function received(options: Parameters<typeof startSyslogReceiver>[0] = {}): Promise<SyslogReceiver> {
  const receiver = await startSyslogReceiver(options)
  onTestFinished(() => receiver.close())
  return receiver
}

describe('messages', () => {
  test.each(['tcp', 'tls'] as const)(
    'arrive over %s to the letter, in order, and are ended cleanly',
    async (transport) => {
      const pair = selfSignedCertificate()
      const siem = await received(transport === 'tls' ? { tls: pair } : {})
      const sender = await opened({
        port: siem.port,
        transport,
        ...(transport === 'tls' ? { caCertificate: pair.cert } : {}),
      })
      expect(await sender.send(range(1, 300))).toEqual(all(300))
      expect(await sender.send(range(301, 400))).toEqual(all(100))
      expect(await sender.send([])).toEqual([])
      await sender.close()
      await until(() => siem.messages.length === 400)
      expect(numbers(siem)).toEqual(range(1, 400).map(({ number }) => number))
      expect(siem.errors).toEqual([])
      expect(siem.connections).toBe(2)
      expect(siem.messages[0]?.structuredData.get('openirm@32473')?.slice(0, 2)).toEqual([
        ['event_id', eventId(1)],
        ['number', '1'],
      ])
    },
  )

  test('say goodbye by close_notify', async () => {
    const pair = selfSignedCertificate()
    const endings: string[] = []
    // Without close_notify OpenSSL 3 calls the end an error.
    const server = createTlsServer(pair, (socket) =>
      socket
        .on('error', (error: NodeJS.ErrnoException) => endings.push(error.code ?? ''))
        .on('end', () => endings.push('end'))
        .resume(),
    )
    const listening = await listen(server)
    onTestFinished(() => listening.close())
    const sender = await opened({ port: listening.port, caCertificate: pair.cert })
    expect(await sender.send(range(1, 1))).toEqual(all(1))
    await sender.close()
    await until(() => endings.length > 0)
    expect(endings).toEqual(['end'])
  })

  test('go under the name that the certificate has', async () => {
    const pair = selfSignedCertificate({ names: ['siem.example.com'] })
    const siem = await received({ tls: pair })
    const settings = { port: siem.port, caCertificate: pair.cert }
    expect(await (await opened(settings)).send(range(1, 1))).toMatchObject([
      { state: 'refused', responseCode: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    ])
    expect(await (await opened({ ...settings, serverName: 'siem.example.com' })).send(range(1, 1))).toEqual(all(1))
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'show a client certificate where one is asked for (%s)',
    async (version) => {
      const pair = selfSignedCertificate()
      const mine = selfSignedCertificate({ names: ['openirm'] })
      const seen: string[] = []
      const server = createTlsServer(
        {
          ...pair,
          ca: mine.cert,
          requestCert: true,
          rejectUnauthorized: true,
          minVersion: version,
          maxVersion: version,
        },
        (socket: TLSSocket) =>
          socket.on('error', () => {}).on('data', () => seen.push(socket.getPeerCertificate().fingerprint256)),
      )
      const listening = await listen(server)
      onTestFinished(() => listening.close())
      const settings = { host: 'localhost', port: listening.port, caCertificate: pair.cert }
      const [without] = await (await opened(settings)).send(range(1, 1))
      expect(without).toMatchObject({ state: 'refused', detail: expect.stringContaining('client certificate') })
      const stranger = selfSignedCertificate({ names: ['openirm'] })
      const [wrong] = await (
        await opened({ ...settings, clientCertificate: stranger.cert, clientKey: stranger.key })
      ).send(range(1, 1))
      // A receiver may say so by an alert or just by closing.
      expect(wrong?.state).toMatch(/^(refused|retry)$/)
      expect(seen).toEqual([])
      expect(
        await (await opened({ ...settings, clientCertificate: mine.cert, clientKey: mine.key })).send(range(1, 1)),
      ).toEqual(all(1))
      await until(() => seen.length > 0)
      expect(seen[0]).toBe(mine.fingerprint256)
    },
  )

  test('TLS 1.1 is not spoken', async () => {
    const pair = selfSignedCertificate()
    const listening = await listen(createTlsServer({ ...pair, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }))
    onTestFinished(() => listening.close())
    const [outcome] = await (await opened({ port: listening.port, caCertificate: pair.cert })).send(range(1, 1))
    expect(outcome?.state).toBe('retry')
  })
})

function holdUp(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

describe('a line that breaks', () => {
  test('leaves its sender saying retry, and a new one goes on', async () => {
    const siem = await received()
    const sender = await opened({ port: siem.port, transport: 'tcp' })
    expect(await sender.send(range(1, 3))).toEqual(all(3))
    siem.dropAfterBytes(100)
    expect(await sender.send(range(4, 6))).toMatchObject(Array(3).fill({ state: 'retry' }))
    expect(await sender.send(range(4, 6))).toMatchObject([{ state: 'retry' }])
    expect(siem.connections).toBe(2)
    await sender.close()
    expect(await (await opened({ port: siem.port, transport: 'tcp' })).send(range(1, 6))).toEqual(all(6))
    expect(numbers(siem)).toEqual([1, 2, 3, 1, 2, 3, 4, 5, 6])
  })

  test.each([
    ['', 0],
    [', and with this process held up', 30],
  ])('by the receiver ending it first counts as broken, even with everything written%s', async (_, heldMs) => {
    const listening = await listen(
      createServer((socket) =>
        socket.resume().once('data', () => {
          socket.end()
          holdUp(heldMs)
        }),
      ),
    )
    onTestFinished(() => listening.close())
    const sender = await opened({ port: listening.port, transport: 'tcp' })
    expect(await sender.send(range(1, 2))).toMatchObject(
      Array(2).fill({ state: 'retry', responseCode: 'closed_by_receiver' }),
    )
  })

  test('within a batch gives a retry for each delivery tried, and nothing for the others', async () => {
    const siem = await received()
    const sender = await opened({ port: siem.port, transport: 'tcp' })
    siem.dropAfterBytes(400_000)
    const outcomes = await sender.send(range(1, 30_000))
    expect(new Set(outcomes.map(({ state }) => state))).toEqual(new Set(['retry']))
    expect(outcomes.length).toBeGreaterThanOrEqual(siem.messages.length)
    expect(outcomes.length).toBeLessThan(30_000)
  })

  test('many times, anywhere, loses nothing that was accepted, and nothing at all in the end', async () => {
    const siem = await received()
    const last = 3_000
    let acceptedNumber = 0
    let retries = 0
    for (let line = 0; acceptedNumber < last; line++) {
      expect(line).toBeLessThan(60)
      const sender = await syslog.open(
        parseSettings(syslog.config, { host: '127.0.0.1', port: siem.port, transport: 'tcp' }),
        context,
      )
      siem.dropAfterBytes(line < 20 ? 1 + ((line * 104_729) % 500_000) : Number.POSITIVE_INFINITY)
      for (let broken = false; !broken && acceptedNumber < last; ) {
        const batch = range(acceptedNumber + 1, Math.min(acceptedNumber + 150, last))
        const outcomes = await sender.send(batch)
        broken = outcomes.some(({ state }) => state !== 'accepted')
        if (broken) retries += 1
        else acceptedNumber += batch.length
        // Accepted is what was read, at this very moment and without sending anything again.
        const arrived = new Set(numbers(siem))
        for (let number = 1; number <= acceptedNumber; number++) expect(arrived.has(number)).toBe(true)
      }
      await sender.close()
    }
    const arrived = numbers(siem)
    expect([...new Set(arrived)]).toEqual(range(1, last).map(({ number }) => number))
    // The test means nothing unless lines broke and messages came twice.
    expect(retries).toBeGreaterThan(5)
    expect(arrived.length).toBeGreaterThan(last)
    expect(siem.errors).toEqual([])
  })

  test('because the receiver is away is refused until it is back', async () => {
    const siem = await received()
    await siem.refuse()
    expect(await (await opened({ port: siem.port, transport: 'tcp' })).send(range(1, 5))).toMatchObject([
      { state: 'retry', responseCode: 'ECONNREFUSED' },
    ])
    await siem.accept()
    expect(await (await opened({ port: siem.port, transport: 'tcp' })).send(range(1, 5))).toEqual(all(5))
  })
})

describe('a slow receiver', () => {
  const config = (port: number, more: Record<string, unknown> = {}) =>
    parseSettings(syslog.config, { host: '127.0.0.1', port, transport: 'tcp', ...more }) as SyslogConfig
  const limits = (more: Partial<LineLimits>): LineLimits => ({ ...LINE_LIMITS, ...more })

  test('is waited for: nothing piles up here, and everything comes once it reads', async () => {
    const siem = await received()
    siem.pause()
    // As much evidence as one message takes.
    const evidence = Array.from({ length: 44 }, () => someEvidence())
    const heavy = (number: number): OutboundDelivery => ({
      number,
      attempt: 1,
      event: anAlert({ event_id: eventId(number), evidence }),
    })
    const many = Array.from({ length: 3_000 }, (_, index) => heavy(index + 1))
    const sender = await opened({ port: siem.port, transport: 'tcp' })
    let done = false
    const sending = sender.send(many).finally(() => {
      done = true
    })
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(done).toBe(false)
    siem.resume()
    expect(await sending).toEqual(all(3_000))
    await until(() => siem.messages.length === 3_000)
    expect(siem.errors).toEqual([])
  })

  test('that takes nothing is given up after the time-out of writing', async () => {
    const siem = await received()
    siem.pause()
    const line = await openLine(config(siem.port), true, limits({ writeMs: 200 }))
    const flood = async () => {
      for (;;) await line.write('x'.repeat(1_000_000))
    }
    await expect(flood()).rejects.toMatchObject({ code: 'write_timeout' })
    await expect(line.finish()).rejects.toMatchObject({ code: 'write_timeout' })
  })

  test('that never shakes hands is given up after the time-out of connecting', async () => {
    const listening = await listen(createServer(() => {}))
    onTestFinished(() => listening.close())
    const opening = openLine(config(listening.port, { transport: 'tls' }), true, limits({ connectMs: 150 }))
    await expect(opening).rejects.toMatchObject({ code: 'connect_timeout' })
  })

  test('that never closes its half leaves the weaker word, after a time-out', async () => {
    const listening = await listen(createServer({ allowHalfOpen: true }, (socket) => socket.resume()))
    onTestFinished(() => listening.close())
    const line = await openLine(config(listening.port), true, limits({ finishMs: 100 }))
    await line.write('6 <13>1 ')
    expect(await line.finish()).toBe('silent')
  })
})

describe('settings', () => {
  const pair = selfSignedCertificate()

  test('are complete with a host', () => {
    expect(parseSettings(syslog.config, { host: 'siem.example.com' })).toEqual({
      host: 'siem.example.com',
      transport: 'tls',
      facility: 13,
      enterpriseId: '32473',
      appName: 'openirm',
    })
  })

  test.each([
    ['host', { host: 'siem example' }],
    ['host', { host: 'tls://siem' }],
    ['port', { port: 70_000 }],
    ['facility', { facility: 24 }],
    ['enterpriseId', { enterpriseId: '0x7f' }],
    ['appName', { appName: 'open irm' }],
    ['clientKey', { clientCertificate: pair.cert }],
    ['clientCertificate', { clientKey: pair.key }],
    ['caCertificate', { transport: 'tcp', caCertificate: pair.cert }],
    ['clientKey', { clientCertificate: pair.cert, clientKey: pair.cert }],
  ])('%s is named when it is wrong', (field, more) => {
    const parse = () => parseSettings(syslog.config, { host: 'siem.example.com', ...more })
    expect(parse).toThrow(expect.objectContaining({ code: 'settings_invalid', field }))
  })
})
