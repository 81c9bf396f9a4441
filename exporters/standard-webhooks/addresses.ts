import { type LookupAddress, type LookupAllOptions, lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/** Addresses inside a network or a machine: a receiver's name must not lead there. */
const PRIVATE = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['224.0.0.0', 3],
] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv6')
}

export function isPrivateAddress(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped) return isPrivateAddress(mapped)
  return PRIVATE.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** Resolves for a connection and refuses private addresses: the address that was checked is the one connected to. */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true } as LookupAllOptions, (error, found: LookupAddress[]) => {
    if (error) return callback(error, '', 0)
    if (found.some(({ address }) => isPrivateAddress(address))) {
      return callback(Object.assign(new Error('private address'), { code: 'EPRIVATE' }), '', 0)
    }
    const [first] = found
    if ((options as { all?: boolean }).all)
      return (callback as unknown as (e: null, all: LookupAddress[]) => void)(null, found)
    callback(null, first?.address ?? '', first?.family ?? 4)
  })
}
