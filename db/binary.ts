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

/** Rows as COPY reads them, one behind the other. Fields are written in the order of the columns. */
export class BinaryRows {
  bytes: Buffer = Buffer.allocUnsafe(FIRST_BYTES)
  length = 0

  /** Room for so many more bytes. */
  #reserve(size: number): void {
    if (this.length + size <= this.bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.length + size))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }

  /** Begins a row of so many fields. */
  row(fields: number): void {
    this.#reserve(2)
    this.#int2(fields)
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
    this.#int8(value)
  }

  /** A whole number of 64 bits in decimal digits. */
  int8Text(digits: string): void {
    this.#reserve(12)
    this.#int4(8)
    this.bytes.writeBigInt64BE(BigInt(digits), this.length)
    this.length += 8
  }

  float8(value: number): void {
    this.#reserve(12)
    this.#int4(8)
    this.bytes.writeDoubleBE(value, this.length)
    this.length += 8
  }

  bool(value: boolean): void {
    this.#reserve(5)
    this.#int4(1)
    this.bytes[this.length++] = value ? 1 : 0
  }

  instant(ms: number): void {
    this.int8((ms - EPOCH_MS) * 1000)
  }

  /** Bytes as they are: a uuid, or a 64-bit number that no JavaScript number holds. */
  raw(source: Buffer, from: number, length: number): void {
    this.#reserve(4 + length)
    this.#int4(length)
    source.copy(this.bytes, this.length, from, from + length)
    this.length += length
  }

  /** Fields that were written before. */
  fields(written: Buffer): void {
    this.#reserve(written.length)
    written.copy(this.bytes, this.length)
    this.length += written.length
  }

  text(value: string): void {
    this.#reserve(4 + value.length * 3)
    // A NUL cannot be stored in PostgreSQL text: it is left out.
    const length = this.bytes.write(value.includes('\0') ? value.replaceAll('\0', '') : value, this.length + 4, 'utf8')
    this.#int4(length)
    this.length += length
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
    this.bytes.writeInt32BE(this.length - start - 4, start)
  }

  address({ bytes, bits, isNetwork }: Address): void {
    this.#reserve(8 + bytes.length)
    this.#int4(4 + bytes.length)
    this.bytes[this.length++] = bytes.length === 4 ? FAMILY.v4 : FAMILY.v6
    this.bytes[this.length++] = bits
    this.bytes[this.length++] = isNetwork ? 1 : 0
    this.bytes[this.length++] = bytes.length
    for (const byte of bytes) this.bytes[this.length++] = byte
  }

  #int2(value: number): void {
    this.bytes[this.length++] = value >>> 8
    this.bytes[this.length++] = value
  }

  #int4(value: number): void {
    const { bytes } = this
    let at = this.length
    bytes[at++] = value >>> 24
    bytes[at++] = value >>> 16
    bytes[at++] = value >>> 8
    bytes[at++] = value
    this.length = at
  }

  #int8(value: number): void {
    this.#int4(Math.floor(value / TWO_32))
    this.#int4(value >>> 0)
  }
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
export function fieldsOf(write: (rows: BinaryRows) => void): Buffer {
  const rows = new BinaryRows()
  write(rows)
  return Buffer.from(rows.bytes.subarray(0, rows.length))
}

const ARRAY_HEADER = 20

/** An array parameter; `put` writes the element's bytes at a place. */
function arrayOf(oid: number, count: number, size: number, put: (into: Buffer, at: number, n: number) => void): Buffer {
  const into = Buffer.allocUnsafe(ARRAY_HEADER + count * (4 + size))
  into.writeInt32BE(1, 0)
  into.writeInt32BE(0, 4)
  into.writeInt32BE(oid, 8)
  into.writeInt32BE(count, 12)
  into.writeInt32BE(1, 16)
  for (let n = 0, at = ARRAY_HEADER; n < count; n += 1, at += 4 + size) {
    into.writeInt32BE(size, at)
    put(into, at + 4, n)
  }
  return into
}

function putInt8(into: Buffer, at: number, value: number): void {
  into.writeInt32BE(Math.floor(value / TWO_32), at)
  into.writeUInt32BE(value >>> 0, at + 4)
}

/** `bigint[]`, of whole numbers up to 2^53. */
export const bigints = (count: number, of: (n: number) => number): Buffer =>
  arrayOf(20, count, 8, (into, at, n) => putInt8(into, at, of(n)))

/** `timestamptz[]`, of milliseconds. */
export const instants = (count: number, of: (n: number) => number): Buffer =>
  arrayOf(1184, count, 8, (into, at, n) => putInt8(into, at, (of(n) - EPOCH_MS) * 1000))

/** `date[]`, of days since 1970-01-01. */
export const days = (count: number, of: (n: number) => number): Buffer =>
  arrayOf(1082, count, 4, (into, at, n) => into.writeInt32BE(of(n) - EPOCH_DAY, at))

/** `uuid[]`, of 16 bytes each; `of` is where an element begins in `source`. */
export const uuids = (count: number, source: Buffer, of: (n: number) => number): Buffer =>
  arrayOf(2950, count, 16, (into, at, n) => source.copy(into, at, of(n), of(n) + 16))

/** `text[]`, of texts without NUL. */
export function texts(count: number, of: (n: number) => string): Buffer {
  const rows = new BinaryRows()
  rows.texts(Array.from({ length: count }, (_, n) => of(n)))
  return Buffer.from(rows.bytes.subarray(4, rows.length))
}
