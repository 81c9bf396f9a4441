/** A text to look for, with the words by which a hit is reported; never the text itself. */
export interface Needle {
  text: string
  what: string
}

export interface Found {
  what: string
  /** Byte offset in all that was fed. */
  offset: number
}

/** Bytes of a gram: as many as an integer holds. */
const GRAM = 4
const MULTIPLIER = 0x9e3779b1
const FOLD = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 65 && byte <= 90 ? byte + 32 : byte))

/**
 * Finds any of very many texts in a stream of bytes. Every text of at least L bytes covers one of the positions that are
 * multiples of L − 3 with four bytes of its own: only there the stream is looked at, in a bitmap first, and what passes is
 * compared whole. So the time is nearly that of reading, however many texts there are: data files of gigabytes take
 * seconds. Our own, because the libraries there are search strings of characters with an automaton of objects. ASCII
 * letters are the same in either case.
 */
export class Needles {
  readonly size: number
  readonly #bytes: Uint8Array
  /** Beginning of each text's forms in `#bytes`; one more at the end. */
  readonly #starts: Uint32Array
  readonly #whats: string[]
  readonly #stride: number
  readonly #longest: number
  readonly #bits: Uint32Array
  readonly #bitShift: number
  readonly #shift: number
  /** Gram → first entry by open addressing, −1 where there is none; entries of one gram are chained. */
  readonly #grams: Int32Array
  readonly #first: Int32Array
  readonly #next: Int32Array

  constructor(needles: Iterable<Needle>) {
    const forms: Buffer[] = []
    this.#whats = []
    let size = 0
    for (const { text, what } of needles) {
      size += 1
      for (const form of formsOf(text)) {
        forms.push(form)
        this.#whats.push(what)
      }
    }
    this.size = size
    const lengths = forms.map(({ length }) => length)
    const shortest = lengths.reduce((least, length) => Math.min(least, length), Number.POSITIVE_INFINITY)
    if (forms.length > 0 && shortest < GRAM)
      throw new RangeError(`a text of ${shortest} bytes is too short to look for`)
    this.#longest = lengths.reduce((most, length) => Math.max(most, length), 0)
    this.#stride = forms.length === 0 ? 1 : shortest - GRAM + 1
    this.#bytes = Buffer.concat(forms)
    this.#starts = new Uint32Array(forms.length + 1)
    for (const [index, length] of lengths.entries()) this.#starts[index + 1] = (this.#starts[index] as number) + length

    const entries = forms.length * this.#stride
    // The bitmap is sparse, so that hardly anything passes; the table of what passes need not be, and stays small.
    const width = Math.max(12, Math.ceil(Math.log2(entries + 1)) + 1)
    const bitWidth = Math.min(27, Math.max(16, width + 3))
    this.#shift = 32 - width
    this.#bitShift = 32 - bitWidth
    this.#bits = new Uint32Array(2 ** (bitWidth - 5))
    this.#next = new Int32Array(entries)
    this.#grams = new Int32Array(2 ** width)
    this.#first = new Int32Array(2 ** width).fill(-1)
    for (let entry = 0; entry < entries; entry += 1) {
      const at = (this.#starts[Math.floor(entry / this.#stride)] as number) + (entry % this.#stride)
      const gram = gramAt(this.#bytes, at)
      const slot = this.#slotOf(gram)
      this.#grams[slot] = gram
      this.#next[entry] = this.#first[slot] as number
      this.#first[slot] = entry
      const bit = Math.imul(gram, MULTIPLIER) >>> this.#bitShift
      this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] as number) | (1 << (bit & 31))
    }
  }

  /** Where a gram is, or the free slot where it would be. */
  #slotOf(gram: number): number {
    const last = this.#first.length - 1
    let slot = Math.imul(gram, MULTIPLIER) >>> this.#shift
    while ((this.#first[slot] as number) >= 0 && this.#grams[slot] !== gram) slot = (slot + 1) & last
    return slot
  }

  /** A search through one stream. */
  search(): (piece: Uint8Array) => Found[] {
    let tail: Uint8Array = new Uint8Array(0)
    let before = 0
    return (piece) => {
      const text = tail.length === 0 ? piece : Buffer.concat([tail, piece])
      const base = before - tail.length
      const fresh = tail.length
      const found: Found[] = []
      this.#within(text, (start, end, what) => {
        // What ends in the tail was found with the piece before.
        if (end > fresh) found.push({ what, offset: base + start })
      })
      before += piece.length
      tail = text.slice(Math.max(0, text.length - this.#longest + 1))
      return found
    }
  }

  #within(text: Uint8Array, hit: (start: number, end: number, what: string) => void): void {
    const bits = this.#bits
    for (let at = 0; at + GRAM <= text.length; at += this.#stride) {
      const gram =
        (FOLD[text[at] as number] as number) |
        ((FOLD[text[at + 1] as number] as number) << 8) |
        ((FOLD[text[at + 2] as number] as number) << 16) |
        ((FOLD[text[at + 3] as number] as number) << 24)
      const bit = Math.imul(gram, MULTIPLIER) >>> this.#bitShift
      if (((bits[bit >>> 5] as number) & (1 << (bit & 31))) === 0) continue
      for (let entry = this.#first[this.#slotOf(gram)] as number; entry >= 0; entry = this.#next[entry] as number) {
        const form = Math.floor(entry / this.#stride)
        const start = at - (entry % this.#stride)
        const from = this.#starts[form] as number
        const length = (this.#starts[form + 1] as number) - from
        if (start >= 0 && start + length <= text.length && this.#matches(text, start, from, length))
          hit(start, start + length, this.#whats[form] as string)
      }
    }
  }

  #matches(text: Uint8Array, start: number, from: number, length: number): boolean {
    for (let index = 0; index < length; index += 1) {
      if (FOLD[text[start + index] as number] !== this.#bytes[from + index]) return false
    }
    return true
  }
}

const gramAt = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) |
  ((bytes[at + 1] as number) << 8) |
  ((bytes[at + 2] as number) << 16) |
  ((bytes[at + 3] as number) << 24)

/** A text as surfaces may spell it: escaped in JSON or in an address; where it is not ASCII, in lower case and decomposed too. */
function formsOf(text: string): Buffer[] {
  const forms = new Set(
    ASCII.test(text) ? [text, encodeURIComponent(text)].map((each) => each.toLowerCase()) : spellingsOf(text),
  )
  return [...forms].map((form) => Buffer.from(form))
}

function spellingsOf(text: string): string[] {
  const composed = text.normalize('NFC')
  return [composed, composed.toLowerCase(), composed.toUpperCase(), text.normalize('NFD')]
    .flatMap((each) => [each, escaped(each), encodeURIComponent(each)])
    .map(asciiLower)
}

const ASCII = /^\p{ASCII}*$/u

const asciiLower = (text: string): string => text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())

const escaped = (text: string): string =>
  text.replaceAll(/\P{ASCII}/gu, (letter) =>
    letter
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
