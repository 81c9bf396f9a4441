import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { createServer } from 'node:tls'
import { expect, test } from 'vitest'
import { selfSignedCertificate } from '../sandbox/certificate.ts'
import { type DestinationCheckInput, destinationPrerequisites } from './prerequisites.ts'
import { syslog } from './syslog/exporter.ts'

/** Every verdict that a check of destinations can give. */
const NOW = new Date()
const HOUR_MS = 3_600_000
const inHours = (hours: number): Date => new Date(NOW.getTime() + hours * HOUR_MS)
const IDLE = { stopCode: null, stopDetail: null, oldestQueuedAt: null, lastAcceptedAt: null }

/** What was answered, by the id of the prerequisite. */
const seen = new Map<string, Set<string>>()

async function verdict(
  id: string,
  { config = {}, ...input }: Partial<DestinationCheckInput> & { config?: unknown },
  allowPrivateAddresses = true,
) {
  const found = destinationPrerequisites.find((each) => each.id === id)
  const tls = () => syslog.tls?.(config) ?? null
  const asked = { tls, allowPrivateAddresses, now: NOW, queue: IDLE, signal: AbortSignal.timeout(10_000) }
  const { state, code } = (await found?.check({ ...asked, ...input })) ?? { state: 'none', code: id }
  seen.set(id, (seen.get(id) ?? new Set()).add(state))
  return `${state} ${code}`
}

test.each([
  ['nothing was sent yet', {}, 'unknown nothing_sent'],
  ['all was taken', { lastAcceptedAt: inHours(-1) }, 'met accepted'],
  ['one waits, for no longer than usual', { lastAcceptedAt: inHours(-2), oldestQueuedAt: inHours(-1) }, 'met accepted'],
  ['one waits for long', { lastAcceptedAt: inHours(-3), oldestQueuedAt: inHours(-2) }, 'warning behind'],
  ['it was refused for good', { stopCode: '401', stopDetail: 'no', oldestQueuedAt: inHours(-2) }, 'unmet 401'],
])('delivering: %s', async (_, queue, expected) => {
  expect(await verdict('delivering', { queue: { ...IDLE, ...queue } })).toBe(expected)
})

test.each([
  [60 * 24, 'met lasts'],
  [29 * 24, 'warning ends_within_30_days'],
  [6 * 24, 'warning ends_within_7_days'],
  [20, 'warning ends_within_1_day'],
  [-1, 'unmet ended'],
])('certificate: one that ends in %i hours', async (hours, expected) => {
  await using receiver = await showing(selfSignedCertificate({ notBefore: inHours(-48), notAfter: inHours(hours) }))
  expect(await verdict('certificate', { config: receiver.config })).toBe(expected)
})

test('certificate: a receiver without TLS has none; one that shows none is not known', async () => {
  const gone = await showing(selfSignedCertificate())
  await gone[Symbol.asyncDispose]()
  expect(await verdict('certificate', { config: { ...gone.config, transport: 'tcp' } })).toBe('met not_used')
  expect(await verdict('certificate', { config: gone.config })).toBe('unknown ECONNREFUSED')
  expect(await verdict('certificate', { config: gone.config }, false)).toBe('unknown address_private')
  await using mute = await showing(null)
  const signal = AbortSignal.timeout(200)
  expect(await verdict('certificate', { config: mute.config, signal })).toBe('unknown timeout')
})

test('every verdict of every prerequisite was seen, and no other', () => {
  for (const { id, verdicts } of destinationPrerequisites)
    expect([...(seen.get(id) ?? [])].sort(), id).toEqual([...verdicts].sort())
})

/** A receiver that shows this certificate; with none it takes the connection and says nothing. */
async function showing(certificate: { key: string; cert: string } | null) {
  const server =
    certificate === null ? createTcpServer(() => {}) : createServer({ key: certificate.key, cert: certificate.cert })
  const sockets = new Set<{ destroy(): void }>()
  server.on('connection', (socket: { destroy(): void }) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    config: { host: '127.0.0.1', port: (server.address() as AddressInfo).port, transport: 'tls' },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
