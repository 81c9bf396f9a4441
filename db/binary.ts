/**
 * PostgreSQL's binary forms, for what is sent by the million: rows of `COPY ... (format binary)` and arrays as
 * parameters. The server reads them without parsing text, and no text is made for it.
 * Source: postgresql.org/docs/18/sql-copy.html, "Binary Format"; the send functions of each type.
 */

/** PostgreSQL counts time from 2000-01-01. */
const EPOCH_MS = Date.UTC(2000, 0, 1)
const DAY_MS = 86_400_000
const EPOCH_DAY = EPOCH_MS / DAY_MS
const TWO_32 = 2 ** 32

const FAMILY = { v4: 2, v6: 3 } as const
const TEXT_OID = 25

/** What a COPY in binary format begins and ends with. */
export const COPY_HEADER = Buffer.from('5047434f50590aff0d0a000000000000000000', 'hex')
export const COPY_TRAILER = Buffer.from('ffff', 'hex')

const FIRST_BYTES = 64 * 1024
const FEW_BYTES = 256
const SHORT_TEXT = 16
const ASCII_MAX = 0x7f

/** A NUL cannot be stored in PostgreSQL text: it is left out. */
export const storable = (text: string): string => (text.includes('\0') ? text.replaceAll('\0', '') : text)

/** Rows as COPY reads them, one behind the other. Fields are written in the order of the columns. */
export class BinaryRows {
  bytes: Buffer
  length = 0
  /** Of the same memory: by far the fastest way to write a number. */
  #view: DataView

  constructor(firstBytes = FIRST_BYTES) {
    this.bytes = Buffer.allocUnsafeSlow(firstBytes)
    this.#view = viewOf(this.bytes)
  }

  /** Forgets the rows and keeps the memory. */
  clear(): void {
    this.length = 0
  }

