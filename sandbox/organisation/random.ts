/** Reproducible chance: the same seed and keys always give the same stream, on every machine. */

/** One round of MurmurHash3's mixing: spreads every bit of `value` over the whole word. */
function mix(state: number, value: number): number {
  let k = Math.imul(value, 0xcc9e2d51)
  k = (k << 15) | (k >>> 17)
  let h = state ^ Math.imul(k, 0x1b873593)
  h = (h << 13) | (h >>> 19)
  return (Math.imul(h, 5) + 0xe6546b64) | 0
}

function finish(state: number): number {
  let h = state ^ (state >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** 32 bits of a text or of a whole number of any size. */
export function hashOf(value: string | number): number {
  let state = 0x9747b28c
  for (const unit of String(value)) state = mix(state, unit.codePointAt(0) as number)
  return finish(state)
}

/** A stream of numbers. `sfc32` of Chris Doty-Humphrey's PractRand, public domain. */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** Streams with different keys are independent. Keys are whole numbers; texts go through `hashOf`. */
  constructor(seed: number, ...keys: number[]) {
    let state = mix(0x3c6ef372, seed | 0)
    for (const key of keys) state = mix(mix(state, key | 0), Math.floor(key / 2 ** 32) | 0)
    this.#a = finish(mix(state, 1))
    this.#b = finish(mix(state, 2))
    this.#c = finish(mix(state, 3))
    for (let round = 0; round < 12; round += 1) this.uint32()
  }

  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** 0 ≤ x < 1. */
  unit(): number {
    return this.uint32() / 2 ** 32
  }

  /** A whole number, from ≤ n < to. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.unit() * (to - from))
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  pick<T>(from: readonly T[]): T {
    return from[this.whole(0, from.length)] as T
  }

  /** So many characters of an alphabet. */
  text(length: number, alphabet: string): string {
    let made = ''
    for (let index = 0; index < length; index += 1) made += alphabet[this.whole(0, alphabet.length)]
    return made
  }

  /** A version 4 UUID. */
  uuid(): string {
    const hex = [0, 0, 0, 0].map(() => this.uint32().toString(16).padStart(8, '0')).join('')
    const variant = '89ab'[Number.parseInt(hex[16] as string, 16) & 3]
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
  }
}

export const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
export const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/**
 * A permutation of 0..size−1 by a step coprime to it: spreads neighbours without remembering who was taken.
 * `index` is a whole number below `size`; both stay below 2^26, so that the product is exact.
 */
export function permuted(index: number, size: number, seed: number): number {
  const { step, start } = stepsOf(size, seed)
  return (index * step + start) % size
}

const steps = new Map<string, { step: number; start: number }>()

function stepsOf(size: number, seed: number): { step: number; start: number } {
  const key = `${size}/${seed}`
  let found = steps.get(key)
  if (!found) {
    // Near the golden ratio, so that neighbours land far apart.
    let step = Math.floor(size * 0.618) + 1 + (hashOf(`step${seed}`) % 97)
    while (divisor(step, size) !== 1) step += 1
    found = { step, start: hashOf(`start${seed}`) % size }
    steps.set(key, found)
  }
  return found
}

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b))
