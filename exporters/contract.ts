import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ExportEvent } from '../domain/alert.ts'
import { formOf, parseSettings } from '../domain/form.ts'
import { anAlert, hostileAlert, hostileManifest } from './contract-events.ts'
import type { DeliveryOutcome, ExporterDefinition, OutboundDelivery, SenderContext } from './exporter.ts'
import { exporterKind } from './kinds.ts'

export interface Certificate {
  key: string
  cert: string
}

/** Where a receiver stands; `ca` makes its certificate trusted. */
export interface Place {
  host: string
  port: number
  secure: boolean
  ca?: string
}

/** What an exporter kind tells the contract about itself. */
export interface ExporterSubject {
  definition: ExporterDefinition
  /** Settings and secrets, complete, for a receiver at this place. */
  settings(place: Place): Record<string, unknown>
  /** Its secret fields. */
  secrets: readonly string[]
  /** The bytes of one delivery as `maxBytes` bounds them. */
  format(delivery: OutboundDelivery, context: SenderContext): string
  /** A self-signed certificate for these names. */
  certificate(options: { names: string[]; notBefore?: Date; notAfter?: Date }): Certificate
}

export const context: SenderContext = {
  hostname: 'irm.example.com',
  productVersion: '1.2.3',
  allowPrivateAddresses: true,
}

const LOOPBACK = '127.0.0.1'
const STRAY = 'Renate-Mustermann-4711'
const DAY = 86_400_000

/** What every kind of destination has to keep. Sockets are real, receivers are servers on this machine. */
export function exporterContract(subject: ExporterSubject): void {
  const { definition } = subject
  const format = (event: ExportEvent, attempt = 1) => subject.format({ number: 7, attempt, event }, context)
  const events = fc.oneof(hostileAlert, hostileManifest)

  async function outcome(place: Place, more: Partial<SenderContext> = {}): Promise<DeliveryOutcome> {
    const settings = parseSettings(definition.config, subject.settings(place))
    const sender = await definition.open(settings, { ...context, ...more })
    try {
      const outcomes = await sender.send([{ number: 1, attempt: 1, event: anAlert() }])
      expect(outcomes).toHaveLength(1)
      return outcomes[0] as DeliveryOutcome
    } finally {
      await sender.close()
    }
  }

  describe(`${definition.id} keeps the contract of exporters`, () => {
    test('is found by its id', () => {
      expect(exporterKind(definition.id)).toBe(definition)
    })

    test('its form names every field, and exactly its secrets are secret', () => {
      const { schema, secrets } = formOf(definition.config)
      const properties = schema['properties'] as Record<string, Record<string, unknown>>
      expect([...secrets].sort()).toEqual([...subject.secrets].sort())
      for (const [name, property] of Object.entries(properties)) {
        expect(property['title'], name).toBeTypeOf('string')
        expect(property['writeOnly'] === true, name).toBe(subject.secrets.includes(name))
      }
    })

    test('its guide exists', () => {
      expect(existsSync(join(import.meta.dirname, '..', definition.guide))).toBe(true)
    })

    test('refuses a setting it does not know', () => {
      const known = subject.settings({ host: 'siem.example.com', port: 443, secure: true })
      expect(() => parseSettings(definition.config, { ...known, surprise: 1 })).toThrow('the settings do not fit')
    })

    test('words a delivery the same way each time, whatever the attempt and the order of members', () => {
      fc.assert(
        fc.property(events, (event) => {
          expect(format(reversed(event), 2)).toBe(format(event))
        }),
      )
    })

    test('sends nothing that the event does not name', () => {
      fc.assert(
        fc.property(events, (event) => {
          expect(withoutHashes(format(withStrays(event)))).toBe(withoutHashes(format(event)))
        }),
      )
    })

    test('stays within its size', () => {
      fc.assert(
        fc.property(events, (event) => {
          expect(Buffer.byteLength(format(event))).toBeLessThanOrEqual(definition.maxBytes)
        }),
      )
    })

    test('a refused connection is tried again', async () => {
      const port = await withServer(createServer(), async (free) => free)
      expect(await outcome({ host: LOOPBACK, port, secure: false })).toMatchObject({
        state: 'retry',
        responseCode: 'ECONNREFUSED',
      })
    })

    test('a connection that is reset is tried again', async () => {
      const server = createServer((socket) => socket.resetAndDestroy())
      await withServer(server, async (port) => {
        expect(await outcome({ host: LOOPBACK, port, secure: false })).toMatchObject({ state: 'retry' })
      })
    })

    test('a name that does not resolve is tried again', async () => {
      const found = await outcome({ host: 'receiver.invalid', port: 9, secure: true })
      expect(found).toMatchObject({ state: 'retry', responseCode: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/) })
    })

    test.each([
      ['nobody vouches for', { names: ['127.0.0.1'] }, false, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
      ['has expired', { names: ['127.0.0.1'], notBefore: past(9), notAfter: past(1) }, true, 'CERT_HAS_EXPIRED'],
      ['is for another name', { names: ['elsewhere.example.com'] }, true, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ])(
      'a certificate that %s stops the destination and says how to mend it',
      async (_, options, trusted, responseCode) => {
        const pair = subject.certificate(options)
        let bytes = 0
        const server = createTlsServer(pair, (socket) =>
          socket.on('data', (piece) => (bytes += piece.length)).on('error', () => {}),
        )
        await withServer(server, async (port) => {
          const found = await outcome({ host: LOOPBACK, port, secure: true, ...(trusted ? { ca: pair.cert } : {}) })
          expect(found).toEqual({ state: 'refused', responseCode, detail: expect.any(String), fix: expect.any(String) })
          expect(bytes).toBe(0)
        })
      },
    )

    test.each([LOOPBACK, 'localhost'])('%s is not connected to unless private addresses are allowed', async (host) => {
      let connections = 0
      const server = createServer(() => (connections += 1))
      await withServer(server, async (port) => {
        const found = await outcome({ host, port, secure: true }, { allowPrivateAddresses: false })
        expect(found).toMatchObject({ state: 'refused', responseCode: 'address_private', fix: expect.any(String) })
        expect(connections).toBe(0)
      })
    })
  })
}

const past = (days: number) => new Date(Date.now() - days * DAY)

async function withServer<T>(server: Server, use: (port: number) => Promise<T>): Promise<T> {
  const open = new Set<import('node:net').Socket>()
  server.on('connection', (socket) => open.add(socket))
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve))
  try {
    return await use((server.address() as import('node:net').AddressInfo).port)
  } finally {
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

/** The same value with the members of every object in the opposite order. */
function reversed<T>(value: T): T {
  if (Array.isArray(value)) return value.map(reversed) as T
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, each]) => [key, reversed(each)]),
  ) as T
}

/** The same value with a member more in every object, as a careless change elsewhere would add it. */
function withStrays<T>(value: T): T {
  if (Array.isArray(value)) return value.map(withStrays) as T
  if (value === null || typeof value !== 'object') return value
  return {
    ...Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withStrays(each)])),
    display_name: STRAY,
  } as T
}

/** The hash is over the event as stored, strays too; it gives nothing of them away. */
const withoutHashes = (text: string) => text.replace(/[0-9a-f]{64}/g, '')
