import type { LookupAddress } from 'node:dns'
import { describe, expect, test } from 'vitest'
import { guardedLookup, isPrivateAddress } from './addresses.ts'

const look = (host: string, all: boolean) =>
  new Promise<{ code: string | undefined; found: string | LookupAddress[] }>((resolve) =>
    guardedLookup(host, { all }, (error, found) => resolve({ code: error?.code, found })),
  )

describe('addresses that lead inside', () => {
  test.each([
    '127.255.255.255',
    '169.254.169.254',
    '172.16.0.0',
    '172.31.255.255',
    '198.19.0.1',
    '224.0.0.1',
    '255.255.255.255',
  ])('%s does', (address) => {
    expect(isPrivateAddress(address)).toBe(true)
  })

  test.each(['::ffff:10.0.0.1', '::ffff:c0a8:101', 'fe80::1%eth0', 'febf::1', 'fdff::1', 'ff02::1'])(
    '%s does',
    (address) => {
      expect(isPrivateAddress(address)).toBe(true)
    },
  )

  test.each([
    '1.1.1.1',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '223.255.255.255',
    '2606:4700::1111',
    '::ffff:1.1.1.1',
    '2001:4860:4860::8888',
  ])('%s does not', (address) => {
    expect(isPrivateAddress(address)).toBe(false)
  })
})

describe('the look-up of a connection', () => {
  test.each([true, false])('refuses a name that leads inside (all: %s)', async (all) => {
    expect((await look('localhost', all)).code).toBe('address_private')
  })

  test('hands on what it checked', async () => {
    expect(await look('1.1.1.1', true)).toEqual({ code: undefined, found: [{ address: '1.1.1.1', family: 4 }] })
    expect(await look('1.1.1.1', false)).toEqual({ code: undefined, found: '1.1.1.1' })
  })
})
