import { type LookupAddress, lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/**
 * Addresses that lead into a network or a machine instead of to the outside: private, loopback, link-local (cloud
 * metadata is 169.254.169.254 and fd00:ec2::254), carrier-grade, benchmark, multicast and reserved. IPv6 forms that
 * carry an IPv4 address inside (NAT64, 6to4, Teredo) are refused whole, since a gateway could unwrap them.
 * IANA special-purpose registries, https://www.iana.org/assignments/iana-ipv4-special-registry (and ipv6).
 */
const PRIVATE = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [
  ['::', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2001::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 9],
  ['ff00::', 8],
] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv6')
}

/** Whether an IPv4 or IPv6 literal must not be a destination. IPv4-mapped IPv6 counts as the IPv4 inside. */
export function isPrivateAddress(address: string): boolean {
  const [bare = ''] = address.split('%')
  return PRIVATE.check(bare, isIP(bare) === 6 ? 'ipv6' : 'ipv4')
}

/** A host written as an address never passes through a look-up, so it is asked about before connecting. */
export const isPrivateLiteral = (host: string): boolean => {
  const bare = host.replace(/^\[|\]$/g, '')
  return isIP(bare) !== 0 && isPrivateAddress(bare)
}

/** The error code with which `guardedLookup` refuses. */
export const PRIVATE_ADDRESS = 'address_private'

/**
 * Resolves for one connection and refuses a name of which any address is private. As the connection asks this very
 * function, the address that was checked is the one connected to: a second, different answer has no chance.
 */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
    if (error) return callback(error, '', 0)
    if (found.some(({ address }) => isPrivateAddress(address))) {
      return callback(Object.assign(new Error('a private address'), { code: PRIVATE_ADDRESS }), '', 0)
    }
    if (options.all) return callback(null, found)
    const [first] = found
    callback(null, first?.address ?? '', first?.family ?? 4)
  })
}
