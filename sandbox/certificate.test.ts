import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import { expect, test } from 'vitest'
import { selfSignedCertificate } from './certificate.ts'

test('the certificate says what was asked for and is signed by its own key', () => {
  const notBefore = new Date('2026-01-02T03:04:05Z')
  const notAfter = new Date('2051-01-02T03:04:05Z') // behind 2049 the encoding of times changes
  const names = ['siem.example', '127.0.0.1', `${'long-label.'.repeat(20)}example`]
  const made = selfSignedCertificate({ names, notBefore, notAfter })
  const read = new X509Certificate(made.cert)
  expect(read.subject).toBe('CN=siem.example')
  expect(read.issuer).toBe('CN=siem.example')
  expect(read.subjectAltName).toBe(`DNS:siem.example, IP Address:127.0.0.1, DNS:${names[2]}`)
  expect([new Date(read.validFrom), new Date(read.validTo)]).toEqual([notBefore, notAfter])
  expect(read.verify(read.publicKey)).toBe(true)
  expect(read.ca).toBe(true)
  expect(read.fingerprint256).toBe(made.fingerprint256)
  expect(selfSignedCertificate().cert).not.toBe(selfSignedCertificate().cert)
})

test('a TLS client trusts it under its names, not under others, and not without being told', async () => {
  const pair = selfSignedCertificate({ names: ['localhost'] })
  const server = createServer(pair, (socket) => socket.on('error', () => {}).end('hello')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const attempt = (options: { ca?: string; servername: string }) =>
    new Promise<string>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', ...options })
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
      socket.once('data', (data) => resolve(data.toString()))
      socket.once('close', () => resolve('closed'))
    })
  expect(await attempt({ ca: pair.cert, servername: 'localhost' })).toBe('hello')
  expect(await attempt({ ca: pair.cert, servername: 'other.example' })).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
  expect(await attempt({ servername: 'localhost' })).toBe('DEPTH_ZERO_SELF_SIGNED_CERT')
  server.close()
})

test('a certificate without a name is refused', () => {
  expect(() => selfSignedCertificate({ names: [] })).toThrow(RangeError)
})
