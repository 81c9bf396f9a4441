import { isIPv4, isIPv6 } from 'node:net'
import type { Address } from './binary.ts'

const V6_BITS = 128
const DOT = 0x2e
const SLASH = 0x2f
const ZERO = 0x30
const NINE = 0x39

/** An IPv4 literal, or the address of a network with a `/`, as an unsigned number; -1 where the text is neither. */
export function address4Of(text: string): number {
  let address = 0
  let byte = -1
  let dots = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code >= ZERO && code <= NINE) {
      byte = (byte === -1 ? 0 : byte * 10) + code - ZERO
      if (byte > 255) return -1
    } else if (code === DOT && byte !== -1 && dots < 3) {
      address = address * 256 + byte
      byte = -1
      dots += 1
    } else if (code === SLASH) break
    else return -1
  }
  return dots === 3 && byte !== -1 ? address * 256 + byte : -1
}

/** An IPv6 literal, or with a `/` a network; null where the text is neither. A zone (`%eth0`) means nothing elsewhere: it is left out. */
export function address6Of(text: string): Address | null {
  const [literal = '', bits] = text.split('/')
  const [plain = ''] = literal.split('%')
  if (!isIPv6(plain)) return null
  const tail = plain.slice(plain.lastIndexOf(':') + 1)
  const hex = isIPv4(tail) ? `${plain.slice(0, -tail.length)}${groupsOf(address4Of(tail))}` : plain
  const [head = '', rest] = hex.split('::')
  const before = head.split(':').filter(Boolean)
  const after = rest?.split(':').filter(Boolean) ?? []
  const between = rest === undefined ? 0 : 8 - before.length - after.length
  const groups = [...before, ...Array.from({ length: between }, () => '0'), ...after]
  const bytes = groups.flatMap((group) => {
    const number = Number.parseInt(group, 16)
    return [number >>> 8, number & 0xff]
  })
  return { bytes, bits: bits === undefined ? V6_BITS : Number(bits), isNetwork: bits !== undefined }
}

const groupsOf = (address: number): string => `${(address >>> 16).toString(16)}:${(address & 0xffff).toString(16)}`