  /** Room for so many more bytes. */
  #reserve(size: number): void {
    if (this.length + size <= this.bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + size))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
    this.#view = viewOf(grown)
  }

  /** Begins a row of so many fields. */
  row(fields: number): void {
    this.#reserve(2)
    this.#view.setInt16(this.length, fields)
    this.length += 2
  }

  none(): void {
    this.#reserve(4)
    this.#int4(-1)
  }

  int4(value: number): void {
    this.#reserve(8)
    this.#int4(4)
    this.#int4(value)
  }

  /** A whole number up to 2^53. */
  int8(value: number): void {
    this.#reserve(12)
    this.#int4(8)
    this.#int4(Math.floor(value / TWO_32))
    this.#int4(value)
  }

  /** A whole number of 64 bits in decimal digits. */
  int8Text(digits: string): void {
    this.#reserve(12)
    this.#int4(8)
    this.#view.setBigInt64(this.length, BigInt(digits))
    this.length += 8
  }

  float8(value: number): void {
    this.#reserve(12)
    this.#int4(8)
    this.#view.setFloat64(this.length, value)
    this.length += 8
  }

  bool(value: boolean): void {
    this.#reserve(5)
    this.#int4(1)
    this.#byte(value ? 1 : 0)
  }

  /** A day, counted from 1970-01-01. */
  date(day: number): void {
    this.int4(day - EPOCH_DAY)
  }

  instant(ms: number): void {
    this.int8((ms - EPOCH_MS) * 1000)
  }

  /** Bytes as they are: a uuid, or a 64-bit number that no JavaScript number holds. */
  raw(source: DataView, from: number, length: number): void {
    this.#reserve(4 + length)
    this.#int4(length)
    this.length = copyBytes(source, from, length, this.#view, this.length)
  }

  /** A field of so many bytes that are filled in later. */
  room(length: number): void {
    this.#reserve(4 + length)
    this.#int4(length)
    this.length += length
  }

  /** Fields that were written before. */
  fields(written: DataView): void {
    this.#reserve(written.byteLength)
    this.length = copyBytes(written, 0, written.byteLength, this.#view, this.length)
  }

  text(value: string): void {
    this.#reserve(4 + value.length * 3)
    if (value.length <= SHORT_TEXT && this.#shortText(value)) return
    const length = this.bytes.write(storable(value), this.length + 4)
    this.#int4(length)
    this.length += length
  }

  /** Plain letters one by one: a call into the runtime would cost more. False for a text with any other. */
  #shortText(value: string): boolean {
    const start = this.length + 4
    for (let n = 0; n < value.length; n += 1) {
      const code = value.charCodeAt(n)
      if (code === 0 || code > ASCII_MAX) return false
      this.#view.setUint8(start + n, code)
    }
    this.#int4(value.length)
    this.length += value.length
    return true
  }

  texts(values: readonly string[]): void {
    this.#reserve(24)
    const start = this.length
    this.length += 4
    this.#int4(1)
    this.#int4(0)
    this.#int4(TEXT_OID)
    this.#int4(values.length)
    this.#int4(1)
    for (const value of values) this.text(value)
    this.#view.setInt32(start, this.length - start - 4)
  }

  address({ bytes, bits, isNetwork }: Address): void {
    this.#reserve(8 + bytes.length)
    this.#addressHead(bytes.length, bits, isNetwork)
    for (const byte of bytes) this.#byte(byte)
  }

  /** An IPv4 address or network as one number. */
  address4(address: number, bits: number, isNetwork: boolean): void {
    this.#reserve(12)
    this.#addressHead(4, bits, isNetwork)
    this.#int4(address)
  }

  /** The rows from one place to another, into memory at `at`; returns where they end. */
  copyTo(into: DataView, at: number, from: number, to: number): number {
    return copyBytes(this.#view, from, to - from, into, at)
  }

  #addressHead(bytes: number, bits: number, isNetwork: boolean): void {
    this.#int4(4 + bytes)
    this.#byte(bytes === 4 ? FAMILY.v4 : FAMILY.v6)
    this.#byte(bits)
    this.#byte(isNetwork ? 1 : 0)
    this.#byte(bytes)
  }

  #byte(value: number): void {
    this.#view.setUint8(this.length, value)
    this.length += 1
  }

  #int4(value: number): void {
    this.#view.setInt32(this.length, value)
    this.length += 4
  }
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** 16 bytes as PostgreSQL writes a uuid. */
export function uuidText(key: DataView, at = 0): string {
  const hex = Buffer.from(key.buffer, key.byteOffset + at, 16).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`
}

/** Copies some bytes, by fours; a call into the runtime would cost more than they do. Returns where they end. */
export function copyBytes(source: DataView, from: number, length: number, into: DataView, at: number): number {
  const whole = length & ~3
  for (let n = 0; n < whole; n += 4) into.setInt32(at + n, source.getInt32(from + n))
  for (let n = whole; n < length; n += 1) into.setUint8(at + n, source.getUint8(from + n))
  return at + length
}

/** An address or a network as `inet` and `cidr` are sent. */
export interface Address {
  /** 4 or 16 of them. */
  bytes: readonly number[]
  /** Of the network. */
  bits: number
  isNetwork: boolean
}

/** Writes fields once, for rows that share them. */
export function fieldsOf(write: (rows: BinaryRows) => void): DataView {
  const rows = new BinaryRows(FEW_BYTES)
  write(rows)
  return viewOf(Uint8Array.from(rows.bytes.subarray(0, rows.length)))
}

const ARRAY_HEADER = 20
const HAS_NULL_AT = 4

function putArrayHeader(into: DataView, oid: number, count: number): void {
  for (const [n, word] of [1, 0, oid, count, 1].entries()) into.setInt32(4 * n, word)
}

/** An array parameter; `put` writes the element's bytes at a place. */
function arrayOf(
  oid: number,
  count: number,
  size: number,
  put: (into: DataView, at: number, n: number) => void,
): Buffer {
  const bytes = Buffer.allocUnsafe(ARRAY_HEADER + count * (4 + size))
  const into = viewOf(bytes)
  putArrayHeader(into, oid, count)
  for (let n = 0, at = ARRAY_HEADER; n < count; n += 1, at += 4 + size) {
    into.setInt32(at, size)
    put(into, at + 4, n)
  }
  return bytes
}

function putInt8(into: DataView, at: number, value: number): void {
  into.setInt32(at, Math.floor(value / TWO_32))
  into.setInt32(at + 4, value)
}

/** `bigint[]`, of whole numbers up to 2^53. */
export const bigints = (count: number, of: (n: number) => number): Buffer =>
  arrayOf(20, count, 8, (into, at, n) => putInt8(into, at, of(n)))

/** `bigint[]`, of all 64 bits, or without a value. */
export function int8s(count: number, of: (n: number) => bigint | null): Buffer {
  const bytes = Buffer.allocUnsafe(ARRAY_HEADER + count * 12)
  const into = viewOf(bytes)
  putArrayHeader(into, 20, count)
  let at = ARRAY_HEADER
  for (let n = 0; n < count; n += 1) {
    const value = of(n)
    into.setInt32(at, value === null ? -1 : 8)
    at += 4
    if (value === null) {
      into.setInt32(HAS_NULL_AT, 1)
      continue
    }
    into.setBigInt64(at, value)
    at += 8
  }
  return bytes.subarray(0, at)
}

/** `timestamptz[]`, of milliseconds. */
export const instants = (count: number, of: (n: number) => number): Buffer =>
  arrayOf(1184, count, 8, (into, at, n) => putInt8(into, at, (of(n) - EPOCH_MS) * 1000))

/** `date[]`, of days since 1970-01-01. */
export const days = (count: number, of: (n: number) => number): Buffer =>
  arrayOf(1082, count, 4, (into, at, n) => into.setInt32(at, of(n) - EPOCH_DAY))

/** `boolean[]`. */
export const bools = (count: number, of: (n: number) => boolean): Buffer =>
  arrayOf(16, count, 1, (into, at, n) => into.setUint8(at, of(n) ? 1 : 0))

/** `uuid[]`, of 16 bytes each; `of` is where an element begins in `source`. */
export const uuids = (count: number, source: DataView, of: (n: number) => number): Buffer =>
  arrayOf(2950, count, 16, (into, at, n) => copyBytes(source, of(n), 16, into, at))

/** `text[]`, of texts without NUL. */
export function texts(count: number, of: (n: number) => string): Buffer {
  const rows = new BinaryRows()
  rows.texts(Array.from({ length: count }, (_, n) => of(n)))
  return Buffer.from(rows.bytes.subarray(4, rows.length))
}

/** `bytea[]`. */
export function byteas(count: number, of: (n: number) => Uint8Array): Buffer {
  const values = Array.from({ length: count }, (_, n) => of(n))
  const bytes = Buffer.allocUnsafe(values.reduce((length, value) => length + 4 + value.length, ARRAY_HEADER))
  const into = viewOf(bytes)
  putArrayHeader(into, 17, count)
  let at = ARRAY_HEADER
  for (const value of values) {
    into.setInt32(at, value.length)
    bytes.set(value, at + 4)
    at += 4 + value.length
  }
  return bytes
}
