import { isIPv4, isIPv6 } from 'node:net'
import type { Address } from './binary.ts'

const V4_BITS = 32
const V6_BITS = 128

/** An IP literal, or with a `/` a network; null where the text is neither. A zone (`%eth0`) means nothing elsewhere: it is left out. */
export function addressOf(text: string): Address | null {
  const slash = text.indexOf('/')
  const literal = slash === -1 ? text : text.slice(0, slash)
  const bytes = v4Bytes(literal) ?? v6Bytes(literal)
  if (bytes === null) return null
  const all = bytes.length === 4 ? V4_BITS : V6_BITS
  return { bytes, bits: slash === -1 ? all : Number(text.slice(slash + 1)), isNetwork: slash !== -1 }
}

function v4Bytes(text: string): number[] | null {
  const bytes: number[] = []
  let byte = -1
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === 0x2e) {
      bytes.push(byte)
      byte = -1
    } else if (code >= 0x30 && code <= 0x39) byte = (byte === -1 ? 0 : byte) * 10 + code - 0x30
    else return null
  }
  bytes.push(byte)
  return bytes.length === 4 && bytes.every((each) => each >= 0 && each <= 255) ? bytes : null
}

function v6Bytes(text: string): number[] | null {
  const [literal = ''] = text.split('%')
  if (!isIPv6(literal)) return null
  const tail = literal.slice(literal.lastIndexOf(':') + 1)
  const hex = isIPv4(tail) ? literal.slice(0, -tail.length) + groupsOf(v4Bytes(tail) as number[]) : literal
  const [head = '', rest] = hex.split('::')
  const before = head.split(':').filter(Boolean)
  const after = rest?.split(':').filter(Boolean) ?? []
  const between = rest === undefined ? 0 : 8 - before.length - after.length
  const groups = [...before, ...Array.from({ length: between }, () => '0'), ...after].map((group) =>
    Number.parseInt(group, 16),
  )
  return groups.flatMap((group) => [group >>> 8, group & 0xff])
}

const groupsOf = ([a, b, c, d]: number[]): string =>
  `${(((a as number) << 8) | (b as number)).toString(16)}:${(((c as number) << 8) | (d as number)).toString(16)}`
